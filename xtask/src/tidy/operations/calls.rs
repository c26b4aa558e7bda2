//! What becomes of an operation: its cases, the one function that runs it, and who calls that.

use super::declared::Operation;
use super::functions::{Function, around, functions};
use super::{OUTSIDE, REPOSITORY, RULE, is_for_cases, is_for_tests, message};
use crate::tidy::imports::{Import, expanded, imports, paths, without_imports};
use crate::tidy::source::{line_at, without_tests};
use crate::tidy::tree::{File, Finding, Tree, below};
use std::collections::BTreeSet;

/// Name of the repository in other crates.
const CRATE: &str = "steadfast_repository";

/// Calls operations to verify them, which is no use for them.
const VERIFIER: &str = "bins/verifier/src";

/// A file as this rule sees it: code without tests and imports.
struct Source<'a> {
    file: &'a File,
    code: String,
    functions: Vec<Function>,
}

/// A function of the repository: file and place among its functions.
type Node = (usize, usize);

/// Returns the operations without a case, without exactly one function, or without a caller outside of the repository.
pub(super) fn check(tree: &Tree, operations: &[Operation<'_>]) -> Vec<Finding> {
    let rust = |file: &&File| file.path.ends_with(".rs") && !is_for_tests(&file.path);
    let (cases, sources): (Vec<&File>, Vec<&File>) =
        tree.under(REPOSITORY).filter(rust).partition(|file| is_for_cases(&file.path));
    let cases: Vec<Source<'_>> = cases.into_iter().map(Source::of).collect();
    let sources: Vec<Source<'_>> = sources.into_iter().map(Source::of).collect();
    let called = called(tree, &sources);
    let mut findings = Vec::new();
    for operation in operations {
        let subject = format!("`{}`", operation.constant);
        if !cases.iter().any(|source| source.references(operation, operations).next().is_some()) {
            let action = format!(
                "add one to {REPOSITORY}/{area}/cases.rs that finds something, and one that finds nothing",
                area = operation.area
            );
            findings.push(operation.finding(&message(&subject, "has no case", &action)));
        }
        findings.extend(run_and_called(&subject, operation, operations, &sources, &called));
    }
    findings
}

fn run_and_called(
    subject: &str,
    operation: &Operation<'_>,
    operations: &[Operation<'_>],
    sources: &[Source<'_>],
    called: &BTreeSet<Node>,
) -> Option<Finding> {
    let mut runs: Vec<(Node, usize)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        for at in source.references(operation, operations) {
            let Some(function) = around(&source.functions, at) else { continue };
            let place = source.functions.iter().position(|other| other == function)?;
            if runs.iter().all(|(node, _)| *node != (index, place)) {
                runs.push(((index, place), at));
            }
        }
    }
    let name = |(file, place): Node| &sources[file].functions[place].name;
    match runs.as_slice() {
        [] => {
            let action =
                format!("run it by `store.read(&{0}, ..)` or `.write`, or remove it", operation.constant);
            Some(operation.finding(&message(subject, "is run by no function", &action)))
        }
        [(node, at)] if !called.contains(node) => {
            let wrong = format!("is run by `{}`, which nothing outside of the repository calls", name(*node));
            let action = "call it from a service, a route or a program, or remove both";
            Some(sources[node.0].finding(*at, &message(subject, &wrong, action)))
        }
        [_] => None,
        [(first, first_at), (second, at), ..] => {
            let wrong = format!(
                "is run by `{}` and already by `{}` at {}",
                name(*second),
                name(*first),
                sources[first.0].place(*first_at)
            );
            let action = format!("declare an operation of its own for `{}`", name(*second));
            Some(sources[second.0].finding(*at, &message(subject, &wrong, &action)))
        }
    }
}

/// Returns the functions of the repository that other crates call, also through other functions.
fn called(tree: &Tree, sources: &[Source<'_>]) -> BTreeSet<Node> {
    let is_outside = |file: &&File| {
        let path = &file.path;
        let is_checked = [REPOSITORY, VERIFIER].into_iter().any(|folder| below(path, folder).is_some());
        path.ends_with(".rs") && !is_for_tests(path) && !is_checked
    };
    let mut calls = Vec::new();
    for file in OUTSIDE.iter().flat_map(|folder| tree.under(folder)).filter(is_outside) {
        // Cheaper than reading all code of the workspace.
        if file.text.contains(CRATE) {
            calls.extend(Source::of(file).calls(None));
        }
    }
    let mut called = BTreeSet::new();
    let mut open: Vec<Node> = calls
        .iter()
        .flat_map(|call| targets(call, None, sources))
        .filter(|node| is_public(*node, sources))
        .collect();
    while let Some(node) = open.pop() {
        if !called.insert(node) {
            continue;
        }
        let source = &sources[node.0];
        for call in source.calls(Some(&source.functions[node.1])) {
            open.extend(targets(&call, Some(node.0), sources));
        }
    }
    called
}

fn is_public((file, place): Node, sources: &[Source<'_>]) -> bool {
    sources[file].functions[place].is_public
}

/// Returns the functions that the path `call` may name: below the repository, `area::function`, or `area::..::function`.
/// A lone name is that of a function in the same file, `within`, if there is one.
fn targets(call: &[String], within: Option<usize>, sources: &[Source<'_>]) -> Vec<Node> {
    let [area, modules @ .., name] = call else { return Vec::new() };
    let mut found: Vec<Node> = Vec::new();
    for (index, source) in sources.iter().enumerate().filter(|(_, source)| source.area() == Some(area)) {
        let is_module =
            |module: &String| module == source.file.stem() || module.starts_with(char::is_uppercase);
        if modules.last().is_none_or(is_module) {
            let named = source.functions.iter().enumerate().filter(|(_, function)| function.name == *name);
            found.extend(named.map(|(place, _)| (index, place)));
        }
    }
    if modules.is_empty() && found.iter().any(|(file, _)| Some(*file) == within) {
        found.retain(|(file, _)| Some(*file) == within);
    }
    found
}

impl<'a> Source<'a> {
    fn of(file: &'a File) -> Self {
        let code = without_imports(&without_tests(&file.code()));
        let functions = functions(&code);
        Self { file, code, functions }
    }

    fn area(&self) -> Option<&str> {
        below(&self.file.path, REPOSITORY)?.trim_end_matches(".rs").split('/').next()
    }

    fn place(&self, at: usize) -> String {
        format!("{}:{}", self.file.path, line_at(&self.code, at))
    }

    fn finding(&self, at: usize, advice: &str) -> Finding {
        self.file.finding(line_at(&self.code, at), RULE, advice)
    }

    /// Positions at which `&NAME` names `operation`. Of `operations` with the same constant, the one in the same file is
    /// meant, else the one whose module the path or the import names.
    fn references(
        &self,
        operation: &Operation<'_>,
        operations: &[Operation<'_>],
    ) -> impl Iterator<Item = usize> {
        let imported = self.file.code();
        let imports = imports(&imported);
        let namesakes: Vec<&Operation<'_>> =
            operations.iter().filter(|other| other.constant == operation.constant).collect();
        let places: Vec<usize> = paths(&self.code)
            .into_iter()
            .filter(|(at, path)| path.last() == Some(&&*operation.constant) && self.is_reference(*at, path))
            .filter(|(_, path)| self.is_meant(operation, &namesakes, &expanded(path, &imports)))
            .map(|(at, _)| at)
            .collect();
        places.into_iter()
    }

    /// Returns true if the path at `at` is behind `&` and is no receiver.
    fn is_reference(&self, at: usize, path: &[&str]) -> bool {
        let length = path.iter().map(|segment| segment.len() + 2).sum::<usize>() - 2;
        self.code[..at].trim_end().ends_with('&') && !self.code[at + length..].trim_start().starts_with('.')
    }

    fn is_meant(&self, operation: &Operation<'_>, namesakes: &[&Operation<'_>], path: &[&str]) -> bool {
        let is_here = |other: &Operation<'_>| other.file.path == self.file.path;
        let modules: Vec<&str> = path[..path.len() - 1]
            .iter()
            .copied()
            .filter(|part| !matches!(*part, "crate" | "super" | "self"))
            .collect();
        match modules.last() {
            None if namesakes.iter().any(|other| is_here(other)) => is_here(operation),
            None => self.area() == Some(operation.area),
            Some(module) => *module == operation.area || *module == operation.file.stem(),
        }
    }

    /// Paths of what is called in `function`, or anywhere, written from the repository on.
    fn calls(&self, function: Option<&Function>) -> Vec<Vec<String>> {
        let imported = self.file.code();
        let imports = imports(&imported);
        let body = function.map_or(0..self.code.len(), |function| function.body.clone());
        let code = &self.code[body];
        let found = paths(code).into_iter().filter_map(|(at, path)| {
            let length = path.iter().map(|segment| segment.len() + 2).sum::<usize>() - 2;
            let is_method = code[..at].trim_end().ends_with('.');
            let is_call = code[at + length..].starts_with(['(', ':']);
            if is_method || path.len() == 1 && !is_call && function.is_some() {
                return None;
            }
            self.canonical(&path, &imports)
        });
        found.collect()
    }

    fn canonical(&self, path: &[&str], imports: &[Import<'_>]) -> Option<Vec<String>> {
        // An import may begin with the name of another one.
        let once = expanded(path, imports);
        let whole = if once.first() == path.first() { once } else { expanded(&once, imports) };
        let rest = whole.iter().skip_while(|part| matches!(**part, "crate" | "super" | "self" | CRATE));
        let area = match whole.first() {
            Some(&("crate" | CRATE)) => None,
            _ => Some(self.area()?),
        };
        Some(area.into_iter().chain(rest.copied()).map(str::to_owned).collect())
    }
}

impl Operation<'_> {
    fn finding(&self, advice: &str) -> Finding {
        self.file.finding(self.line, RULE, advice)
    }
}

#[cfg(test)]
mod tests;
