//! Every operation has a name of its own, a case, exactly one function that runs it, and a caller.

use super::doors::is_declaration;
use super::tree::{File, Finding, Tree, below};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const RULE: &str = "operations";
pub(super) const REPOSITORY: &str = "crates/repository/src";
pub(super) const DECLARATIONS: [&str; 2] = ["Operation::read", "Operation::write"];

/// Name of the repository in other crates.
const CRATE: &str = "steadfast_repository";

/// Calls operations to verify them, which does not count as a use.
const VERIFIER: &str = "bins/verifier/src";

/// A constant that holds an operation.
struct Operation<'a> {
    file: &'a File,
    line: usize,
    constant: &'a str,
    area: &'a str,
}

/// A function of the repository: indexes of the file and of the function in it.
type Node = (usize, usize);

/// Returns the operations with wrong names, without a case, without a function, with several, or without a caller.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let (mut operations, mut findings) = (Vec::new(), Vec::new());
    let mut names = BTreeMap::new();
    for file in tree.rust_under(REPOSITORY).filter(|file| !file.is_for_tests()) {
        let Some(area) = file.area(REPOSITORY) else { continue };
        for constant in file.code.constants.iter().filter(|constant| constant.kind == "Operation") {
            let (line, name) = (constant.line, &constant.name);
            operations.push(Operation { file, line, constant: name, area });
            let declared = constant.call.as_ref().filter(|(call, _)| DECLARATIONS.contains(&call.as_str()));
            let Some((_, id)) = declared else {
                let advice = format!("`{name}` copies another operation: declare it with a name of its own");
                findings.push(file.finding(line, RULE, advice));
                continue;
            };
            if id.split_once('.').is_none_or(|(named, what)| named != area || what.is_empty()) {
                findings.push(file.finding(
                    line,
                    RULE,
                    format!("\"{id}\": name it \"{area}.<what it does>\""),
                ));
            }
            if let Some(first) = names.insert(id.clone(), format!("{}:{line}", file.path)) {
                findings.push(file.finding(line, RULE, format!("\"{id}\" is declared at {first} already")));
            }
        }
        for path in
            file.code.paths.iter().filter(|path| is_declaration(&path.segments) && path.function.is_some())
        {
            findings.push(file.finding(path.line, RULE, "declare the operation as a constant"));
        }
    }
    findings.extend(uses(tree, &operations));
    findings
}

/// Returns the operations that are not used as they must be.
fn uses(tree: &Tree, operations: &[Operation<'_>]) -> Vec<Finding> {
    let is_for_cases =
        |path: &str| path.split('/').any(|part| matches!(part, "cases" | "cases.rs" | "seed" | "seed.rs"));
    let (cases, sources): (Vec<&File>, Vec<&File>) = tree
        .rust_under(REPOSITORY)
        .filter(|file| !file.is_for_tests())
        .partition(|file| is_for_cases(&file.path));
    let called = called(tree, &sources);
    let mut findings = Vec::new();
    for operation in operations {
        let constant = operation.constant;
        if cases.iter().all(|file| references(file, operation, operations).is_empty()) {
            let advice =
                format!("`{constant}` has no case: add one to {REPOSITORY}/{}/cases.rs", operation.area);
            findings.push(operation.file.finding(operation.line, RULE, advice));
        }
        let runs: BTreeSet<Node> = sources
            .iter()
            .enumerate()
            .flat_map(|(index, file)| {
                references(file, operation, operations).into_iter().map(move |function| (index, function))
            })
            .collect();
        let mut find = |(file, function): Node, text: String| {
            let (file, function) = (sources[file], &sources[file].code.functions[function]);
            findings.push(file.finding(
                function.line,
                RULE,
                format!("`{constant}` is run by `{}`{text}", function.name),
            ));
        };
        let name_of = |(file, function): Node| {
            (operation.area.to_owned(), sources[file].code.functions[function].name.clone())
        };
        let mut runs = runs.into_iter();
        match (runs.next(), runs.next()) {
            (None, _) => {
                let advice = format!("`{constant}` is run by no function: run it or remove it");
                findings.push(operation.file.finding(operation.line, RULE, advice));
            }
            (Some((file, _)), Some(second)) => {
                find(second, format!(" and in {}: declare a second operation", sources[file].path));
            }
            (Some(run), None) if !called.contains(&name_of(run)) => {
                find(run, ", which nothing outside the repository calls: remove both".to_owned());
            }
            (Some(_), None) => {}
        }
    }
    findings
}

/// Returns the functions of `file` that refer to `operation` by `&NAME`. Among operations with the same constant, the
/// one in the same file is meant, else the one whose module is in the path.
fn references(file: &File, operation: &Operation<'_>, operations: &[Operation<'_>]) -> BTreeSet<usize> {
    let is_here =
        |other: &Operation<'_>| other.constant == operation.constant && other.file.path == file.path;
    let is_meant = |path: &[String]| {
        let path = canonical(file, path).unwrap_or_default();
        let [area, modules @ .., name] = path.as_slice() else { return false };
        let is_module = match modules.last() {
            Some(module) => module == operation.area || module == operation.file.stem(),
            None => is_here(operation) || !operations.iter().any(is_here),
        };
        name == operation.constant && area == operation.area && is_module
    };
    let references = file.code.paths.iter().filter(|path| path.is_borrowed && is_meant(&path.segments));
    references.filter_map(|path| path.function).collect()
}

