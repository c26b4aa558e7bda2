//! Small repositories, each with one thing wrong.

use super::*;
use crate::tidy::operations::declared::operations;

const KEYS: &str = "crates/repository/src/keys.rs";
const CASES: &str = "crates/repository/src/keys/cases.rs";
const ROUTES: &str = "crates/http/src/keys.rs";

const FIND: &str = "pub const FIND: Operation<Read> = Operation::read(\"keys.find\");\n\
                    pub async fn find(store: &Store) { store.read(&FIND, f).await }\n";
const CASE: &str = "use super::{FIND, find};\nfn all() { Case::new(&FIND, \"one\", find) }";
const CALL: &str = "use steadfast_repository::{Store, keys};\nasync fn f() { keys::find(&store).await }";

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let tree = Tree::of(files);
    check(&tree, &operations(&tree)).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn assert_found(files: &[(&str, &str)], expected: &[&str]) {
    let found = found(files);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (finding, part) in found.iter().zip(expected) {
        assert!(finding.contains(part), "{finding:?} lacks {part:?}");
    }
}

#[test]
fn operation_with_case_function_and_caller_passes() {
    assert_found(&[(KEYS, FIND), (CASES, CASE), (ROUTES, CALL)], &[]);
    for call in [
        "use steadfast_repository::keys::find;\nfn f() { find(&store) }",
        "use steadfast_repository::keys as stored;\nfn f() { run(stored::find) }",
        "fn f() { steadfast_repository::keys::find(&store) }",
        "use steadfast_repository as repository;\nuse repository::keys;\nfn f() { keys::find(&store) }",
    ] {
        assert_found(&[(KEYS, FIND), (CASES, CASE), ("bins/ctl/src/main.rs", call)], &[]);
    }
}

#[test]
fn operation_without_case_is_found() {
    let imported_only = "use super::{FIND, find};\nfn all() { Case::new(&OTHER, \"one\", find) }";
    let expected =
        "keys.rs:1: operations: `FIND` has no case: add one to crates/repository/src/keys/cases.rs";
    for cases in ["fn all() {}", imported_only] {
        assert_found(&[(KEYS, FIND), (CASES, cases), (ROUTES, CALL)], &[expected]);
    }
    let elsewhere = "use crate::keys::FIND;\nfn all() { Case::new(&OTHER) }";
    assert_found(
        &[(KEYS, FIND), ("crates/repository/src/jobs/cases.rs", elsewhere), (ROUTES, CALL)],
        &[expected],
    );
}

#[test]
fn operation_without_function_is_found() {
    let unused = "const FIND: Operation<Read> = Operation::read(\"keys.find\");\nfn name() { FIND.name() }";
    assert_found(
        &[(KEYS, unused), (CASES, CASE)],
        &["keys.rs:1: operations: `FIND` is run by no function: run it by"],
    );
}

#[test]
fn second_function_is_found() {
    let second = format!("{FIND}pub async fn count(store: &Store) {{ store.read(&FIND, f).await }}");
    let expected = "keys.rs:3: operations: `FIND` is run by `count` and already by `find` at \
                    crates/repository/src/keys.rs:2: declare an operation of its own for `count`";
    assert_found(&[(KEYS, &second), (CASES, CASE), (ROUTES, CALL)], &[expected]);
    let elsewhere = "async fn count(store: &Store) { helper(store, &super::FIND, \"x\").await }";
    let files =
        [(KEYS, FIND), ("crates/repository/src/keys/count.rs", elsewhere), (CASES, CASE), (ROUTES, CALL)];
    assert_found(&files, &["keys/count.rs:1: operations: `FIND` is run by `count` and already by `find`"]);
}

#[test]
fn operation_without_caller_is_found() {
    let expected =
        "keys.rs:2: operations: `FIND` is run by `find`, which nothing outside of the repository calls";
    let test = "#[cfg(test)]\nmod tests { fn f() { steadfast_repository::keys::find(&store) } }";
    for calls in [
        ("crates/http/src/keys.rs", "use steadfast_repository::keys;\nfn find() { find() }"),
        ("crates/http/src/keys.rs", test),
        ("crates/http/src/keys.rs", "use steadfast_repository::jobs;\nfn f() { jobs::find(&store) }"),
        ("crates/http/tests/keys.rs", CALL),
        ("bins/verifier/src/site.rs", CALL),
        ("crates/repository/src/jobs.rs", "fn f(store: &Store) { crate::keys::find(store) }"),
    ] {
        assert_found(&[(KEYS, FIND), (CASES, CASE), calls], &[expected]);
    }
}

#[test]
fn private_operation_counts_through_public_function() {
    let private = "const FIND: Operation<Read> = Operation::read(\"keys.find\");\n\
                   async fn look_up(store: &Store) { helper(store, &FIND).await }\n";
    let public = format!("{private}pub async fn find(store: &Store) {{ look_up(store).await }}");
    assert_found(&[(KEYS, &public), (CASES, CASE), (ROUTES, CALL)], &[]);
    let method = format!("{private}pub async fn find(store: &Store) {{ store.look_up() }}");
    assert_found(
        &[(KEYS, &method), (CASES, CASE), (ROUTES, CALL)],
        &["`FIND` is run by `look_up`, which nothing"],
    );
}

#[test]
fn namesakes_are_told_apart_by_their_module() {
    let list = "pub const LIST: Operation<Read> = Operation::read(\"jobs.x\");\n\
                pub async fn list(store: &Store) { store.read(&LIST, f).await }";
    let files = |cases, calls| {
        [
            ("crates/repository/src/jobs/posts.rs", list),
            ("crates/repository/src/jobs/people.rs", list),
            ("crates/repository/src/jobs/cases.rs", cases),
            ("crates/http/src/jobs.rs", calls),
        ]
    };
    let cases = "use super::{people, posts};\nfn all() { [(&people::LIST), (&posts::LIST)] }";
    let calls = "use steadfast_repository::jobs::{people, posts};\nfn f() { people::list(); posts::list() }";
    assert_found(&files(cases, calls), &[]);
    let one = "use super::posts::LIST;\nfn all() { [(&LIST)] }";
    assert_found(&files(one, calls), &["people.rs:1: operations: `LIST` has no case"]);
    let one = "use steadfast_repository::jobs::posts::list;\nfn f() { list() }";
    assert_found(&files(cases, one), &["people.rs:2: operations: `LIST` is run by `list`, which nothing"]);
}
