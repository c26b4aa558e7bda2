//! `cargo xtask down`: stops what `up` and the tests started. The data stays, except with `--purge`.

use crate::up::service::Service;
use crate::up::state::{self, PROCESSES, Processes, STACK};
use crate::workspace::Workspace;
use anyhow::Context as _;
use std::path::Path;
use steadfast_testkit::{Server, StopMode, shared_server_folder, sweep_private_servers};

/// Arguments of `down`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Delete the data, too
    #[arg(long)]
    purge: bool,
}

/// Stops the stack and all servers of this checkout. Does nothing if none runs.
///
/// # Errors
/// Returns an error if a process cannot be stopped or data cannot be deleted.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    workspace.claim()?;
    let _lock = workspace.lock()?;
    stop(workspace)?;
    let tests = shared_server_folder(workspace.root());
    stop_server(&tests, "the PostgreSQL of the tests")?;
    let leftovers = sweep_private_servers();
    if leftovers > 0 {
        eprintln!("removed {leftovers} servers of tests that were killed");
    }
    if arguments.purge {
        for folder in [workspace.scratch(), tests].into_iter().filter(|folder| folder.is_dir()) {
            let removed = std::fs::remove_dir_all(&folder);
            removed.with_context(|| format!("cannot remove {}", folder.display()))?;
            eprintln!("removed {}", folder.display());
        }
        _ = std::fs::remove_file(workspace.state(STACK));
    }
    Ok(())
}

/// Stops the stack. Needs the lock of the workspace.
pub(crate) fn stop(workspace: &Workspace) -> anyhow::Result<()> {
    stop_processes(&state::read(workspace, PROCESSES).unwrap_or_default())?;
    // Servers of other major versions may still run.
    for folder in std::fs::read_dir(workspace.scratch()).into_iter().flatten().flatten() {
        if folder.path().join("data").is_dir() {
            stop_server(&folder.path(), "PostgreSQL")?;
        }
    }
    _ = std::fs::remove_file(workspace.state(PROCESSES));
    Ok(())
}

/// Stops the given processes, callers before the services that they call.
pub(crate) fn stop_processes(processes: &Processes) -> anyhow::Result<()> {
    let Processes { api, sandbox, redis, server } = processes;
    for (name, service) in [("the API", api), ("the PIDKey sandbox", sandbox), ("Redis", redis)] {
        if let Some(service) = service.as_ref().filter(|service| Service::is_running(service)) {
            service.stop(name)?;
            eprintln!("stopped {name}");
        }
    }
    server.as_deref().map_or(Ok(()), |folder| stop_server(folder, "PostgreSQL"))
}

fn stop_server(folder: &Path, name: &str) -> anyhow::Result<()> {
    if let Some(server) = Server::running(folder) {
        server.stop(StopMode::Fast)?;
        eprintln!("stopped {name}");
    }
    Ok(())
}
