//! `cargo xtask seed`: fills a database with made-up data to measure on, by the program that does it.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// What `seed` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The database to seed. It must be migrated, and marked as seedable: what is in it is replaced.
    // None is guessed: the one that `up` started may hold what somebody entered there.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Rows of the largest table, from 1000 to 10000000; the others have as many as fit to that.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rows: u64,
}

/// Replaces what is in the database by the data of that size.
///
/// # Errors
/// When the program cannot be built, or refuses; it has said why.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let mut seed = cargo(workspace);
    seed.args(["run", "--quiet", "--package", "steadfast-ctl", "--features", "seed", "--"]);
    seed.args(["seed", "--rows", &arguments.rows.to_string()]);
    // Not an argument: those show in the process list.
    let status = seed.env("DATABASE_URL", &arguments.database_url).status().context("cannot run cargo")?;
    ensure!(status.success(), "steadfast-ctl seed failed ({status})");
    Ok(())
}
