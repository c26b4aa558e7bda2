//! `cargo xtask seed`: fills a database with generated data for measurements.

use crate::cargo::cargo;
use crate::test::run_command;
use crate::workspace::Workspace;
use anyhow::Context as _;

/// Arguments of `seed`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Database to seed. It must be migrated and marked as seedable, because its data is replaced
    // There is no default: the database of `up` may contain data that a user entered.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Rows of the largest table, from 1000 to 10000000. The other tables have a proportional number
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rows: u64,
}

/// Replaces the data of the database.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let mut seed = cargo(workspace);
    seed.args(["run", "--quiet", "--package", "steadfast-ctl", "--features", "seed", "--"]);
    seed.args(["seed", "--rows", &arguments.rows.to_string()]);
    // As an argument the URL would be visible in the list of processes.
    run_command(seed.env("DATABASE_URL", &arguments.database_url)).context("steadfast-ctl seed failed")
}
