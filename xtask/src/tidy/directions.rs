//! Who may see whom: packages of the workspace depend downwards only, and layers keep out what is not theirs.

use super::manifest::{Dependency, Manifest, Need, short};
use super::tree::{Finding, Tree};
use std::collections::BTreeSet;

const RULE: &str = "directions";

/// What each package may depend on, by names without the project's. Any other package of the workspace is refused.
const MAY_SEE: &[(&str, &[&str])] = &[
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
    ("app", BELOW_APP),
    ("api", BINARY),
    ("ctl", BINARY),
    ("pidkey-sandbox", &[]),
    ("planted", &["plans", "testkit"]),
    ("verifier", &["domain", "plans", "postgres", "repository", "schema", "services", "testkit"]),
    ("xtask", &["testkit"]),
];

const BELOW_APP: &[&str] = &[
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
];

const BINARY: &[&str] = &["app", "domain", "repository", "schema", "services", "telemetry"];

/// What the tests of any package may use besides.
const TESTS_MAY_SEE: &[&str] = &["testkit", "pidkey-sandbox"];

/// What the tests of one package may use besides: its routes are tested over real migrations and the real client.
const ITS_TESTS_MAY_SEE: &[(&str, &[&str])] = &[("http", &["pidkey", "schema"])];

/// Libraries that a layer may not name itself; a `*` stands for any ending.
const KEPT_OUT: &[(&str, &[&str])] = &[
    ("domain", &["diesel*", "tokio*", "axum*", "hyper*", "reqwest", "bb8"]),
    ("repository", &["axum*", "hyper*", "reqwest", "bb8"]),
    ("services", &["diesel*", "tokio-postgres", "bb8", "axum*", "hyper*", "reqwest"]),
    ("http", &["diesel*", "tokio-postgres", "bb8"]),
];

/// Libraries that are nowhere below the crate for failures, so that anybody can use it.
const NOT_BELOW_RESILIENCE: &[&str] =
    &["diesel*", "tokio-postgres", "postgres*", "bb8", "reqwest", "axum*", "hyper*"];

/// Links the C client of PostgreSQL, which a fresh machine does not have.
const LIBPQ: &str = "pq-sys";

/// Dependencies that go upwards, sideways, or to a library that the layer keeps out.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = Manifest::all(tree);
    let ours: BTreeSet<&str> = manifests.iter().map(Manifest::short_name).collect();
    let mut findings: Vec<Finding> =
        manifests.iter().flat_map(|manifest| check_manifest(manifest, &ours)).collect();
    findings.extend(libpq(tree));
    findings
}

/// What `cargo tree` of the crate for failures names that should not be there.
pub(super) fn check_below_resilience(packages: &str) -> Vec<Finding> {
    let names: BTreeSet<&str> = packages.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let refused =
        names.into_iter().filter(|name| NOT_BELOW_RESILIENCE.iter().any(|pattern| matches(pattern, name)));
    refused
        .map(|name| {
            let advice = format!(
                "{name} is among what it depends on: cargo tree -p steadfast-resilience -e normal -i {name}"
            );
            Finding { path: "crates/resilience/Cargo.toml".to_owned(), line: 1, rule: RULE, advice }
        })
        .collect()
}

fn check_manifest(manifest: &Manifest<'_>, ours: &BTreeSet<&str>) -> Vec<Finding> {
    let package = manifest.short_name();
    let Some((_, may_see)) = MAY_SEE.iter().find(|(name, _)| *name == package) else {
        return vec![manifest.file.finding(
            1,
            RULE,
            format!("say in xtask/src/tidy/directions.rs what `{package}` may depend on"),
        )];
    };
    let refused = manifest.dependencies.iter().filter(|dependency| {
        let name = short(dependency.name);
        if ours.contains(name) {
            !may_see.contains(&name) && !tests_may_see(package, dependency)
        } else {
            kept_out(package, dependency)
        }
    });
    refused
        .map(|dependency| {
            manifest.file.finding(
                dependency.line,
                RULE,
                format!("`{package}` may not depend on `{}`", dependency.name),
            )
        })
        .collect()
}

