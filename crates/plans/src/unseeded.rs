//! Tables with too little data: a table of up to eight pages is read as fast without an index, so its plans prove
//! nothing.

use crate::replay_database::ReplayDatabase;
use crate::{Error, Finding, Judged, Rule};
use std::collections::BTreeSet;

/// A table that is always small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallTable<'a> {
    /// Name, written as in SQL: schema-qualified if necessary.
    pub table: &'a str,
    /// Maximum number of rows.
    pub rows: u64,
    /// Constraint or test that enforces the maximum.
    pub because: &'a str,
}

/// Returns a finding for each table that a case reads or writes and that has at most eight pages in `database`, the
/// larger size, unless it is one of `small`; and for each of `small` that has more rows than declared.
///
/// # Errors
/// Returns [`Error::Database`] if the rows of a small table cannot be counted.
pub async fn unseeded(
    database: &ReplayDatabase,
    judged: impl IntoIterator<Item = &Judged>,
    small: &[SmallTable<'_>],
) -> Result<Vec<Finding>, Error> {
    let statements = judged.into_iter().flat_map(|case| &case.statements);
    let touched: BTreeSet<&str> =
        statements.flat_map(|statement| &statement.touched).map(|touched| touched.table.as_str()).collect();
    let mut findings = Vec::new();
    for table in touched {
        let declared = small.iter().find(|declared| declared.table == table);
        match declared {
            Some(declared) => findings.extend(too_many(database, declared).await?),
            None if database.facts.is_small_table(table) => findings.push(finding(
                table,
                "more than eight pages at the larger size, or a declaration as a small table".to_owned(),
                "at most eight pages, which are read as fast without an index".to_owned(),
                "seed it, or declare it small with its maximum number of rows",
            )),
            None => {}
        }
    }
    Ok(findings)
}

async fn too_many(database: &ReplayDatabase, declared: &SmallTable<'_>) -> Result<Option<Finding>, Error> {
    let SmallTable { table, rows, because } = declared;
    let sql = format!("SELECT count(*) FROM {table}");
    let counted = database.client.query_one(&sql, &[]).await;
    let counted: i64 = counted.map_err(Error::database(format!("count the rows of {table}")))?.get(0);
    let finding = || {
        finding(
            table,
            format!("at most {rows} rows, as declared: {because}"),
            format!("{counted} rows"),
            "seed a realistic number of rows; if that is more than declared, remove the declaration",
        )
    };
    Ok((counted.cast_unsigned() > *rows).then(finding))
}

fn finding(table: &str, expected: String, found: String, suggestion: &str) -> Finding {
    Finding::new(Rule::Unseeded, table, expected, found, suggestion)
}
