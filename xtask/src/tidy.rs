//! `cargo xtask tidy`: the project conventions that no compiler lint checks. One file per rule.

mod code;
mod config;
mod doors;
mod files;
mod grid;
mod layers;
mod nouns;
mod operations;
mod tree;
mod vocabulary;

use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};
use cargo_metadata::MetadataCommand;
use tree::{Finding, Tree};

/// A rule: returns its findings in the checkout.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [Rule; 7] = [
    doors::check,
    files::check,
    grid::check,
    layers::check_areas,
    nouns::check,
    operations::check,
    vocabulary::check,
];

/// Checks every rule and prints the findings, one per line.
///
/// # Errors
/// Returns an error if there are findings, or if the checkout cannot be read.
pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let tree = Tree::read(workspace.root())?;
    let metadata =
        MetadataCommand::new().current_dir(workspace.root()).other_options(["--locked".to_owned()]).exec();
    let metadata = metadata.context("cannot run cargo metadata")?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.extend(layers::check_packages(&tree.config, &metadata));
    findings.sort();
    findings.dedup();
    findings.iter().for_each(|finding| println!("{finding}"));
    ensure!(findings.is_empty(), "tidy: {} findings", findings.len());
    println!("tidy: no findings in {} Rust files", tree.rust().count());
    Ok(())
}
