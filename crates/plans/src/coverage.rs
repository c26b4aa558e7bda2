//! Coverage of statements: compares what the server has seen of a program with what its cases send.

use crate::replay::one_line;
use crate::{Error, Finding, Rule};
use std::collections::HashSet;
use steadfast_postgres::tokio_postgres::Client;

/// Statements that a role has sent itself, by the statistics of the whole server.
const STATEMENTS: &str = "SELECT queryid, min(query) FROM pg_stat_statements \
     WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND toplevel \
     AND query !~* '^\\s*(begin|start|commit|rollback|savepoint|release|set|reset|truncate|create|drop|alter|analyze)\\M' \
     GROUP BY queryid ORDER BY 2";

/// Statements of a program in `pg_stat_statements`.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Id and text of each statement.
    pub statements: Vec<(i64, String)>,
    /// Number of times that the server has evicted entries since the statistics were reset.
    pub dropped: i64,
}

impl Seen {
    /// Reads the statements that `role` has sent, other than transaction control and DDL. Creates the extension
    /// `pg_stat_statements` in the database of `client` if it is missing.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server does not load `pg_stat_statements`.
    pub async fn read(client: &Client, role: &str) -> Result<Self, Error> {
        let extension = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
        client.batch_execute(extension).await.map_err(Error::database("create pg_stat_statements"))?;
        let dropped = client.query_one("SELECT dealloc FROM pg_stat_statements_info", &[]).await;
        let dropped = dropped.map_err(Error::database("read pg_stat_statements_info"))?.get(0);
        let rows = client.query(STATEMENTS, &[&role]).await;
        let rows = rows.map_err(Error::database("read pg_stat_statements"))?;
        Ok(Self { statements: rows.iter().map(|row| (row.get(0), row.get(1))).collect(), dropped })
    }
}

/// Returns a finding for each statement that was seen, is not one of `known` (the ids of the statements of the cases),
/// and is not internal. `is_internal` receives the text with every run of white space replaced by one space, because
/// the server stores line breaks as sent.
///
/// # Errors
/// Returns [`Error::Statistics`] if the statistics prove nothing: entries were evicted, or no statement of a case was
/// seen.
pub fn uncovered(
    seen: &Seen,
    known: &HashSet<i64>,
    is_internal: impl Fn(&str) -> bool,
) -> Result<Vec<Finding>, Error> {
    if seen.dropped > 0 {
        let why = format!("entries were evicted {} times: raise pg_stat_statements.max", seen.dropped);
        return Err(Error::Statistics(why));
    }
    if !seen.statements.iter().any(|(id, _)| known.contains(id)) {
        let why = format!(
            "none of the {} statements that were seen is sent by a case: run the tests first, on this server, with \
             the role of the program, and do not reset the statistics after them",
            seen.statements.len()
        );
        return Err(Error::Statistics(why));
    }
    let unknown =
        seen.statements.iter().filter(|(id, _)| !known.contains(id)).map(|(_, text)| one_line(text));
    Ok(unknown.filter(|text| !is_internal(text)).map(finding).collect())
}

fn finding(statement: String) -> Finding {
    let (expected, found) = ("every statement of the program in a case", "a statement that no case sends");
    let suggestion = "move the statement into an operation if it has none, and add a case that sends it";
    Finding { statement, ..Finding::new(Rule::Coverage, "tests", expected, found, suggestion) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: &str = "SELECT 1";

    fn judged(statements: &[(i64, &str)], dropped: i64) -> Result<Vec<String>, String> {
        let statements = statements.iter().map(|(id, text)| (*id, (*text).to_owned())).collect();
        let known = HashSet::from([7, 8]);
        let found = uncovered(&Seen { statements, dropped }, &known, |text| text == PING);
        let texts = |found: Vec<Finding>| found.into_iter().map(|finding| finding.statement).collect();
        found.map(texts).map_err(|error| error.to_string())
    }

    #[test]
    fn finds_statements_without_case() {
        assert_eq!(judged(&[(7, "SELECT a"), (1, PING)], 0), Ok(vec![]));
        let found = judged(&[(7, "SELECT a"), (9, "SELECT\n  b"), (1, PING)], 0);
        assert_eq!(found, Ok(vec!["SELECT b".to_owned()]));
    }

    #[test]
    fn recognises_internal_statements_in_any_layout() {
        assert_eq!(judged(&[(7, "SELECT a"), (1, "SELECT        1"), (2, "SELECT\n 1")], 0), Ok(vec![]));
    }

    #[test]
    fn rejects_statistics_with_evicted_entries() {
        let why = judged(&[(7, "SELECT a")], 3).unwrap_err();
        assert!(why.contains("evicted 3 times"), "{why}");
    }

    #[test]
    fn rejects_statistics_without_a_statement_of_the_cases() {
        for statements in [&[][..], &[(1, PING)], &[(9, "SELECT b")]] {
            let why = judged(statements, 0).unwrap_err();
            assert!(why.contains("run the tests first"), "{why}");
        }
    }
}
