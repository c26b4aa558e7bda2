//! Operations have names of their own, after the area they stand in, and nothing in the repository reaches the database
//! outside of one: only the store holds a database, and what it lends is lent to an operation.

use super::source::{closing, line_at, occurrences};
use super::tree::{File, Finding, Tree, below};
use std::collections::BTreeMap;

const RULE: &str = "operations";

const REPOSITORY: &str = "crates/repository/src";

/// How an operation begins to be declared.
const DECLARED: [&str; 2] = ["Operation::read(", "Operation::write("];

/// Holds the database, so it alone may name one.
const STORE: &str = "crates/repository/src/store.rs";

/// Fills tables before there is anything to operate on, by a session of its own; not built for production.
const SEEDING: &str = "crates/repository/src/cases";

/// What is lent to an operation, and to nobody else.
const LENT: &str = "Conn";

/// Calls that leave the unit of work.
const REFUSED: [(&str, &str); 5] = [
    ("transaction(", "use the store's unit of work: named, measured, repeated after a deadlock"),
    ("batch_execute(", "write a typed statement: a batch escapes counting and plans"),
    ("simple_query(", "write a typed statement: a text of its own escapes counting and plans"),
    ("copy_in(", "write a statement over arrays: COPY escapes counting and plans"),
    ("copy_out(", "write a statement with a limit: COPY escapes counting and plans"),
];

/// Names of what statements can be sent through without an operation.
const DOORS: [&str; 9] = [
    "Db",
    "Pool",
    "Pooled",
    "AsyncConnection",
    "AsyncPgConnection",
    "PgConnection",
    "SimpleAsyncConnection",
    "bb8",
    "tokio_postgres",
];

/// Names that occur twice or say another area, and ways to the database around the unit of work.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeMap::new();
    for file in tree.under(REPOSITORY).filter(|file| file.path.ends_with(".rs")) {
        for (line, name) in names(file) {
            findings.extend(misplaced(file, line, &name));
            if let Some(first) = seen.insert(name.clone(), format!("{}:{line}", file.path)) {
                findings.push(file.finding(
                    line,
                    RULE,
                    format!("{name} is declared at {first} already: name what differs"),
                ));
            }
        }
        if below(&file.path, SEEDING).is_none() {
            findings.extend(escapes(file));
        }
    }
    findings
}

/// The line and name of each operation that `file` declares.
fn names(file: &File) -> Vec<(usize, String)> {
    let text = file.code_and_literals();
    let declared = DECLARED.iter().flat_map(|call| occurrences(&text, call).map(|at| at + call.len()));
    let named = declared.filter_map(|at| {
        let name = text[at..].trim_start().strip_prefix('"')?.split('"').next()?;
        Some((line_at(&text, at), name.to_owned()))
    });
    named.collect()
}

fn misplaced(file: &File, line: usize, name: &str) -> Option<Finding> {
    let room = below(&file.path, REPOSITORY)?.trim_end_matches(".rs").split('/').next()?;
    let placed = name.split_once('.').is_some_and(|(area, what)| area == room && !what.is_empty());
    (!placed).then(|| {
        file.finding(line, RULE, format!("\"{name}\" stands in `{room}`: name it \"{room}.<what it does>\""))
    })
}

/// Ways of `file` to the database outside an operation.
fn escapes(file: &File) -> Vec<Finding> {
    let code = file.code();
    let mut found: Vec<(usize, String)> = Vec::new();
    for (call, advice) in REFUSED {
        found.extend(occurrences(&code, call).map(|at| (at, advice.to_owned())));
    }
    for door in DOORS.iter().filter(|_| file.path != STORE) {
        let advice = format!("{door}: only the store holds a database; take `&Store` and run an operation");
        found.extend(occurrences(&code, door).map(|at| (at, advice.clone())));
    }
    let advice =
        format!("a public function takes `&Store`, never `{LENT}`: make it pub(super), or an operation");
    found.extend(public_functions(&code).filter(|at| takes_lent(&code, *at)).map(|at| (at, advice.clone())));
    found.into_iter().map(|(at, advice)| file.finding(line_at(&code, at), RULE, advice)).collect()
}

