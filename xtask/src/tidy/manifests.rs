//! Versions and lints are decided once, in the workspace.

use super::manifest::Manifest;
use super::tree::{Finding, Tree};

const RULE: &str = "manifests";

/// Packages that decide for themselves.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    Manifest::all(tree).iter().flat_map(check_manifest).collect()
}

fn check_manifest(manifest: &Manifest<'_>) -> Vec<Finding> {
    let file = manifest.file;
    let unlinted = (!manifest.linted).then(|| file.finding(1, RULE, "add [lints] workspace = true"));
    let own = manifest.dependencies.iter().filter(|dependency| !dependency.inherited);
    let own = own.map(|dependency| {
        let name = dependency.name;
        file.finding(
            dependency.line,
            RULE,
            format!("write `{name}.workspace = true` and its version in the root Cargo.toml"),
        )
    });
    unlinted.into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"steadfast-a\"\n\n[lints]\nworkspace = true\n\n[dependencies]\nx.workspace = true\n\
                        y = { workspace = true, features = [\"z\"] }\n";

    fn lines(manifest: &str) -> Vec<usize> {
        check(&Tree::of(&[("crates/a/Cargo.toml", manifest)]))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn a_package_that_inherits_passes() {
        assert_eq!(lines(GOOD), [0; 0]);
    }

    #[test]
    fn a_version_or_path_of_its_own_is_found() {
        let own =
            "[dev-dependencies]\nz = \"1\"\nw = { path = \"../w\" }\n[dependencies.v]\nversion = \"1\"\n";
        assert_eq!(lines(&format!("{GOOD}{own}")), [11, 12, 14]);
    }

    #[test]
    fn a_package_without_the_lints_is_found() {
        assert_eq!(lines(&GOOD.replace("workspace = true\n\n[dep", "workspace = false\n\n[dep")), [1]);
    }
}
