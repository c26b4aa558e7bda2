//! `cargo xtask schema`: the tables in Rust, written from the catalogue of a database that has just been migrated.
//!
//! The migrations are applied here from their files, not by the programs that embed them: those need the very file that
//! this command writes, and would not build while it is out of date.

mod catalogue;
mod migrations;
mod render;

use crate::workspace::Workspace;
use anyhow::{Context as _, bail, ensure};
use std::io::Write as _;
use std::process::{Command, Stdio};
use steadfast_testkit::TestDatabase;
use tokio_postgres::NoTls;

/// The file that is written.
const FILE: &str = "crates/schema/src/schema.rs";

/// What `schema` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail when the file is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes the file, or compares it.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.check { check(workspace) } else { write(workspace) }
}

/// Fails when the file is not what the migrations make of it.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let wanted = generate(workspace)?;
    let found = std::fs::read_to_string(workspace.root().join(FILE)).unwrap_or_default();
    if let Some(difference) = first_difference(&found, &wanted) {
        bail!("{FILE} is not what the migrations make: run cargo xtask schema\n{difference}");
    }
    println!("schema: {FILE} is what the migrations make");
    Ok(())
}

fn write(workspace: &Workspace) -> anyhow::Result<()> {
    let wanted = generate(workspace)?;
    let path = workspace.root().join(FILE);
    // Left alone when it is right: a new time of change would build every crate above it anew.
    if std::fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
        println!("schema: {FILE} was up to date");
        return Ok(());
    }
    std::fs::write(&path, wanted).with_context(|| format!("cannot write {}", path.display()))?;
    println!("schema: wrote {FILE}");
    Ok(())
}

fn generate(workspace: &Workspace) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let tables = runtime.block_on(migrated_tables(workspace))?;
    formatted(workspace, &render::render(&tables)?)
}

/// The tables of a new database after all migrations.
async fn migrated_tables(workspace: &Workspace) -> anyhow::Result<catalogue::Catalogue> {
    let database = TestDatabase::empty().await?;
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await?;
    let session = tokio::spawn(connection);
    migrations::apply(&client, &workspace.root().join("migrations")).await?;
    let tables = catalogue::read(&client).await;
    drop(client);
    session.await??;
    tables
}

/// `text` as rustfmt leaves it, so that formatting the workspace changes nothing.
fn formatted(workspace: &Workspace, text: &str) -> anyhow::Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout"])
        .current_dir(workspace.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt: install it by rustup component add rustfmt")?;
    // rustfmt answers only when it has read all, so writing first cannot block on a full pipe.
    rustfmt.stdin.take().context("rustfmt has an input")?.write_all(text.as_bytes())?;
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refused what was generated:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The first line in which `found` and `wanted` differ, both shown; nothing when they are the same.
fn first_difference(found: &str, wanted: &str) -> Option<String> {
    if found == wanted {
        return None;
    }
    let same = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    Some(format!("line {}:\n  is:        {}\n  should be: {}", same + 1, line(found), line(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_shown_with_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let difference = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert_eq!(difference, "line 2:\n  is:        b\n  should be: c");
        assert!(first_difference("a\n", "a\nb\n").unwrap().contains("is:        (the end)"));
        assert!(first_difference("a", "a\n").is_some(), "a missing line end is a difference");
    }
}
