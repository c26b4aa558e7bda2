//! Coverage of NULL parameters: compares what the tests of a program sent with what its cases send.

use crate::replay::one_line;
use crate::{Error, Finding, Rule, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// For each parameter of a statement, true if it was NULL.
type Nulls = Vec<bool>;

/// Statements with parameters that tests have sent, each with every combination of NULLs.
///
/// `steadfast-postgres` records them in the file that the environment variable `STEADFAST_BINDS` names, if its feature
/// `record-binds` is enabled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenBinds(BTreeMap<String, BTreeSet<Nulls>>);

impl SeenBinds {
    /// Reads the record at `path`.
    ///
    /// # Errors
    /// Returns [`Error::Binds`] if the record cannot be read or is not complete.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let mut failed = path.as_os_str().to_owned();
        failed.push(".failed");
        if let Ok(why) = std::fs::read_to_string(&failed) {
            return Err(Error::Binds(format!("a process could not write to {shown}: {why}")));
        }
        let text = std::fs::read_to_string(path);
        Self::parse(&text.map_err(|error| Error::Binds(format!("{shown} cannot be read: {error}")))?)
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let mut seen = BTreeMap::<String, BTreeSet<Nulls>>::new();
        for (index, line) in text.lines().enumerate() {
            let cut = || Error::Binds(format!("line {} is not a list of digits and a statement", index + 1));
            let (digits, statement) = line.split_once('\t').ok_or_else(cut)?;
            if digits.is_empty() || !digits.bytes().all(|digit| matches!(digit, b'0' | b'1')) {
                return Err(cut());
            }
            let nulls = digits.bytes().map(|digit| digit == b'1').collect();
            seen.entry(statement.to_owned()).or_default().insert(nulls);
        }
        Ok(Self(seen))
    }
}

/// Returns which parameters are NULL of those that a plan can depend on: all but the values that a plain INSERT or UPDATE
/// stores.
fn planned(statement: &str, nulls: &[bool]) -> Nulls {
    let is =
        |keyword: &str| statement.get(..keyword.len()).is_some_and(|text| text.eq_ignore_ascii_case(keyword));
    let condition = match statement.rfind(" WHERE ") {
        Some(start) if is("UPDATE ") && !statement.contains(" FROM ") => &statement[start..],
        None if is("INSERT ") && !statement.contains("SELECT ") => "",
        _ => statement,
    };
    let words: BTreeSet<&str> = condition.split(|c: char| c != '$' && !c.is_ascii_digit()).collect();
    nulls
        .iter()
        .zip(1..)
        .map(|(is_null, number)| *is_null && words.contains(&*format!("${number}")))
        .collect()
}

/// A statement of the cases: its operation, a case that sends it, and the combinations of NULLs.
#[derive(Debug)]
struct Sent {
    operation: String,
    case: String,
    nulls: BTreeSet<Nulls>,
}

/// Statements of the cases that have parameters, by their text on one line.
#[derive(Debug, Default)]
struct Sendings(BTreeMap<String, Sent>);

/// Returns a finding for each statement of `runs` that the tests sent with other parameters NULL than any case.
/// Values that a plain INSERT or UPDATE only stores do not count. Statements that no case sends are left to [`uncovered`](crate::uncovered), which identifies statements by id.
///
/// # Errors
/// Returns [`Error::Binds`] if the record contains no statement of `runs`, because it then proves nothing.
pub fn uncovered_binds<'a>(
    seen: &SeenBinds,
    runs: impl IntoIterator<Item = &'a Run>,
) -> Result<Vec<Finding>, Error> {
    Sendings::of(runs).missing(seen)
}

impl Sendings {
    fn of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let mut sendings = Self::default();
        for run in runs {
            for statement in run.captured.own().filter(|statement| !statement.parameters.is_empty()) {
                let nulls = statement.parameters.iter().map(|parameter| parameter.value.is_none()).collect();
                let own = run.is_judged(statement).then_some(&*run.contract.operation);
                sendings.add(own.unwrap_or(statement.operation), &run.case, &statement.sql, nulls);
            }
        }
        sendings
    }

    fn add(&mut self, operation: &str, case: &str, sql: &str, nulls: Nulls) {
        let sent = self.0.entry(one_line(sql)).or_insert_with(|| Sent {
            operation: operation.to_owned(),
            case: case.to_owned(),
            nulls: BTreeSet::new(),
        });
        sent.nulls.insert(nulls);
    }

    fn missing(self, seen: &SeenBinds) -> Result<Vec<Finding>, Error> {
        if !self.0.keys().any(|statement| seen.0.contains_key(statement)) {
            let why =
                format!("none of its {} statements is sent by a case: run the tests first", seen.0.len());
            return Err(Error::Binds(why));
        }
        let missing = self.0.into_iter().filter_map(|(statement, sent)| {
            let shown = |all: &BTreeSet<Nulls>| -> BTreeSet<Nulls> {
                all.iter().map(|nulls| planned(&statement, nulls)).collect()
            };
            let missing: Vec<String> = shown(seen.0.get(&statement)?)
                .difference(&shown(&sent.nulls))
                .map(|nulls| named(nulls))
                .collect();
            (!missing.is_empty()).then(|| {
                let expected = "a case for each combination of NULL parameters that the tests send";
                let found = format!("none with {}", missing.join(", none with "));
                finding(
                    statement,
                    sent,
                    expected,
                    found,
                    "add a case that sends the statement with these parameters NULL",
                )
            })
        });
        Ok(missing.collect())
    }
}

