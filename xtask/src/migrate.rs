//! `cargo xtask migrate`: brings a database up to date with the checkout's own migrations.

use crate::cargo::cargo;
use crate::up::stack::Stack;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// What `migrate` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The database to migrate. Default: the one that `cargo xtask up` started.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// Applies the migrations that the database does not have yet.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let url = match &arguments.database_url {
        Some(url) => url.clone(),
        None => started_database(workspace)?,
    };
    let status = cargo(workspace)
        .args(["run", "--quiet", "--package", "steadfast-ctl", "--", "migrate"])
        .env("DATABASE_URL", url)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "steadfast-ctl migrate failed ({status})");
    Ok(())
}

fn started_database(workspace: &Workspace) -> anyhow::Result<String> {
    let stack = Stack::read(workspace)
        .context("no stack to migrate: give --database-url URL, or start one by cargo xtask up")?;
    Ok(stack.database_url)
}
