//! Ways to the database around an operation: only the store holds a database, and what it lends is lent to an operation.

use super::declared::DECLARED;
use super::functions::functions;
use super::{OUTSIDE, REPOSITORY, RULE, is_for_tests, message};
use crate::tidy::source::{line_at, occurrences, without_tests};
use crate::tidy::tree::{File, Finding, Tree, below};

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

/// Production code outside of the repository that may name these doors; all of them if none is listed.
struct Exception {
    path: &'static str,
    doors: &'static [&'static str],
    reason: &'static str,
}

/// Where the exceptions stand.
const LIST: &str = "xtask/src/tidy/operations/doors.rs";

const EXCEPTIONS: [Exception; 10] = [
    Exception { path: "crates/postgres", doors: &[], reason: "is the library that operations are made of" },
    Exception { path: "crates/plans", doors: &[], reason: "replays operations on databases made for it" },
    Exception { path: "crates/testkit", doors: &["tokio_postgres"], reason: "starts servers for tests" },
    Exception {
        path: "bins/planted",
        doors: &["AsyncConnection", "AsyncPgConnection", "SimpleAsyncConnection"],
        reason: "plants faults in databases of its own",
    },
    Exception {
        path: "bins/verifier",
        doors: &["Db", "tokio_postgres"],
        reason: "runs cases on its own databases",
    },
    Exception {
        path: "crates/schema/src/migrate.rs",
        doors: &["AsyncConnection", "AsyncPgConnection", "SimpleAsyncConnection"],
        reason: "migrations make the tables that operations need",
    },
    Exception {
        path: "crates/schema/src/migrate",
        doors: &["AsyncConnection"],
        reason: "looks at locks that a migration waits for",
    },
    Exception {
        path: "crates/app/src/migrations.rs",
        doors: &["Conn"],
        reason: "opens the session for migrations",
    },
    Exception {
        path: "crates/app/src/wiring.rs",
        doors: &["Db"],
        reason: "opens the database that the store holds",
    },
    Exception { path: "xtask/src", doors: &["tokio_postgres"], reason: "works on databases of its own" },
];

/// Returns the ways around operations.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let inside = tree.under(REPOSITORY).filter(|file| file.path.ends_with(".rs"));
    let mut findings: Vec<Finding> =
        inside.filter(|file| below(&file.path, SEEDING).is_none()).flat_map(escapes).collect();
    let outside = OUTSIDE.iter().flat_map(|folder| tree.under(folder));
    let outside = outside.filter(|file| {
        let path = &file.path;
        path.ends_with(".rs") && !is_for_tests(path) && below(path, REPOSITORY).is_none()
    });
    findings.extend(outside.flat_map(doors_outside));
    findings
}

/// Doors and declarations in `file`, which is outside of the repository.
fn doors_outside(file: &File) -> Vec<Finding> {
    let exceptions = || EXCEPTIONS.iter().filter(|exception| is_under(&file.path, exception.path));
    if exceptions().any(|exception| exception.doors.is_empty()) {
        return Vec::new();
    }
    let code = without_tests(&file.code());
    let action = match exceptions().next() {
        Some(Exception { doors, reason, .. }) => {
            format!("this file may name `{}` alone, because it {reason}", doors.join("`, `"))
        }
        None => format!("call a function of the repository, or give the file a line and a reason in {LIST}"),
    };
    let mut found: Vec<(usize, String)> = Vec::new();
    for door in DOORS.iter().chain([&LENT]) {
        if exceptions().any(|exception| exception.doors.contains(door)) {
            continue;
        }
        let advice = message(&format!("`{door}`"), "reaches the database outside of the store", &action);
        found.extend(occurrences(&code, door).next().map(|at| (at, advice)));
    }
    for call in DECLARED {
        let advice = message(
            "an operation",
            "is declared outside of the repository",
            "move it to its area there, with its query",
        );
        found.extend(occurrences(&code, call).map(|at| (at, advice.clone())));
    }
    found.into_iter().map(|(at, advice)| file.finding(line_at(&code, at), RULE, advice)).collect()
}

fn is_under(path: &str, folder: &str) -> bool {
    path == folder || below(path, folder).is_some()
}

