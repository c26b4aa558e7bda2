//! Dependencies point downwards: between packages of the workspace, and between areas of one layer.

use super::grid::AREAS;
use super::tree::{File, Finding, Tree};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use std::collections::BTreeSet;

const RULE: &str = "layers";

/// Packages of the workspace that each package may depend on. Names lack the prefix `steadfast-`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("resilience", &[]),
    ("testkit", &[]),
    ("telemetry", &[]),
    ("postgres", &["resilience"]),
    ("pidkey", &["resilience"]),
    ("cache", &["resilience"]),
    ("plans", &["postgres"]),
    ("schema", &["domain"]),
    ("repository", &["domain", "postgres", "resilience", "schema"]),
    ("services", &["cache", "domain", "pidkey", "repository", "resilience"]),
    ("http", &["domain", "repository", "resilience", "services"]),
    (
        "app",
        &[
            "cache",
            "domain",
            "http",
            "pidkey",
            "postgres",
            "repository",
            "resilience",
            "schema",
            "services",
            "telemetry",
        ],
    ),
    ("api", BINARY),
    ("ctl", BINARY),
    ("pidkey-sandbox", &[]),
    ("planted", &["plans", "testkit"]),
    ("verifier", &["domain", "plans", "postgres", "repository", "schema", "services", "testkit"]),
    ("xtask", &["testkit"]),
];

const BINARY: &[&str] = &["app", "domain", "repository", "schema", "services", "telemetry"];

/// Packages that tests may use in addition: those of any package (`*`), or those of one.
const TESTS_MAY_USE: &[(&str, &[&str])] =
    &[("*", &["testkit", "pidkey-sandbox"]), ("http", &["pidkey", "schema"])];

/// Libraries that a layer must not use itself; `*` matches any ending.
const EXCLUDED: &[(&str, &[&str])] = &[
    ("domain", &["diesel*", "tokio*", "axum*", "hyper*", "reqwest", "bb8"]),
    ("repository", &["axum*", "hyper*", "reqwest", "bb8"]),
    ("services", &["diesel*", "tokio-postgres", "bb8", "axum*", "hyper*", "reqwest"]),
    ("http", &["diesel*", "tokio-postgres", "bb8"]),
];

/// Libraries that `resilience` must not use, directly or indirectly: it is for projects without a database, too.
const NOT_BELOW_RESILIENCE: &[&str] =
    &["diesel*", "tokio-postgres", "postgres*", "bb8", "reqwest", "axum*", "hyper*"];

/// Layers whose areas are independent of each other.
const LAYERS: [&str; 4] =
    ["crates/domain/src", "crates/repository/src", "crates/services/src", "crates/http/src"];

/// Areas that other areas may use.
const USED_BY_OTHERS: [&str; 2] = ["identity", "audit"];

/// Returns the dependencies that a package must not have, and the packages without the lints of the workspace.
pub(super) fn check_packages(metadata: &Metadata) -> Vec<Finding> {
    let packages = metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut findings = Vec::new();
    let mut find = |package: &Package, advice: String| {
        let path = package.manifest_path.strip_prefix(&metadata.workspace_root);
        let path = path.unwrap_or(&package.manifest_path).to_string();
        findings.push(Finding { path, line: 1, rule: RULE, advice });
    };
    for package in packages {
        for dependency in &package.dependencies {
            let is_for_tests = dependency.kind == DependencyKind::Development;
            let name = dependency.name.as_str();
            if !may_use(package.name.as_str(), name, ours.contains(name), is_for_tests) {
                find(package, format!("`{}` must not depend on `{name}`: see {}", package.name, file!()));
            }
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true") {
            find(package, "add `[lints] workspace = true`".to_owned());
        }
        if short(&package.name) == "resilience" {
            for name in all_dependencies(metadata, &package.id) {
                if matches_any(NOT_BELOW_RESILIENCE, name) {
                    find(
                        package,
                        format!("depends on `{name}`: see cargo tree -p {} -i {name}", package.name),
                    );
                }
            }
        }
    }
    findings
}