/// Returns `path` from the repository on: area, modules, name.
fn canonical(file: &File, path: &[String]) -> Option<Vec<String>> {
    let is_root = |name: &String| matches!(name.as_str(), "crate" | CRATE);
    let is_prefix = |name: &&String| is_root(name) || matches!(name.as_str(), "super" | "self");
    let area = if path.first().is_some_and(is_root) { None } else { Some(file.area(REPOSITORY)?.to_owned()) };
    Some(area.into_iter().chain(path.iter().skip_while(is_prefix).cloned()).collect())
}

/// Returns area and name of the functions of the repository that other crates call, directly or through others.
fn called<'a>(tree: &'a Tree, sources: &[&'a File]) -> BTreeSet<(String, String)> {
    let ends = |path: &[String]| Some((path.first()?.clone(), path.last()?.clone()));
    let is_outside = |file: &&File| {
        !file.is_for_tests()
            && [REPOSITORY, VERIFIER].iter().all(|folder| below(&file.path, folder).is_none())
    };
    let paths = tree.rust().filter(is_outside).flat_map(|file| file.code.paths.iter());
    let calls = paths.filter(|path| path.segments.first().is_some_and(|name| name == CRATE));
    let mut called: BTreeSet<_> = calls.filter_map(|path| ends(&path.segments[1..])).collect();
    loop {
        let known = called.len();
        for file in sources {
            for path in &file.code.paths {
                let caller = path.function.map(|at| file.code.functions[at].name.clone());
                let caller = file.area(REPOSITORY).map(str::to_owned).zip(caller);
                if caller.is_some_and(|caller| called.contains(&caller)) {
                    called.extend(canonical(file, &path.segments).as_deref().and_then(ends));
                }
            }
        }
        if called.len() == known {
            return called;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "crates/repository/src/keys.rs";
    const CASES: &str = "crates/repository/src/keys/cases.rs";
    const ROUTES: &str = "crates/http/src/keys.rs";
    const FIND: &str = "pub const FIND: Operation<Read> = Operation::read(\"keys.find\").statements(2);\n\
                        pub async fn find(store: &Store) { look_up(store).await }\n\
                        async fn look_up(store: &Store) { helper(store, &FIND).await }";
    const CASE: &str = "use super::{FIND, find};\nfn all() { vec![Case::new(&FIND, \"one\", find)] }";
    const CALL: &str = "use steadfast_repository::{Store, keys};\nasync fn f() { keys::find(&store).await }";

    #[track_caller]
    fn assert_found(files: &[(&str, &str)], expected: &[&str]) {
        let found: Vec<String> = check(&Tree::of(files)).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (finding, part) in found.iter().zip(expected) {
            assert!(finding.contains(part), "{finding:?} lacks {part:?}");
        }
    }

    #[test]
    fn operations_need_a_case_a_function_and_a_caller() {
        for call in [
            CALL,
            "use steadfast_repository::keys::find;\nfn f() { find(&store) }",
            "use steadfast_repository as repository;\nuse repository::keys as k;\nfn f() { join!(k::find(&store)) }",
        ] {
            assert_found(&[(KEYS, FIND), (CASES, CASE), (ROUTES, call)], &[]);
        }
        let imported = "use super::{FIND, find};\nfn all() { Case::new(&OTHER, \"one\", find) }";
        let no_case =
            "keys.rs:1: operations: `FIND` has no case: add one to crates/repository/src/keys/cases.rs";
        assert_found(&[(KEYS, FIND), (CASES, imported), (ROUTES, CALL)], &[no_case]);
        let unused = "const FIND: Operation<Read> = Operation::read(\"keys.find\");\nfn f() { FIND.name() }";
        assert_found(&[(KEYS, unused), (CASES, CASE)], &["`FIND` is run by no function"]);
        let count = "async fn count(store: &Store) { helper(store, &super::FIND, \"x\").await }";
        let second = ("crates/repository/src/keys/count.rs", count);
        assert_found(
            &[(KEYS, FIND), second, (CASES, CASE), (ROUTES, CALL)],
            &["`FIND` is run by `count` and in"],
        );
        let test = "#[cfg(test)]\nmod tests { fn f() { steadfast_repository::keys::find(&store) } }";
        for (path, code) in [
            (ROUTES, "use steadfast_repository::keys;\nfn find() { find() }"),
            (ROUTES, test),
            ("crates/http/tests/keys.rs", CALL),
            ("bins/verifier/src/site.rs", CALL),
        ] {
            assert_found(
                &[(KEYS, FIND), (CASES, CASE), (path, code)],
                &["run by `look_up`, which nothing outside"],
            );
        }
    }

    #[test]
    fn operations_are_constants_with_unique_names() {
        let code = "const A: Operation<Read> = Operation::read(\"keys.a\");\n\
                    const B: Operation<Read> = A.statements(9);\n\
                    const C: Operation<Read> = Operation::read(\"jobs.c\");\n\
                    const D: Operation<Read> = Operation::write(\"keys.a\");\n\
                    fn f(store: &Store) { store.read(&Operation::read(\"keys.b\"), g) }\n\
                    const E: Operation<Read> = paged(Operation::read(\"keys.e\"));";
        let is_use = |it: &Finding| it.advice.contains(" has no case") || it.advice.contains("run by no");
        let findings = check(&Tree::of(&[(KEYS, code)])).into_iter().filter(|finding| !is_use(finding));
        assert_eq!(findings.map(|finding| finding.line).collect::<Vec<_>>(), [2, 3, 4, 5]);
    }

    #[test]
    fn modules_distinguish_operations() {
        let list = |id| {
            let list = format!("pub const LIST: Operation<Read> = Operation::read(\"jobs.{id}\");");
            list + "pub async fn list(store: &Store) { store.read(&LIST, f).await }"
        };
        let (posts, people) = (list("posts"), list("people"));
        let check = |cases, expected: &[&str]| {
            let files = [
                ("crates/repository/src/jobs/people.rs", people.as_str()),
                ("crates/repository/src/jobs/posts.rs", posts.as_str()),
                ("crates/repository/src/jobs/cases.rs", cases),
                ("crates/http/src/jobs.rs", "fn f() { steadfast_repository::jobs::people::list() }"),
            ];
            assert_found(&files, expected);
        };
        check("use super::{people, posts};\nfn all() { [f(&people::LIST), f(&posts::LIST)] }", &[]);
        check(
            "use super::posts::LIST;\nfn all() { [f(&LIST)] }",
            &["people.rs:1: operations: `LIST` has no case"],
        );
    }
}