/// Ways of `file`, which is in the repository, to the database outside an operation.
fn escapes(file: &File) -> Vec<Finding> {
    let code = file.code();
    let mut found: Vec<(usize, String)> = Vec::new();
    for (call, action) in REFUSED {
        let advice = message(&format!("`{call}..)`"), "leaves the unit of work", action);
        found.extend(occurrences(&code, call).map(|at| (at, advice.clone())));
    }
    for door in DOORS.iter().filter(|_| file.path != STORE) {
        let wrong = "reaches the database outside of the store";
        let advice = message(&format!("`{door}`"), wrong, "take `&Store` and run an operation");
        found.extend(occurrences(&code, door).map(|at| (at, advice.clone())));
    }
    found.extend(handed_out(&code));
    found.into_iter().map(|(at, advice)| file.finding(line_at(&code, at), RULE, advice)).collect()
}

/// Public functions and fields by which other crates get at a session, a database, or the running of operations.
fn handed_out(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for function in functions(code).into_iter().filter(|function| function.is_public) {
        let subject = format!("`{}`", function.name);
        let parameters = &code[function.parameters.clone()];
        let answer = &code[function.parameters.end..function.body.start];
        let has = |text: &str, name| occurrences(text, name).next().is_some();
        if has(parameters, LENT) {
            let wrong = format!("is public and takes `{LENT}`");
            let action = "make it pub(super) as a part of an operation, or let it take `&Store` and run one";
            found.push((function.at, message(&subject, &wrong, action)));
        }
        if ["Operation", "AnyOperation"].iter().any(|name| has(parameters, name)) {
            let action = "make it private: a public function names the one operation that it runs";
            found.push((function.at, message(&subject, "is public and runs any operation", action)));
        }
        if has(answer, LENT) || has(answer, "Db") {
            let wrong = "is public and hands out the database";
            found.push((function.at, message(&subject, wrong, "add an operation for what its callers need")));
        }
    }
    for (at, _) in code.match_indices("pub db:") {
        let action = "keep it private, and add an operation for what others need";
        found.push((at, message("the field `db`", "is public", action)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    /// The lines of what is found in a file.
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
        assert_eq!(lines(STORE, "pub fn new(db: Db) -> Self {}"), [0; 0]);
        assert_eq!(lines(STORE, "db.get().transaction(f)"), [1]);
    }

    #[test]
    fn a_store_that_hands_out_its_database_is_found() {
        for code in [
            "pub struct Store { pub db: Db }",
            "pub fn db(&self) -> &Db { &self.db }",
            "pub async fn read<T, F>(&self, operation: &'static Operation<Read>, work: F) -> T {}",
        ] {
            assert_eq!(lines(STORE, code), [1], "{code}");
        }
        assert_eq!(lines(STORE, "pub(crate) async fn read(&self, operation: &Operation<Read>) {}"), [0; 0]);
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

    #[test]
    fn other_crates_reach_no_database() {
        let code = "use steadfast_postgres::{Db, Operation, Read};\n\
                    const A: Operation<Read> = Operation::read(\"keys.a\");\nfn f(db: &Db) {}\n\
                    #[cfg(test)]\nmod tests { use tokio_postgres::Client; }";
        assert_eq!(lines("crates/app/src/reports.rs", code), [1, 2]);
        assert_eq!(lines("crates/app/src/wiring.rs", code), [2], "it may open one, and declare nothing");
        for path in
            ["crates/app/tests/reports.rs", "crates/postgres/src/db.rs", "examples/foreign/src/lib.rs"]
        {
            assert_eq!(lines(path, code), [0; 0], "{path}");
        }
    }

    #[test]
    fn every_exception_is_needed() {
        let tree = Tree::read(Workspace::find().unwrap().root()).unwrap();
        for exception in EXCEPTIONS {
            let files = || tree.rust().filter(|file| is_under(&file.path, exception.path));
            let doors = if exception.doors.is_empty() { &DOORS[..1] } else { exception.doors };
            for door in doors {
                let is_named = |file: &File| occurrences(&without_tests(&file.code()), door).next().is_some();
                assert!(files().any(is_named), "{}: {door}", exception.path);
            }
        }
    }
}
