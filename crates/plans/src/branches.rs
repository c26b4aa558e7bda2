//! Branches: finds values, matches and pages of a statement that no case covers.

use crate::verdict::Context;
use crate::{Contract, Finding, Judged, Rule, SmallTable, StatementOutcome};
use std::collections::BTreeMap;
use steadfast_postgres::CapturedStatement;

/// Returns a finding for each branch of a statement that no case covers. `judged` are all cases, of any number of
/// operations, each once.
///
/// A statement with parameters needs a case in which each parameter has a value. If it reads a table that is not one of
/// `small`, and has a parameter besides that of its LIMIT, it also needs:
///
/// - a case in which it finds something, and one in which it finds nothing;
/// - if it ends in a LIMIT, a case that reaches the limit, and one that does not;
/// - if an OFFSET follows, a case for the first page, and one for a later page.
pub fn branches<'a>(judged: impl IntoIterator<Item = &'a Judged>, small: &[SmallTable<'_>]) -> Vec<Finding> {
    let mut statements: BTreeMap<(&str, &str), (&Contract, Vec<&StatementOutcome>)> = BTreeMap::new();
    for case in judged {
        for statement in &case.statements {
            let key = (case.contract.operation.as_str(), statement.sql.as_str());
            statements.entry(key).or_insert((&case.contract, Vec::new())).1.push(statement);
        }
    }
    let of = |((_, statement), (contract, shown)): ((&str, &str), (&Contract, Vec<&StatementOutcome>))| {
        let context = Context { contract, case: "", statement };
        missing(&shown, small)
            .into_iter()
            .map(|(expected, found)| {
                context.finding(
                    Rule::Branch,
                    expected,
                    found,
                    "add a case that sends the statement with such values",
                )
            })
            .collect::<Vec<_>>()
    };
    statements.into_iter().flat_map(of).collect()
}

/// Returns what no case covers, each with what all cases have in common instead.
fn missing(shown: &[&StatementOutcome], small: &[SmallTable<'_>]) -> Vec<(String, String)> {
    let Some(first) = shown.first().filter(|statement| !statement.nulls.is_empty()) else {
        return Vec::new();
    };
    let all = match shown.len() {
        1 => "in its only case".to_owned(),
        cases => format!("in all {cases} cases"),
    };
    let mut missing = Vec::new();
    for (at, _) in first.nulls.iter().enumerate() {
        if shown.iter().all(|statement| statement.nulls.get(at) == Some(&true)) {
            let number = at + 1;
            missing
                .push((format!("a case in which ${number} has a value"), format!("${number} is NULL {all}")));
        }
    }
    let is_small = |table: &String| small.iter().any(|small| small.table == table);
    let reads_large =
        shown.iter().flat_map(|statement| &statement.touched).any(|touched| !is_small(&touched.table));
    let of_limit = usize::from(first.limit_parameter.is_some());
    if !first.reads_tables() || !reads_large || first.nulls.len() == of_limit {
        return missing;
    }
    let skips =
        |skipping: bool| shown.iter().any(|one| one.offset.is_some_and(|rows| (rows > 0) == skipping));
    if skips(true) && !skips(false) {
        missing.push(("a case for the first page".to_owned(), format!("OFFSET skips rows {all}")));
    } else if skips(false) && !skips(true) {
        missing.push(("a case for a later page".to_owned(), format!("OFFSET is 0 {all}")));
    }
    let is_full = |statement: &&&StatementOutcome| {
        statement.limit.is_some_and(|limit| statement.work.returned >= limit)
    };
    let found = shown.iter().filter(|statement| statement.found).count();
    let full = shown.iter().filter(is_full).count();
    if found == 0 {
        missing.push(("a case that finds something".to_owned(), format!("it finds nothing {all}")));
    } else if found == shown.len() {
        missing.push(("a case that finds nothing".to_owned(), format!("it finds something {all}")));
    }
    if first.limit.is_some_and(|limit| limit > 1) && found > 0 {
        if full == 0 {
            missing.push(("a case that reaches the LIMIT".to_owned(), format!("fewer rows are found {all}")));
        } else if full == shown.len() {
            missing.push(("a case that stays below the LIMIT".to_owned(), format!("it is reached {all}")));
        }
    }
    missing
}

/// LIMIT and OFFSET at the end of a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Value of the LIMIT, if it is a number or a parameter.
    pub(crate) rows: Option<u64>,
    /// Number of the parameter of the LIMIT, from 1.
    pub(crate) parameter: Option<usize>,
    /// Value of the OFFSET, if it is a parameter.
    pub(crate) offset: Option<u64>,
}