fn may_use(package: &str, dependency: &str, is_ours: bool, is_for_tests: bool) -> bool {
    let listed = |table: &[(&str, &'static [&str])], name: &str| -> &'static [&'static str] {
        table.iter().find(|(listed, _)| *listed == name).map_or(&[], |(_, packages)| packages)
    };
    let (package, dependency) = (short(package), short(dependency));
    let for_tests = || listed(TESTS_MAY_USE, "*").iter().chain(listed(TESTS_MAY_USE, package));
    if is_ours {
        listed(MAY_USE, package).contains(&dependency)
            || is_for_tests && for_tests().any(|name| *name == dependency)
    } else {
        is_for_tests || !matches_any(listed(EXCLUDED, package), dependency)
    }
}

/// Returns the names of all packages that `root` is built with.
fn all_dependencies<'a>(metadata: &'a Metadata, root: &PackageId) -> BTreeSet<&'a str> {
    let nodes = metadata.resolve.as_ref().map_or(&[][..], |resolve| &resolve.nodes);
    let (mut open, mut seen) = (vec![root], BTreeSet::new());
    while let Some(id) = open.pop() {
        for dependency in nodes.iter().filter(|node| node.id == *id).flat_map(|node| &node.deps) {
            let is_built = dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal);
            if is_built && seen.insert(&dependency.pkg) {
                open.push(&dependency.pkg);
            }
        }
    }
    seen.into_iter().map(|id| metadata[id].name.as_str()).collect()
}

fn short(name: &str) -> &str {
    name.strip_prefix("steadfast-").unwrap_or(name)
}

fn matches_any(patterns: &[&str], name: &str) -> bool {
    let matches = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *pattern == name,
    };
    patterns.iter().any(matches)
}

/// Returns the paths in the code of an area that lead into another area of the same layer.
pub(super) fn check_areas(tree: &Tree) -> Vec<Finding> {
    let files = LAYERS
        .iter()
        .flat_map(|layer| tree.rust_under(layer).filter_map(move |file| Some((file, file.area(layer)?))));
    files.filter(|(_, area)| AREAS.contains(area)).flat_map(|(file, area)| check_area(file, area)).collect()
}

fn check_area(file: &File, own: &str) -> Vec<Finding> {
    let is_other = |name: &&str| AREAS.contains(name) && *name != own && !USED_BY_OTHERS.contains(name);
    let paths = file.code.paths.iter().filter_map(|path| {
        let mut segments = path.segments.iter().map(String::as_str);
        matches!(segments.next()?, "crate" | "super").then_some(())?;
        let other = segments.find(|segment| *segment != "super").filter(is_other)?;
        let advice =
            format!("`{own}` uses `{other}`: join them one layer up, or move what both need out of both");
        Some(file.finding(path.line, RULE, advice))
    });
    paths.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_depend_on_lower_layers_only() {
        for (package, dependency, is_for_tests, expected) in [
            ("steadfast-http", "steadfast-repository", false, true),
            ("steadfast-http", "steadfast-postgres", false, false),
            ("steadfast-repository", "steadfast-http", true, false),
            ("steadfast-repository", "steadfast-testkit", true, true),
            ("steadfast-repository", "steadfast-testkit", false, false),
            ("steadfast-http", "steadfast-schema", true, true),
            ("steadfast-unlisted", "steadfast-domain", false, false),
        ] {
            let found = may_use(package, dependency, true, is_for_tests);
            assert_eq!(found, expected, "{package} -> {dependency}");
        }
        assert!(!may_use("steadfast-http", "diesel-async", false, false));
        assert!(may_use("steadfast-postgres", "diesel-async", false, false));
        assert!(matches_any(NOT_BELOW_RESILIENCE, "hyper-util"));
    }

    #[test]
    fn areas_of_a_layer_do_not_use_each_other() {
        let lines = |path: &str, code: &str| -> Vec<usize> {
            check_areas(&Tree::of(&[(path, code)])).into_iter().map(|finding| finding.line).collect()
        };
        let group = "use crate::{\n    page::{A, B},\n    jobs,\n};\nfn f() { super::practice::f() }";
        assert_eq!(lines("crates/domain/src/keys.rs", group), [1, 5]);
        let allowed = "use crate::{page::Page, identity::Principal};\nuse super::rows;\n// crate::jobs\n";
        assert_eq!(lines("crates/repository/src/keys/queries.rs", allowed), [0; 0]);
        assert_eq!(lines("crates/http/src/router.rs", "use crate::jobs;"), [0; 0]);
    }
}
