//! Runs the comparison of circuit breakers, which is a workspace of its own: nobody else builds its peers.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// Builds it in release and runs it. Its files stand in `target/peers`.
pub(super) fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let root = workspace.root();
    let status = cargo(workspace)
        .args(["run", "--quiet", "--release", "--locked", "--manifest-path"])
        .arg(root.join("benches/peers/resilience/Cargo.toml"))
        .env("CARGO_TARGET_DIR", root.join("target/peers"))
        .status()
        .context("cargo cannot be run")?;
    ensure!(status.success(), "the comparison of circuit breakers ended with {status}");
    Ok(())
}