impl Limit {
    pub(crate) fn of(statement: &CapturedStatement) -> Self {
        let sql = statement.sql.trim_end();
        let Some(start) = sql.to_ascii_uppercase().rfind("LIMIT ") else { return Self::default() };
        let mut words = sql[start..].split_whitespace().skip(1);
        let (value, after) = (words.next().unwrap_or_default(), words.next());
        if after.is_some_and(|word| !word.eq_ignore_ascii_case("OFFSET")) {
            return Self::default();
        }
        let number = |word: &str| word.strip_prefix('$').and_then(|number| number.parse().ok());
        let offset = words.next().and_then(number).and_then(|number| parameter_value(statement, number));
        let parameter = number(value);
        let rows = match parameter {
            Some(number) => parameter_value(statement, number),
            None => value.parse().ok(),
        };
        Self { rows, parameter, offset }
    }
}

fn parameter_value(statement: &CapturedStatement, number: usize) -> Option<u64> {
    let parameter = statement.parameters.get(number.checked_sub(1)?)?;
    let bytes = parameter.value.as_deref()?;
    match (parameter.binary, bytes.len()) {
        (false, _) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        (true, 8) => u64::try_from(i64::from_be_bytes(bytes.try_into().ok()?)).ok(),
        (true, 4) => u64::try_from(i32::from_be_bytes(bytes.try_into().ok()?)).ok(),
        (true, 2) => u64::try_from(i16::from_be_bytes(bytes.try_into().ok()?)).ok(),
        (true, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, TableActivity, Via, Work};

    /// Returns a statement on books with a LIMIT of 20 that returned `returned` rows, with these parameters NULL.
    fn page(returned: u64, nulls: &[bool]) -> StatementOutcome {
        let (table, via) = ("books".to_owned(), Via::Index("books_shelf".to_owned()));
        StatementOutcome {
            sql: "SELECT id FROM books WHERE shelf = $1 LIMIT $2".to_owned(),
            work: Work { returned, ..Work::default() },
            found: returned > 0,
            nulls: nulls.to_vec(),
            limit: Some(20),
            limit_parameter: Some(2),
            touched: vec![TableActivity { table: table.clone(), rows_written: 0 }],
            accesses: vec![Access { table, via }],
            ..StatementOutcome::default()
        }
    }

    fn expected(shown: Vec<StatementOutcome>, small: &[SmallTable<'_>]) -> Vec<String> {
        let contract = Contract::new("books.of_shelf");
        let case = |statement| Judged {
            contract: contract.clone(),
            case: String::new(),
            sent: 1,
            statements: vec![statement],
            findings: Vec::new(),
            notes: Vec::new(),
        };
        let judged: Vec<Judged> = shown.into_iter().map(case).collect();
        branches(&judged, small).into_iter().map(|finding| finding.expected).collect()
    }

    const SET: &[bool] = &[false, false];

    #[test]
    fn requires_full_short_and_empty_pages() {
        assert_eq!(expected(vec![page(20, SET), page(3, SET), page(0, SET)], &[]), [""; 0]);
        assert_eq!(expected(vec![page(20, SET), page(0, SET)], &[]), [""; 0]);
        assert_eq!(expected(vec![page(20, SET), page(3, SET)], &[]), ["a case that finds nothing"]);
        assert_eq!(expected(vec![page(3, SET), page(0, SET)], &[]), ["a case that reaches the LIMIT"]);
        let both = ["a case that finds nothing", "a case that stays below the LIMIT"];
        assert_eq!(expected(vec![page(20, SET)], &[]), both);
        assert_eq!(expected(vec![page(0, SET)], &[]), ["a case that finds something"]);
    }

    #[test]
    fn requires_first_and_later_pages() {
        let at = |offset, returned| StatementOutcome { offset: Some(offset), ..page(returned, SET) };
        assert_eq!(expected(vec![at(0, 20), at(20, 3), at(40, 0)], &[]), [""; 0]);
        assert_eq!(expected(vec![at(0, 20), at(0, 0)], &[]), ["a case for a later page"]);
        assert_eq!(expected(vec![at(20, 20), at(40, 0)], &[]), ["a case for the first page"]);
    }

    #[test]
    fn requires_a_value_for_each_parameter() {
        let mixed = vec![page(20, &[true, false]), page(0, SET)];
        assert_eq!(expected(mixed, &[]), [""; 0]);
        let never = vec![page(20, &[true, false]), page(0, &[true, false])];
        assert_eq!(expected(never, &[]), ["a case in which $1 has a value"]);
    }

    #[test]
    fn requires_no_branches_of_small_tables_and_bare_limits() {
        let small = SmallTable { table: "books", rows: 20, because: "a test" };
        assert_eq!(expected(vec![page(20, SET)], &[small]), [""; 0]);
        let bare = StatementOutcome { nulls: vec![false], limit_parameter: Some(1), ..page(20, SET) };
        assert_eq!(expected(vec![bare], &[]), [""; 0]);
    }
}
