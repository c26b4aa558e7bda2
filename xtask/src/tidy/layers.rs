//! Dependencies point downwards: between packages of the workspace, and between areas of one layer.

use super::config::{Config, lists, matches};
use super::tree::{File, Finding, Tree};
use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};
use std::collections::BTreeSet;

const RULE: &str = "layers";

/// Returns the dependencies that a package must not have, and the packages without the lints of the workspace.
pub(super) fn check_packages(config: &Config, metadata: &Metadata) -> Vec<Finding> {
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
            if !may_use(config, &package.name, name, ours.contains(name), is_for_tests) {
                find(package, format!("`{}` must not depend on `{name}`", package.name));
            }
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap_or_default();
        if !manifest.contains("[lints]\nworkspace = true") {
            find(package, "add `[lints] workspace = true`".to_owned());
        }
        if package.name.as_str() == "steadfast-resilience" {
            for name in all_dependencies(metadata, &package.id) {
                if config.not_below_resilience.iter().any(|pattern| matches(pattern, name)) {
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

fn may_use(config: &Config, package: &str, dependency: &str, is_ours: bool, is_for_tests: bool) -> bool {
    let short = |name| str::strip_prefix(name, "steadfast-").unwrap_or(name);
    let (package, dependency) = (short(package), short(dependency));
    if is_ours {
        let for_tests = |name| is_for_tests && lists(&config.tests_may_use, name, dependency);
        lists(&config.may_use, package, dependency) || for_tests("*") || for_tests(package)
    } else {
        is_for_tests || !lists(&config.excluded, package, dependency)
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

/// Returns the paths in the code of an area that lead into another area of the same layer.
pub(super) fn check_areas(tree: &Tree) -> Vec<Finding> {
    let layers = tree.config.layers.keys().filter(|layer| layer.ends_with("/src"));
    let files =
        layers.flat_map(|layer| tree.rust_under(layer).filter_map(|file| Some((file, file.area(layer)?))));
    let files = files.filter(|(_, area)| tree.config.is_area(area));
    files.flat_map(|(file, area)| check_area(&tree.config, file, area)).collect()
}

fn check_area(config: &Config, file: &File, own: &str) -> Vec<Finding> {
    let is_other = |name: &&str| {
        config.is_area(name) && *name != own && !config.areas_used_by_others.iter().any(|area| area == name)
    };
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
        let config = Config::load().unwrap();
        for (package, dependency, is_for_tests, expected) in [
            ("steadfast-http", "steadfast-repository", false, true),
            ("steadfast-http", "steadfast-postgres", false, false),
            ("steadfast-repository", "steadfast-http", true, false),
            ("steadfast-repository", "steadfast-testkit", true, true),
            ("steadfast-repository", "steadfast-testkit", false, false),
            ("steadfast-http", "steadfast-schema", true, true),
            ("steadfast-unlisted", "steadfast-domain", false, false),
            ("steadfast-http", "diesel-async", false, false),
            ("steadfast-postgres", "diesel-async", false, true),
        ] {
            let is_ours = dependency.starts_with("steadfast");
            let found = may_use(&config, package, dependency, is_ours, is_for_tests);
            assert_eq!(found, expected, "{package} -> {dependency}");
        }
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
