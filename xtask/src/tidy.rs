//! `cargo xtask tidy`: the house rules that a machine can check. One file a rule; each finding says what to do.

mod areas;
mod directions;
mod grid;
mod imports;
mod manifest;
mod manifests;
mod marks;
mod names;
mod opening;
mod operations;
mod paths;
mod rooms;
mod size;
mod source;
mod tree;
mod words;

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, bail, ensure};
use tree::{Finding, Tree};

/// A rule reads the checkout and answers with what it does not want.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [Rule; 11] = [
    areas::check,
    directions::check,
    grid::check,
    manifests::check,
    marks::check,
    names::check,
    opening::check,
    operations::check,
    paths::check,
    size::check,
    words::check,
];

/// Checks every rule and prints each finding on a line: `path:line: rule: what to do`. Fails when there is any.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let tree = Tree::read(workspace.root())?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.extend(directions::check_below_resilience(&packages_below_resilience(workspace)?));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} rules hold in {} Rust files", RULES.len(), tree.rust().count());
            Ok(())
        }
        1 => bail!("tidy: 1 finding"),
        many => bail!("tidy: {many} findings"),
    }
}

/// A line for each package that the crate for failures is built with.
fn packages_below_resilience(workspace: &Workspace) -> anyhow::Result<String> {
    let output = cargo(workspace)
        .args(["tree", "--package", "steadfast-resilience", "--edges", "normal", "--prefix", "none"])
        .output()
        .context("cannot run cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
