//! `cargo xtask down`: stops what `up` and the tests started. The data stays, unless it is to go.

use crate::up::database;
use crate::up::services::Service;
use crate::up::stack::Processes;
use crate::workspace::Workspace;
use anyhow::Context as _;
use std::path::Path;
use steadfast_testkit::{Server, StopMode, shared_server_folder, sweep_private_servers};

/// What `down` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Delete the data too
    #[arg(long)]
    purge: bool,
}

/// Stops the API, the stand-in and all servers of this checkout. Fine when nothing runs.
///
/// # Errors
/// A process that cannot be stopped, or data that cannot be deleted.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    workspace.claim()?;
    let _lock = workspace.lock()?;
    stop(workspace)?;
    let tests = shared_server_folder(workspace.root());
    stop_server(&tests, "the tests' PostgreSQL")?;
    let leftovers = sweep_private_servers();
    if leftovers > 0 {
        eprintln!("removed {leftovers} servers of tests that were killed");
    }
    if arguments.purge {
        for folder in [workspace.scratch(), tests] {
            remove(&folder)?;
        }
        let _absent = std::fs::remove_file(workspace.state("up.json"));
    }
    Ok(())
}

/// Stops the stack: callers first, what they call after them. Needs the workspace's lock.
pub(crate) fn stop(workspace: &Workspace) -> anyhow::Result<()> {
    let processes = Processes::read(workspace);
    let parts = [
        ("the API", &processes.api),
        ("the PIDKey stand-in", &processes.sandbox),
        ("Redis", &processes.redis),
    ];
    for (name, service) in parts {
        stop_service(name, service.as_ref())?;
    }
    for folder in database::folders(workspace) {
        stop_server(&folder, "PostgreSQL")?;
    }
    let _absent = std::fs::remove_file(workspace.state("processes.json"));
    Ok(())
}

fn stop_service(name: &str, service: Option<&Service>) -> anyhow::Result<()> {
    let Some(service) = service.filter(|service| service.is_running()) else { return Ok(()) };
    anyhow::ensure!(service.stop(), "{name} does not end; end it by hand");
    eprintln!("stopped {name}");
    Ok(())
}

fn stop_server(folder: &Path, name: &str) -> anyhow::Result<()> {
    let Some(server) = Server::running(folder) else { return Ok(()) };
    server.stop(StopMode::Fast)?;
    eprintln!("stopped {name}");
    Ok(())
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        eprintln!("removed {}", folder.display());
    }
    Ok(())
}
