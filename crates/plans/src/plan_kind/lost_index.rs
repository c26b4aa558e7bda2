//! Partial indexes that a generic plan cannot use, because the statement binds a value where the predicate has a
//! constant. The cause is proven by an attempt with the constant, not inferred from the text.

use crate::explain::Explained;
use crate::facts::Facts;
use crate::replay_database::ReplayDatabase;
use crate::verdict::{self, Context};
use crate::{Error, Finding};
use std::collections::BTreeSet;
use steadfast_postgres::CapturedStatement;
use steadfast_postgres::tokio_postgres::{self, Statement, types::Type};

/// A statement whose generic plan has findings.
pub(super) struct LostIndex<'a> {
    pub(super) database: &'a ReplayDatabase,
    pub(super) context: Context<'a>,
    pub(super) statement: &'a CapturedStatement,
    pub(super) prepared: &'a Statement,
    /// Values as SQL constants.
    pub(super) values: &'a [String],
}

/// Effect of replacing a parameter by a constant.
struct Proof {
    index: String,
    parameter: usize,
    left: Vec<Finding>,
}

impl LostIndex<'_> {
    /// Names the lost index in those `findings` that the constant removes.
    pub(super) async fn name_in(&self, findings: &mut [Finding], generic: &Explained) -> Result<(), Error> {
        if findings.is_empty() || self.may_draw_numbers() {
            return Ok(());
        }
        let Some(Proof { index, parameter, left }) = self.proof(generic).await? else { return Ok(()) };
        let predicate = self.database.facts.predicate(&index).unwrap_or_default();
        let suggestion = format!(
            "write the value of ${parameter} into the statement as a constant: {index} is partial, WHERE {predicate}, and \
             the generic plan uses it if the value is a constant"
        );
        let removed = findings.iter_mut().filter(|finding| left.iter().all(|left| left.rule != finding.rule));
        removed.for_each(|finding| finding.suggestion.clone_from(&suggestion));
        Ok(())
    }

    /// Returns true if an attempt could draw from a sequence. Rolling back does not undo that, and later statements
    /// would draw other numbers than in the run.
    fn may_draw_numbers(&self) -> bool {
        self.statement.tags.iter().any(|tag| tag.starts_with("INSERT") || tag.starts_with("MERGE"))
    }

    async fn proof(&self, generic: &Explained) -> Result<Option<Proof>, Error> {
        let facts = &self.database.facts;
        let used = indexes(generic, facts);
        let is_lost = |index: &&String| facts.predicate(index).is_some() && !used.contains(*index);
        let lost: Vec<&String> = self.context.contract.served_by.iter().filter(is_lost).collect();
        for (at, value) in self.values.iter().enumerate() {
            let may_take = |index: &&&String| {
                facts.predicate(index).is_some_and(|predicate| self.may_imply(at, value, predicate))
            };
            if !lost.iter().any(|index| may_take(&index)) {
                continue;
            }
            let Some(explained) = self.with_constant(at + 1, value).await? else { continue };
            let now = indexes(&explained, facts);
            if let Some(index) = lost.iter().filter(may_take).find(|index| now.contains(**index)) {
                let left = verdict::judge(&self.context, &explained, facts, true);
                return Ok(Some(Proof { index: (*index).clone(), parameter: at + 1, left }));
            }
        }
        Ok(None)
    }

    /// Returns true if the value can be the constant of `predicate`. A boolean constant may be implicit: `lent = true`
    /// is `lent`.
    fn may_imply(&self, at: usize, value: &str, predicate: &str) -> bool {
        let bare = value.trim_start_matches("E'").trim_end_matches('\'');
        let is_boolean = self.prepared.params().get(at) == Some(&Type::BOOL);
        value != "NULL" && !bare.is_empty() && (is_boolean || predicate.contains(bare))
    }

    /// Returns the generic plan with `value` instead of the parameter, or `None` if the server rejects the statement.
    async fn with_constant(&self, parameter: usize, value: &str) -> Result<Option<Explained>, Error> {
        let sql = replaced(&self.statement.sql, parameter, value);
        self.database.run("SAVEPOINT steadfast_constant").await?;
        let json = self.explain(&sql).await;
        self.database.run("ROLLBACK TO SAVEPOINT steadfast_constant").await?;
        match json {
            Ok(json) => Ok(Explained::parse(&json).ok()),
            Err(error) if error.as_db_error().is_some() => Ok(None),
            Err(error) => Err(Error::database(format!("explain `{sql}`"))(error)),
        }
    }

    async fn explain(&self, sql: &str) -> Result<serde_json::Value, tokio_postgres::Error> {
        // All parameters keep their types, including the one that was replaced.
        let _prepared = self.database.client.prepare_typed(sql, self.prepared.params()).await?;
        let name = self.database.prepared_name(sql).await?;
        self.database.execute(&name, self.values).await
    }
}

fn indexes(explained: &Explained, facts: &Facts) -> BTreeSet<String> {
    let accesses = verdict::accesses(explained, facts);
    accesses.iter().flat_map(|access| access.via.indexes()).cloned().collect()
}

/// Replaces the parameter by `value` outside of string constants.
fn replaced(sql: &str, parameter: usize, value: &str) -> String {
    let name = format!("${parameter}");
    let mut text = String::new();
    for (n, part) in sql.split('\'').enumerate() {
        if n > 0 {
            text.push('\'');
        }
        if n % 2 == 1 {
            text.push_str(part);
            continue;
        }
        let mut rest = part;
        while let Some(at) = rest.find(&name) {
            let (before, after) = (&rest[..at], &rest[at + name.len()..]);
            text.push_str(before);
            text.push_str(if after.starts_with(|c: char| c.is_ascii_digit()) { &name } else { value });
            rest = after;
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn replaces_only_the_parameter() {
        let sql = "SELECT '$1' WHERE a = $1 AND b = $10 AND c IN ($1, $2)";
        assert_eq!(replaced(sql, 1, "E'x'"), "SELECT '$1' WHERE a = E'x' AND b = $10 AND c IN (E'x', $2)");
    }
}