/// Where a function begins that other crates can call. `pub(crate)` and the like are none.
fn public_functions(code: &str) -> impl Iterator<Item = usize> {
    occurrences(code, "fn").filter(|at| {
        let before = code[..*at].trim_end();
        let before = ["async", "const"]
            .into_iter()
            .fold(before, |before, word| before.strip_suffix(word).unwrap_or(before).trim_end());
        before.ends_with("pub")
    })
}

/// Whether the function that begins at `at` is handed a connection.
fn takes_lent(code: &str, at: usize) -> bool {
    let parameters = code[at..].find('(').map(|open| at + open);
    parameters.is_some_and(|open| occurrences(&code[open..closing(code, open)], LENT).next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_named_after_their_area_pass() {
        let tree = Tree::of(&[
            (
                "crates/repository/src/keys.rs",
                "const A: Operation<Read> = Operation::read(\"keys.search\");\nfn begin_transaction() {}",
            ),
            ("crates/repository/src/keys/low.rs", "Operation::read(\n    \"keys.low\",\n)"),
            ("crates/postgres/src/db.rs", "conn.transaction(f)"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_name_used_twice_or_in_another_area_is_found() {
        let tree = Tree::of(&[
            ("crates/repository/src/jobs.rs", "Operation::write(\"keys.search\")"),
            ("crates/repository/src/keys.rs", "Operation::read(\"keys.search\") Operation::read(\"keys\")"),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found
                .iter()
                .any(|finding| finding.advice.contains("declared at crates/repository/src/jobs.rs:1"))
        );
    }

    /// The lines of what is found in a file of the repository.
    fn lines(path: &str, code: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, code)])).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn calls_that_leave_the_unit_of_work_are_found() {
        let code =
            "//! transaction(\nconn.transaction(f);\nconn.batch_execute(\"x\");\nclient.copy_in(\"x\");\n";
        assert_eq!(lines("crates/repository/src/keys.rs", code), [2, 3, 4]);
    }

    #[test]
    fn a_database_or_session_outside_the_store_is_found() {
        let code = "use steadfast_postgres::{\n    Conn,\n    Db,\n};\nasync fn f(p: &steadfast_postgres::Pool) {}\n\
                    use steadfast_postgres::tokio_postgres::connect;\nlet a = DbSettings::default();";
        assert_eq!(lines("crates/repository/src/keys/rows.rs", code), [3, 5, 6]);
        assert_eq!(lines("crates/repository/src/store.rs", "pub fn new(db: Db) -> Self {}"), [0; 0]);
        assert_eq!(lines("crates/repository/src/store.rs", "db.get().transaction(f)"), [1]);
    }

    #[test]
    fn a_public_function_on_a_connection_is_found() {
        let public = "pub async fn f(\n    conn: &mut Conn,\n) {}\npub fn g<'a>(a: u8, conn: &Conn) {}";
        assert_eq!(lines("crates/repository/src/jobs.rs", public), [1, 4]);
        let private = "pub(crate) async fn f(conn: &mut Conn) {}\nfn g(conn: &Conn) {}\npub fn h(store: &Store) { g(Conn) }";
        assert_eq!(lines("crates/repository/src/jobs.rs", private), [0; 0]);
    }

    #[test]
    fn seeding_has_a_session_of_its_own_but_the_cases_of_an_area_have_none() {
        let code = "let (client, connection) = tokio_postgres::connect(url, NoTls);";
        assert_eq!(lines("crates/repository/src/cases/seed.rs", code), [0; 0]);
        assert_eq!(lines("crates/repository/src/keys/cases.rs", code), [1]);
        assert_eq!(lines("crates/repository/src/cases.rs", code), [1]);
    }
}
