//! Runs a comparison with peers, which is a workspace of its own: nobody else builds them.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// Builds the comparison `name` in release and runs it with `arguments`. Its files stand in `target/peers`.
///
/// # Errors
/// When it cannot be built or misses one of its goals.
pub(super) fn run(workspace: &Workspace, name: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let root = workspace.root();
    let status = cargo(workspace)
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(root.join("benches/peers").join(name).join("Cargo.toml"))
        .arg("--")
        .args(arguments)
        .env("CARGO_TARGET_DIR", root.join("target/peers"))
        .status()
        .context("cargo cannot be run")?;
    ensure!(status.success(), "the comparison {name} ended with {status}");
    Ok(())
}
