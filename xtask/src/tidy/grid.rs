//! The grid: every area has a module in every layer, and a resource has the same file name in all of them.

use super::config::lists;
use super::tree::{Finding, Tree, below};
use std::collections::BTreeSet;

const RULE: &str = "grid";

/// Layer that an area may lack.
const OPTIONAL: &str = "crates/services/src";

/// Returns the missing and unknown modules, the resources without their files, and migrations with wrong names.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let config = &tree.config;
    let area_of = |folder: &str| area_of(folder).filter(|area| config.is_area(area)).map(str::to_owned);
    let mut findings = Vec::new();
    let mut find = |path: String, advice: &str| {
        findings.push(Finding { path, line: 1, rule: RULE, advice: advice.to_owned() });
    };
    let folders: BTreeSet<&str> =
        tree.files().filter_map(|file| Some(below(&file.path, "migrations")?.split_once('/')?.0)).collect();
    for folder in &folders {
        if area_of(folder).is_none() {
            find(format!("migrations/{folder}"), "name it <date>_<area>_<change>");
        }
        for script in ["up.sql", "down.sql"] {
            if !tree.exists(&format!("migrations/{folder}/{script}")) {
                find(format!("migrations/{folder}"), &format!("add {script}"));
            }
        }
    }
    let areas: BTreeSet<String> = folders.into_iter().filter_map(area_of).collect();
    for (layer, others) in &config.layers {
        let modules: BTreeSet<&str> = tree.rust_under(layer).filter_map(|file| file.area(layer)).collect();
        let is_optional = |area: &String| {
            layer == OPTIONAL || (layer.starts_with("crates/http/") && config.without_routes.contains(area))
        };
        for area in areas.iter().filter(|area| !is_optional(area) && !modules.contains(area.as_str())) {
            find(format!("{layer}/{area}.rs"), "add this module: the area has tables");
        }
        for module in
            modules.iter().filter(|name| !config.is_area(name) && !others.iter().any(|other| other == *name))
        {
            find(format!("{layer}/{module}"), "move it into an area, or list it in xtask/tidy.toml");
        }
        for module in others.iter().filter(|name| !modules.is_empty() && !modules.contains(name.as_str())) {
            find(format!("{layer}/{module}"), "does not exist: remove it from xtask/tidy.toml");
        }
    }
    findings.extend(resources(tree));
    findings
}

/// Returns the resources that lack their file in a layer. A resource is a repository module in the folder of an area
/// that declares operations, or an http module there that declares routes.
fn resources(tree: &Tree) -> Vec<Finding> {
    let in_area = |layer: &'static str| {
        tree.rust_under(layer).filter(|file| !file.is_for_tests()).filter_map(move |file| {
            let (area, module) = below(&file.path, layer)?.strip_suffix(".rs")?.split_once('/')?;
            (tree.config.is_area(area) && !module.contains('/')).then_some((file, area, module))
        })
    };
    let stored = in_area("crates/repository/src")
        .filter(|(file, ..)| file.code.constants.iter().any(|constant| constant.kind == "Operation"));
    let routed = in_area("crates/http/src").filter(|(file, ..)| {
        file.code.paths.iter().any(|path| path.segments.iter().any(|name| name == "Route"))
    });
    let resources: BTreeSet<(&str, &str)> =
        stored.chain(routed).map(|(_, area, module)| (area, module)).collect();
    let missing = resources
        .iter()
        .filter(|resource| !lists(&tree.config.no_resources, resource.0, resource.1))
        .flat_map(|(area, module)| {
            let files = ["domain", "repository", "http"]
                .map(|layer| format!("crates/{layer}/src/{area}/{module}.rs"));
            files.into_iter().filter(|path| !tree.exists(path))
        });
    let advice = "add this file of the resource, or list the module in xtask/tidy.toml";
    let finding = |path| Finding { path, line: 1, rule: RULE, advice: advice.to_owned() };
    missing.map(finding).collect()
}

/// Returns the second part of `<date>_<area>_<change>`.
fn area_of(folder: &str) -> Option<&str> {
    let (date, rest) = folder.split_once('_')?;
    let (area, change) = rest.split_once('_')?;
    let is_date = date.starts_with(|c: char| c.is_ascii_digit())
        && date.chars().all(|c| c.is_ascii_digit() || c == '-');
    (is_date && !change.is_empty()).then_some(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the findings in a small grid without `removed` and with `added`.
    fn found(removed: &str, added: &[(&str, &str)]) -> Vec<String> {
        let files = [
            ("crates/domain/src/keys.rs", ""),
            ("crates/http/src/keys/wire.rs", ""),
            ("crates/http/tests/keys.rs", ""),
            ("crates/repository/src/keys.rs", ""),
            ("crates/repository/tests/keys/main.rs", ""),
            ("migrations/2026-11-21-000100_keys_create/down.sql", ""),
            ("migrations/2026-11-21-000100_keys_create/up.sql", ""),
        ];
        let files = files.into_iter().filter(|(path, _)| *path != removed).chain(added.iter().copied());
        let findings = check(&Tree::of(&files.collect::<Vec<_>>())).into_iter();
        findings.filter(|it| !it.advice.starts_with("does not exist")).map(|it| it.path).collect()
    }

    #[test]
    fn areas_have_a_module_in_every_layer() {
        assert_eq!(found("", &[]), [""; 0]);
        assert_eq!(found("crates/http/tests/keys.rs", &[]), ["crates/http/tests/keys.rs"]);
        assert_eq!(found("", &[("crates/http/src/store.rs", "")]), ["crates/http/src/store"]);
    }

    #[test]
    fn resources_have_the_same_name_in_every_layer() {
        let stored = "const A: Operation<Read> = Operation::read(\"keys.a\");";
        let (path, routed) = ("crates/repository/src/keys/locks.rs", "fn f() { Route::get(\"/\", f) }");
        let others = ["crates/domain/src/keys/locks.rs", "crates/http/src/keys/locks.rs"];
        assert_eq!(found("", &[(path, stored)]), others);
        assert_eq!(found("", &[(path, stored), (others[0], ""), (others[1], routed)]), [""; 0]);
        assert_eq!(found("", &[(others[1], routed)]), [others[0], path]);
    }

    #[test]
    fn migrations_name_their_area_and_can_be_reverted() {
        let scripts =
            ["house_build/up.sql", "house_build/down.sql"].map(|path| format!("migrations/2026_{path}"));
        assert_eq!(found("", &[(&scripts[0], ""), (&scripts[1], "")]), ["migrations/2026_house_build"]);
        let reverted = "migrations/2026-11-21-000100_keys_create";
        assert_eq!(found(&format!("{reverted}/down.sql"), &[]), [reverted]);
    }
}
