//! Nothing reaches the database outside an operation: only the store holds the database handle.

use super::config::{Doors, matches};
use super::operations::{DECLARATIONS, REPOSITORY, RULE};
use super::tree::{File, Finding, Tree, is_in};
use std::ops::Range;

/// Module that holds the database handle.
const STORE: &str = "crates/repository/src/store.rs";

/// Seeding code, which opens a session of its own and is not part of production builds.
const SEEDING: &str = "crates/repository/src/cases";

/// Methods that leave the unit of work, with their replacements.
const METHODS: [(&str, &str); 5] = [
    ("transaction", "use the store's unit of work"),
    ("batch_execute", "write a typed statement: batches are neither counted nor verified"),
    ("simple_query", "write a typed statement: simple queries are neither counted nor verified"),
    ("copy_in", "write a statement over arrays: COPY is neither counted nor verified"),
    ("copy_out", "write a statement with a limit: COPY is neither counted nor verified"),
];

/// Type of the session that an operation borrows.
const SESSION: &str = "Conn";

/// Returns the accesses to the database outside operations.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let files = ["crates", "bins", "xtask"].into_iter().flat_map(|folder| tree.rust_under(folder));
    let findings = files.flat_map(|file| {
        if is_in(&file.path, REPOSITORY) {
            if file.path.starts_with(&format!("{SEEDING}/")) { Vec::new() } else { inside(tree, file) }
        } else if file.is_for_tests() {
            Vec::new()
        } else {
            outside(tree, file)
        }
    });
    findings.collect()
}

/// Returns the doors and operations in a file outside the repository.
fn outside(tree: &Tree, file: &File) -> Vec<Finding> {
    let Doors { names, exceptions } = &tree.config.doors;
    let allowed =
        || exceptions.iter().filter(|(path, _)| is_in(&file.path, path)).flat_map(|(_, doors)| doors);
    let mut findings = Vec::new();
    for path in &file.code.paths {
        let is_allowed = |name: &String| allowed().any(|door| matches(door, name));
        if let Some(door) =
            path.segments.iter().filter(|name| names.contains(name)).find(|name| !is_allowed(name))
        {
            let advice =
                format!("`{door}` bypasses operations: call the repository, or list the file in tidy.toml");
            findings.push(file.finding(path.line, RULE, advice));
        }
        if is_declaration(&path.segments) && !allowed().any(|door| door == "*") {
            let advice = "declares an operation outside the repository: move it there, next to its query";
            findings.push(file.finding(path.line, RULE, advice));
        }
    }
    findings
}

pub(super) fn is_declaration(segments: &[String]) -> bool {
    let [.., kind, function] = segments else { return false };
    DECLARATIONS.contains(&format!("{kind}::{function}").as_str())
}

/// Returns the ways out of a unit of work in a file of the repository.
fn inside(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, name) in &file.code.methods {
        if let Some((_, action)) = METHODS.iter().find(|(method, _)| method == name) {
            findings.push(file.finding(*line, RULE, format!("`{name}` leaves the unit of work: {action}")));
        }
    }
    for path in file.code.paths.iter().filter(|_| file.path != STORE) {
        let is_door = |name: &&String| *name != SESSION && tree.config.doors.names.contains(name);
        if let Some(door) = path.segments.iter().find(is_door) {
            let advice = format!("`{door}` bypasses operations: take `&Store` and run an operation");
            findings.push(file.finding(path.line, RULE, advice));
        }
    }
    for function in file.code.functions.iter().filter(|function| function.is_public) {
        let has = |paths: &Range<usize>, names: &[&str]| {
            let mut segments = file.code.paths[paths.clone()].iter().flat_map(|path| &path.segments);
            segments.any(|name| names.contains(&name.as_str()))
        };
        let wrong = if has(&function.inputs, &[SESSION]) {
            "takes a session: make it private, or let it take `&Store` and run an operation"
        } else if has(&function.inputs, &["Operation", "AnyOperation"]) {
            "runs any operation: make it private"
        } else if has(&function.output, &[SESSION, "Db"]) {
            "returns the database: add an operation for the purpose of its callers"
        } else {
            continue;
        };
        findings.push(file.finding(
            function.line,
            RULE,
            format!("`{}` is public and {wrong}", function.name),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    #[track_caller]
    fn assert_lines(path: &str, code: &str, expected: &[usize]) {
        let mut lines: Vec<usize> =
            check(&Tree::of(&[(path, code)])).into_iter().map(|finding| finding.line).collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{path}: {code}");
    }

    #[test]
    fn doors_inside_the_repository_are_found() {
        let calls = "// transaction(\nfn f() {\nc.transaction(g);\nvec![c.copy_in()];\n}";
        assert_lines("crates/repository/src/keys.rs", calls, &[3, 4]);
        let names = "use steadfast_postgres::{Conn, Db};\nfn f(p: &steadfast_postgres::Pool) {}\n\
                     use steadfast_postgres::tokio_postgres::connect;\nconst A: DbSettings = B;";
        assert_lines("crates/repository/src/keys/rows.rs", names, &[1, 2, 3]);
        assert_lines(STORE, "fn new(db: Db) -> Self {}\nfn f() { db.transaction() }", &[2]);
        assert_lines("crates/repository/src/cases/seed.rs", names, &[]);
        assert_lines("crates/repository/src/cases.rs", names, &[1, 2, 3]);
    }

    #[test]
    fn public_items_hand_out_no_database() {
        for code in [
            "impl Store { pub fn db(&self) -> &Db { &self.db } }",
            "impl Store { pub async fn read(&self, operation: &'static Operation<Read>) {} }",
            "pub async fn f(conn: &mut Conn) {}",
        ] {
            assert_lines(STORE, code, &[1]);
            assert_lines(STORE, &code.replace("pub ", "pub(crate) "), &[]);
        }
    }

    #[test]
    fn other_crates_use_no_doors() {
        let code = "use steadfast_postgres::{Db, Operation, Read};\n\
                    const A: Operation<Read> = Operation::read(\"keys.a\");\n\
                    #[cfg(test)]\nmod tests { use tokio_postgres::Client; }";
        assert_lines("crates/app/src/reports.rs", code, &[1, 2]);
        assert_lines("crates/app/src/wiring.rs", code, &[2]);
        assert_lines("crates/app/tests/reports.rs", code, &[]);
        assert_lines("crates/postgres/src/db.rs", code, &[]);
    }

    #[test]
    fn every_exception_is_needed() {
        let tree = Tree::read(Workspace::find().unwrap().root()).unwrap();
        for (path, doors) in &tree.config.doors.exceptions {
            let files = tree.rust().filter(|file| is_in(&file.path, path));
            let names: Vec<_> =
                files.flat_map(|file| &file.code.paths).flat_map(|path| &path.segments).collect();
            let unused = doors.iter().find(|door| !names.iter().any(|name| matches(door, name)));
            assert_eq!(unused, None, "{path}");
        }
    }
}
