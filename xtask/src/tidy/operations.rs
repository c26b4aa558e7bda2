//! Every operation has a name of its own, a case, exactly one function that runs it, and a caller; nothing reaches the
//! database outside of one.

mod calls;
mod declared;
mod doors;
mod functions;

use super::tree::{Finding, Tree};

const RULE: &str = "operations";

const REPOSITORY: &str = "crates/repository/src";

/// Folders of production code outside of the repository.
const OUTSIDE: [&str; 3] = ["crates", "bins", "xtask"];

/// Checks the declarations of operations, how they are used, and the ways around them.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let operations = declared::operations(tree);
    let mut findings = declared::check(tree);
    findings.extend(calls::check(tree, &operations));
    findings.extend(doors::check(tree));
    findings
}

/// Writes a finding in the form that all of them have: what is wrong with what, and what to do.
fn message(subject: &str, wrong: &str, action: &str) -> String {
    format!("{subject} {wrong}: {action}")
}

/// Returns true if the file at `path` is compiled for tests and measurements alone.
fn is_for_tests(path: &str) -> bool {
    let mut folders = path.split('/');
    folders.any(|part| matches!(part, "tests" | "tests.rs" | "testing.rs" | "benches" | "examples"))
}

/// Returns true if the file at `path` holds cases or the data that they run on.
fn is_for_cases(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "cases" | "cases.rs" | "seed" | "seed.rs"))
}
