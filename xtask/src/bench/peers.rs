//! Runs comparisons with other libraries. They are separate workspaces, so that normal builds skip those libraries.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// Builds the comparison `name` in release mode in `target/peers` and runs it.
///
/// # Errors
/// Returns an error if the comparison cannot be built or misses one of its goals.
pub(super) fn run(workspace: &Workspace, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let root = workspace.root();
    let status = cargo(workspace)
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(root.join("benches/peers").join(name).join("Cargo.toml"))
        .arg("--")
        .args(arguments)
        .env("CARGO_TARGET_DIR", root.join("target/peers"))
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the comparison {name} ended with {status}");
    Ok(())
}