fn tests_may_see(package: &str, dependency: &Dependency<'_>) -> bool {
    let its_own =
        ITS_TESTS_MAY_SEE.iter().filter(|(name, _)| *name == package).flat_map(|(_, seen)| seen.iter());
    dependency.need == Need::Tests
        && TESTS_MAY_SEE.iter().chain(its_own).any(|seen| *seen == short(dependency.name))
}

fn kept_out(package: &str, dependency: &Dependency<'_>) -> bool {
    let patterns =
        KEPT_OUT.iter().filter(|(layer, _)| *layer == package).flat_map(|(_, patterns)| patterns.iter());
    dependency.need == Need::Always && patterns.into_iter().any(|pattern| matches(pattern, dependency.name))
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

fn libpq(tree: &Tree) -> Option<Finding> {
    let lock = tree.file("Cargo.lock")?;
    let line = lock.text.lines().position(|line| line == format!("name = \"{LIBPQ}\""))?;
    Some(lock.finding(
        line + 1,
        RULE,
        format!("{LIBPQ} links libpq: find who brings it with `cargo tree -i {LIBPQ}`"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in one package with these dependencies, in a workspace that knows the others.
    fn found(package: &str, dependencies: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{package}\"\n{dependencies}");
        let other = |name: &str| format!("[package]\nname = \"steadfast-{name}\"\n");
        let others: Vec<(String, String)> = ["postgres", "repository", "testkit", "telemetry", "http"]
            .iter()
            .filter(|name| short(package) != **name)
            .map(|name| (format!("crates/{name}/Cargo.toml"), other(name)))
            .collect();
        let mut files: Vec<(&str, &str)> =
            others.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.push(("crates/it/Cargo.toml", &text));
        check(&Tree::of(&files)).into_iter().map(|finding| finding.advice).collect()
    }

    #[test]
    fn downwards_passes() {
        let dependencies = "[dependencies]\naxum.workspace = true\nsteadfast-repository.workspace = true\n";
        assert_eq!(found("steadfast-http", dependencies), [""; 0]);
    }

    #[test]
    fn a_step_over_a_layer_or_upwards_is_found() {
        let dependencies = "[dependencies]\nsteadfast-postgres.workspace = true\n";
        assert_eq!(found("steadfast-http", dependencies), ["`http` may not depend on `steadfast-postgres`"]);
        let dependencies = "[dependencies]\nsteadfast-http.workspace = true\n";
        assert_eq!(found("steadfast-repository", dependencies).len(), 1);
    }

    #[test]
    fn tests_may_use_the_test_kit_and_no_layer_more() {
        let dependencies =
            "[dev-dependencies]\nsteadfast-testkit.workspace = true\nsteadfast-http.workspace = true\n";
        assert_eq!(
            found("steadfast-repository", dependencies),
            ["`repository` may not depend on `steadfast-http`"]
        );
        let dependencies = "[dependencies]\nsteadfast-testkit.workspace = true\n";
        assert_eq!(found("steadfast-repository", dependencies).len(), 1);
    }

    #[test]
    fn a_library_that_a_layer_keeps_out_is_found() {
        let dependencies = "[dependencies]\ndiesel-async.workspace = true\nbb8.workspace = true\n";
        assert_eq!(found("steadfast-http", dependencies).len(), 2);
        assert_eq!(found("steadfast-postgres", dependencies), [""; 0]);
    }

    #[test]
    fn a_package_without_a_row_is_found() {
        assert_eq!(found("steadfast-attic", "").len(), 1);
    }

    #[test]
    fn a_database_below_resilience_is_found() {
        assert_eq!(check_below_resilience("tokio v1.0.0\nrand v0.9.0 (*)\n"), []);
        assert_eq!(
            check_below_resilience("tokio v1.0.0\ntokio-postgres v0.7.1\ndiesel_derives v2.3.0\n").len(),
            2
        );
    }

    #[test]
    fn libpq_is_found_in_the_lock_file() {
        let lock = |name: &str| format!("[[package]]\nname = \"{name}\"\n");
        assert_eq!(check(&Tree::of(&[("Cargo.lock", &lock("pq-sys"))])).len(), 1);
        assert_eq!(check(&Tree::of(&[("Cargo.lock", &lock("pq-system"))])), []);
    }
}
