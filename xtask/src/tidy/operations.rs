//! Operations have names of their own, after the area they stand in, and the repository opens no transactions by hand.

use super::source::{line_at, occurrences};
use super::tree::{File, Finding, Tree, below};
use std::collections::BTreeMap;

const RULE: &str = "operations";

const REPOSITORY: &str = "crates/repository/src";

/// How an operation begins to be declared.
const DECLARED: [&str; 2] = ["Operation::read(", "Operation::write("];

/// Calls that leave the unit of work.
const REFUSED: [(&str, &str); 2] = [
    ("transaction(", "use the store's unit of work: named, measured, repeated after a deadlock"),
    ("batch_execute(", "write a typed statement: a batch escapes counting and plans"),
];

/// Names that occur twice or say another area, and calls around the unit of work.
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
        findings.extend(escapes(file));
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

fn escapes(file: &File) -> Vec<Finding> {
    let code = file.code();
    let calls =
        REFUSED.iter().flat_map(|(call, advice)| occurrences(&code, call).map(move |at| (at, advice)));
    calls.map(|(at, advice)| file.finding(line_at(&code, at), RULE, *advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_named_after_their_area_pass() {
        let tree = Tree::of(&[
            (
                "crates/repository/src/keys.rs",
                "const A: Operation = Operation::read(\"keys.search\");\nfn begin_transaction() {}",
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

    #[test]
    fn a_transaction_by_hand_is_found() {
        let tree = Tree::of(&[(
            "crates/repository/src/keys.rs",
            "//! transaction(\nconn.transaction(f);\nconn.batch_execute(\"x\");",
        )]);
        assert_eq!(check(&tree).into_iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 3]);
    }
}
