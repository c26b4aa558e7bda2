//! `cargo xtask migrate`: brings a database up to date with the checkout's own migrations.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Where `up` tells what it started.
const STARTED: &str = "target/steadfast/up.json";

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
    let path = workspace.root().join(STARTED);
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("no {STARTED}: give --database-url URL, or start a database by cargo xtask up")
    })?;
    database_url(&text).with_context(|| format!("{STARTED} has no database_url: run cargo xtask up again"))
}

fn database_url(started: &str) -> Option<String> {
    let started: Value = serde_json::from_str(started).ok()?;
    Some(started.get("database_url")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_started_database_is_read() {
        let started = r#"{"api": "http://x", "database_url": "postgres://y/z"}"#;
        assert_eq!(database_url(started).as_deref(), Some("postgres://y/z"));
    }

    #[test]
    fn a_file_that_tells_no_database_is_refused() {
        for started in ["", "{}", "[]", r#"{"database_url": 7}"#] {
            assert_eq!(database_url(started), None, "{started}");
        }
    }
}
