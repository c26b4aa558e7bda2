//! The operations that the repository declares, and what they are called.

use super::{REPOSITORY, RULE, message};
use crate::tidy::source::{line_at, occurrences, word};
use crate::tidy::tree::{File, Finding, Tree, below};
use std::collections::BTreeMap;

/// Calls that declare an operation.
pub(super) const DECLARED: [&str; 2] = ["Operation::read(", "Operation::write("];

/// One operation.
#[derive(Debug)]
pub(super) struct Operation<'a> {
    pub(super) file: &'a File,
    pub(super) line: usize,
    /// Name of the constant.
    pub(super) constant: String,
    /// First part of its path below the repository.
    pub(super) area: &'a str,
}

/// Returns the operations that are constants of the repository.
pub(super) fn operations(tree: &Tree) -> Vec<Operation<'_>> {
    let files = tree.under(REPOSITORY).filter(|file| file.path.ends_with(".rs"));
    files.flat_map(|file| constants(file).into_iter().map(|(operation, _)| operation)).collect()
}

/// Returns what is wrong with the declarations themselves.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeMap::new();
    for file in tree.under(REPOSITORY).filter(|file| file.path.ends_with(".rs")) {
        for (line, name) in names(file) {
            findings.extend(misplaced(file, line, &name));
            if let Some(first) = seen.insert(name.clone(), format!("{}:{line}", file.path)) {
                let wrong = format!("is declared at {first} already");
                let advice = message(&name, &wrong, "name what differs");
                findings.push(file.finding(line, RULE, advice));
            }
        }
        findings.extend(unnamed(file));
    }
    findings
}

/// Constants of the type `Operation<..>`, each with whether a call declares it. A macro or an alias would hide its name.
fn constants(file: &File) -> Vec<(Operation<'_>, bool)> {
    let code = file.code();
    let Some(area) = area(file) else { return Vec::new() };
    let found = ["const", "static"].into_iter().flat_map(|keyword| {
        let places: Vec<usize> = occurrences(&code, keyword).map(|at| at + keyword.len()).collect();
        places
    });
    let found = found.filter_map(|at| {
        let (constant, rest) = code[at..].split_once(':')?;
        let constant = constant.trim();
        let (of, rest) = rest.split_once('=')?;
        let is_operation = of.trim().split(['<', ' ']).next()?.rsplit("::").next()? == "Operation";
        if !is_operation || constant.is_empty() || !constant.chars().all(word) {
            return None;
        }
        let is_declared = DECLARED.iter().any(|call| rest.trim_start().starts_with(call));
        Some((Operation { file, line: line_at(&code, at), constant: constant.to_owned(), area }, is_declared))
    });
    found.collect()
}

fn area(file: &File) -> Option<&str> {
    below(&file.path, REPOSITORY)?.trim_end_matches(".rs").split('/').next()
}

/// Operations without a name of their own, and declarations that no constant holds.
fn unnamed(file: &File) -> Vec<Finding> {
    let constants = constants(file);
    let action = "write `const NAME: Operation<..> = Operation::read(\"area.verb\")`, or `write`";
    let mut findings: Vec<Finding> = constants
        .iter()
        .filter(|(_, is_declared)| !is_declared)
        .map(|(operation, _)| {
            let subject = format!("`{}`", operation.constant);
            let advice = message(&subject, "is an operation under another one's name", action);
            file.finding(operation.line, RULE, advice)
        })
        .collect();
    let code = file.code();
    let calls = DECLARED.iter().flat_map(|call| occurrences(&code, call));
    let outside = calls.filter(|at| !is_value_of_constant(&code[..*at]));
    findings.extend(outside.map(|at| {
        let advice = message("an operation", "is declared by no constant", action);
        file.finding(line_at(&code, at), RULE, advice)
    }));
    findings
}

/// Returns true if `before` ends with the beginning of a constant up to its value.
fn is_value_of_constant(before: &str) -> bool {
    let item = before.rsplit([';', '{', '}']).next().unwrap_or_default();
    item.trim_end().ends_with('=')
        && ["const", "static"].iter().any(|it| occurrences(item, it).next().is_some())
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
    let area = area(file)?;
    let is_placed = name.split_once('.').is_some_and(|(named, what)| named == area && !what.is_empty());
    let (subject, action) = (format!("\"{name}\""), format!("name it \"{area}.<what it does>\""));
    (!is_placed)
        .then(|| file.finding(line, RULE, message(&subject, &format!("is declared in `{area}`"), &action)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_named_after_their_area_pass() {
        let tree = Tree::of(&[
            (
                "crates/repository/src/keys.rs",
                "pub const A: Operation<Read> = Operation::read(\"keys.search\");\nfn begin_transaction() {}",
            ),
            (
                "crates/repository/src/keys/low.rs",
                "const B: Operation<Read> =\n    Operation::read(\n    \"keys.low\",\n).statements(2);",
            ),
            ("crates/postgres/src/db.rs", "conn.transaction(f)"),
        ]);
        assert_eq!(check(&tree), []);
        let operations = operations(&tree);
        let found: Vec<_> = operations.iter().map(|found| (found.constant.as_str(), found.area)).collect();
        assert_eq!(found, [("A", "keys"), ("B", "keys")]);
    }

    #[test]
    fn a_name_used_twice_or_in_another_area_is_found() {
        let tree = Tree::of(&[
            (
                "crates/repository/src/jobs.rs",
                "const A: Operation<Write> = Operation::write(\"keys.search\");",
            ),
            (
                "crates/repository/src/keys.rs",
                "const A: Operation<Read> = Operation::read(\"keys.search\");\n\
                 const B: Operation<Read> = Operation::read(\"keys\");",
            ),
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
    fn aliases_and_declarations_in_place_are_found() {
        let code = "const A: Operation<Read> = Operation::read(\"keys.a\");\n\
                    const B: Operation<Read> = A.statements(9);\n\
                    fn f(store: &Store) { store.read(&Operation::read(\"keys.b\"), g) }";
        let tree = Tree::of(&[("crates/repository/src/keys.rs", code)]);
        let lines: Vec<usize> = check(&tree).into_iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [2, 3]);
    }
}