/// Names the NULL parameters, e.g. `$2 and $3 NULL`.
fn named(nulls: &[bool]) -> String {
    let nulls = nulls.iter().enumerate().filter(|(_, is_null)| **is_null);
    let names: Vec<String> = nulls.map(|(at, _)| format!("${}", at + 1)).collect();
    if names.is_empty() { "no parameter NULL".to_owned() } else { format!("{} NULL", names.join(" and ")) }
}

fn finding(statement: String, sent: Sent, expected: &str, found: String, action: &str) -> Finding {
    Finding {
        rule: Rule::Coverage,
        subject: sent.operation,
        case: sent.case,
        also_in: Vec::new(),
        statement,
        expected: expected.to_owned(),
        found,
        suggestion: action.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_to_store_do_not_count() {
        let all = [true, true, true];
        for (statement, expected) in [
            ("INSERT INTO t (a, b, c) VALUES ($1, $2, CAST($3 AS inet))", [false, false, false]),
            ("UPDATE t SET a = $1, b = $2 WHERE (t.c = $3) RETURNING a", [false, false, true]),
            ("UPDATE t SET a = $1 FROM u WHERE u.b = $2 AND t.c = $3", [true, true, true]),
            ("INSERT INTO t (a) SELECT b FROM u WHERE c = $1 AND d = $2 OR e = $3", [true, true, true]),
            ("SELECT a FROM t WHERE b = $1 AND c = $2 LIMIT $3", [true, true, true]),
        ] {
            assert_eq!(planned(statement, &all), expected, "{statement}");
        }
    }

    const PAGE: &str = "SELECT FROM books WHERE shelf = $1 AND id > $2";

    /// Returns statements of cases that send [`PAGE`], each with these parameters NULL.
    fn sendings(cases: &[(&str, [bool; 2])]) -> Sendings {
        let mut sendings = Sendings::default();
        for (case, nulls) in cases {
            sendings.add(
                "books.page",
                case,
                "SELECT FROM books\n WHERE shelf = $1 AND id > $2",
                nulls.to_vec(),
            );
        }
        sendings
    }

    fn seen(lines: &[&str]) -> SeenBinds {
        let lines: Vec<String> = lines.iter().map(|digits| format!("{digits}\t{PAGE}\n")).collect();
        SeenBinds::parse(&lines.concat()).expect("a record")
    }

    #[test]
    fn finds_null_combinations_without_case() {
        let cases = [("first", [false, true]), ("next", [false, false])];
        assert_eq!(sendings(&cases).missing(&seen(&["00", "01"])).expect("a verdict"), []);
        let found = sendings(&cases).missing(&seen(&["01", "10", "11"])).expect("a verdict");
        let [finding] = &found[..] else { panic!("one finding for one statement: {found:?}") };
        assert_eq!(
            (finding.rule, &*finding.subject, &*finding.case),
            (Rule::Coverage, "books.page", "first")
        );
        assert_eq!(
            (&*finding.statement, &*finding.found),
            (PAGE, "none with $1 NULL, none with $1 and $2 NULL")
        );
        let found = sendings(&cases[..1]).missing(&seen(&["00"])).expect("a verdict");
        assert_eq!(found[0].found, "none with no parameter NULL");
    }

    #[test]
    fn ignores_statements_without_case() {
        let mut seen = seen(&["00"]);
        seen.0.insert("SELECT $1".to_owned(), BTreeSet::from([vec![true]]));
        assert_eq!(sendings(&[("one", [false, false])]).missing(&seen).expect("a verdict"), []);
    }

    #[test]
    fn rejects_records_without_a_statement_of_the_cases() {
        for seen in [SeenBinds::default(), SeenBinds::parse("1\tSELECT $1\n").expect("a record")] {
            let refused = sendings(&[("one", [false, false])]).missing(&seen).expect_err("nothing");
            assert!(refused.to_string().contains("run the tests first"), "{refused}");
        }
        for cut in ["SELECT $1", "\tSELECT $1", "0x\tSELECT $1", "01\tSELECT $1\n01"] {
            assert!(SeenBinds::parse(cut).is_err(), "{cut:?}");
        }
    }

    #[test]
    fn rejects_incomplete_records() {
        let path = std::env::temp_dir().join(format!("steadfast-seen-binds-{}", std::process::id()));
        std::fs::write(&path, "0\tSELECT $1\n").expect("a record");
        assert!(SeenBinds::read(&path).is_ok());
        std::fs::write(path.with_extension("failed"), "disk full").expect("a mark");
        let why = SeenBinds::read(&path).expect_err("incomplete").to_string();
        std::fs::remove_file(path.with_extension("failed"))
            .and_then(|()| std::fs::remove_file(&path))
            .expect("both");
        assert!(why.contains("disk full"), "{why}");
        assert!(SeenBinds::read(&path).is_err());
    }
}
