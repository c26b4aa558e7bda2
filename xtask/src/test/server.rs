//! The PostgreSQL server that all tests of a run share.

use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};
use std::process::Command;
use steadfast_testkit::{PostgresBinaries, SERVER_VARIABLE, Server, StopMode, shared_server_folder};

/// A server for the tests. Stopped on drop, unless it ran before or is somebody else's.
#[derive(Debug)]
pub(super) struct TestServer {
    url: String,
    /// The server that this value started.
    started: Option<Server>,
}

impl TestServer {
    /// The server that the environment names, or the workspace's own, which is started when it does not run.
    ///
    /// On a machine without PostgreSQL it is installed where that needs no password: as root, by apt-get. Elsewhere the
    /// error names the command.
    pub(super) fn start(workspace: &Workspace) -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(SERVER_VARIABLE) {
            return Ok(Self { url, started: None });
        }
        let ran_before = Server::running(&shared_server_folder(workspace.root())).is_some();
        if !ran_before {
            provide_programs(workspace)?;
        }
        let server = Server::shared(workspace.root())?;
        Ok(Self { url: server.url("postgres"), started: (!ran_before).then_some(server) })
    }

    /// The address of a superuser of it.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.started.take().map(|server| server.stop(StopMode::Fast)) {
            eprintln!("the tests' server could not be stopped: {error}; cargo xtask down tries again");
        }
    }
}

fn provide_programs(workspace: &Workspace) -> anyhow::Result<()> {
    let find = || PostgresBinaries::find(None, &PostgresBinaries::npm_folder(workspace.root()));
    let Err(missing) = find() else { return Ok(()) };
    ensure!(may_install(), missing);
    println!("server: no PostgreSQL on this machine; running apt-get update and apt-get install postgresql");
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", "postgresql"])?;
    find().context("PostgreSQL was installed and is still not found")?;
    Ok(())
}

fn may_install() -> bool {
    nix::unistd::geteuid().is_root() && Command::new("apt-get").arg("--version").output().is_ok()
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    let status = command.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status()?;
    ensure!(status.success(), "apt-get {} failed ({status})", arguments.join(" "));
    Ok(())
}
