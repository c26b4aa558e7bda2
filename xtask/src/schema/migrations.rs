//! Applies the migrations' files to a database that is read once and thrown away.

use anyhow::{Context as _, ensure};
use std::path::{Path, PathBuf};
use tokio_postgres::Client;

/// Runs the `up.sql` of each folder in `folder`, in the order of their names.
///
/// A file is sent as one message, which the server runs as one transaction. A file with a single statement runs by
/// itself, so that `CREATE INDEX CONCURRENTLY` works where it stands alone.
pub(super) async fn apply(client: &Client, folder: &Path) -> anyhow::Result<()> {
    for file in scripts(folder)? {
        let sql =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        client
            .batch_execute(&sql)
            .await
            .map_err(in_full)
            .with_context(|| format!("{} failed", file.display()))?;
    }
    Ok(())
}

fn scripts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut scripts = Vec::new();
    for entry in entries {
        let script = entry?.path().join("up.sql");
        if script.is_file() {
            scripts.push(script);
        }
    }
    ensure!(!scripts.is_empty(), "no migration in {}", folder.display());
    scripts.sort();
    Ok(scripts)
}

/// The server's own words, which the client's error keeps in its source.
fn in_full(error: tokio_postgres::Error) -> anyhow::Error {
    match error.as_db_error() {
        Some(said) => anyhow::anyhow!(
            "{said}{}",
            said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default()
        ),
        None => error.into(),
    }
}
