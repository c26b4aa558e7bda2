//! Coverage from the other side: what the server has seen of a program, held against what its cases send.

use crate::replay::one_line;
use crate::{Error, Finding, Rule};
use std::collections::HashSet;

/// What `pg_stat_statements` says of a program.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its statements, each by its id and with its text.
    pub statements: Vec<(i64, String)>,
    /// How often the server dropped entries since the statistics were reset.
    pub dropped: i64,
}

/// A finding for each statement that was seen and is not among `known`, the ids of what the cases send, nor internal by
/// its text. `is_internal` gets the text with each run of white space as one space: the server keeps line breaks, and
/// PL/pgSQL puts spaces in place of an `INTO` clause.
///
/// # Errors
/// [`Error::Statistics`] when what was seen proves nothing: entries were dropped, or no statement of a case is among it.
pub fn uncovered(
    seen: &Seen,
    known: &HashSet<i64>,
    is_internal: impl Fn(&str) -> bool,
) -> Result<Vec<Finding>, Error> {
    if seen.dropped > 0 {
        let why = format!("entries were dropped {} times: raise pg_stat_statements.max", seen.dropped);
        return Err(Error::Statistics(why));
    }
    if !seen.statements.iter().any(|(id, _)| known.contains(id)) {
        let why = format!(
            "{} statements were seen, none of them a case's: run the tests first, as the role that is asked for, on \
             this server, and reset nothing after them",
            seen.statements.len()
        );
        return Err(Error::Statistics(why));
    }
    let unknown =
        seen.statements.iter().filter(|(id, _)| !known.contains(id)).map(|(_, text)| one_line(text));
    Ok(unknown.filter(|text| !is_internal(text)).map(finding).collect())
}

fn finding(statement: String) -> Finding {
    let (expected, found) = ("every statement of the program to be sent by a case", "one that no case sends");
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
    fn a_statement_that_no_case_sends_is_found_and_an_internal_one_is_not() {
        assert_eq!(judged(&[(7, "SELECT a"), (1, PING)], 0), Ok(vec![]));
        let found = judged(&[(7, "SELECT a"), (9, "SELECT\n  b"), (1, PING)], 0);
        assert_eq!(found, Ok(vec!["SELECT b".to_owned()]));
    }

    #[test]
    fn an_internal_statement_is_known_however_its_white_space_is_written() {
        assert_eq!(judged(&[(7, "SELECT a"), (1, "SELECT        1"), (2, "SELECT\n 1")], 0), Ok(vec![]));
    }

    #[test]
    fn statistics_that_lost_entries_prove_nothing() {
        let why = judged(&[(7, "SELECT a")], 3).unwrap_err();
        assert!(why.contains("dropped 3 times"), "{why}");
    }

    #[test]
    fn statistics_that_saw_no_case_prove_nothing() {
        for statements in [&[][..], &[(1, PING)], &[(9, "SELECT b")]] {
            let why = judged(statements, 0).unwrap_err();
            assert!(why.contains("run the tests first"), "{why}");
        }
    }
}
