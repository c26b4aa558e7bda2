//! `cargo xtask migrate`: applies the migrations of the checkout to a database.

use crate::cargo::cargo;
use crate::test::run_command;
use crate::up::state::{self, STACK, Stack};
use crate::workspace::Workspace;
use anyhow::Context as _;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Database to migrate. Default: the one that `cargo xtask up` started
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// Applies the pending migrations.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let started = || state::read(workspace, STACK).map(|stack: Stack| stack.database_url);
    let url = arguments.database_url.clone().or_else(started);
    let url = url.context("no database to migrate: give --database-url URL, or run cargo xtask up")?;
    let mut migrate = cargo(workspace);
    migrate.args(["run", "--quiet", "--package", "steadfast-ctl", "--", "migrate"]);
    run_command(migrate.env("DATABASE_URL", url)).context("steadfast-ctl migrate failed")
}
