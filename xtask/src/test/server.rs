//! The PostgreSQL server that all tests of a run share.

use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use steadfast_testkit::{
    Error, FileLock, PostgresBinaries, SERVER_VARIABLE, Server, StopMode, shared_server_folder,
};
use tokio_postgres::NoTls;

/// A whole run takes at most 45 minutes on two cores.
const LOCK_PATIENCE: Duration = Duration::from_secs(60 * 60);

/// A server for the tests. Stopped on drop, unless it ran before or is somebody else's.
#[derive(Debug)]
pub(super) struct TestServer {
    url: String,
    /// The server that this value started.
    started: Option<Server>,
    /// Keeps another run from using the server that this one will stop. Dropped after it was stopped.
    _lock: Option<FileLock>,
}

impl TestServer {
    /// The server that the environment names, or the workspace's own, which is started when it does not run.
    ///
    /// Waits for another run in this checkout, which would stop the server for both. On a CI machine without PostgreSQL
    /// it is installed by apt-get; elsewhere the error names the command, and nothing is installed unasked.
    pub(super) fn start(workspace: &Workspace) -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(SERVER_VARIABLE) {
            return Ok(Self { url, started: None, _lock: None });
        }
        std::fs::create_dir_all(workspace.state("")).context("target/steadfast cannot be created")?;
        let lock = lock(&workspace.state("tests.lock"), || {
            println!("server: another `cargo xtask test` of this checkout uses it; waiting for its end");
        })?;
        let ran_before = Server::running(&shared_server_folder(workspace.root())).is_some();
        if !ran_before {
            provide_programs(workspace)?;
        }
        let server = Server::shared(workspace.root())?;
        Ok(Self { url: server.url("postgres"), started: (!ran_before).then_some(server), _lock: Some(lock) })
    }

    /// Has the server forget what it has seen, so that afterwards it tells what this run sent. A server without the
    /// extension has seen nothing.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
            let session = tokio::spawn(connection);
            let forget =
                "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()";
            if let Err(error) = client.batch_execute(forget).await {
                println!("server: what the tests send is not counted: {error}");
            }
            drop(client);
            Ok(session.await??)
        })
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

/// The lock at `path`, after telling of it when it has to be waited for.
fn lock(path: &Path, tell: impl FnOnce()) -> anyhow::Result<FileLock> {
    match FileLock::acquire(path, Duration::ZERO) {
        Err(Error::Locked { .. }) => {
            tell();
            Ok(FileLock::acquire(path, LOCK_PATIENCE)?)
        }
        outcome => Ok(outcome?),
    }
}

fn provide_programs(workspace: &Workspace) -> anyhow::Result<()> {
    let find = || PostgresBinaries::find(None, &PostgresBinaries::npm_folder(workspace.root()));
    let Err(missing) = find() else { return Ok(()) };
    ensure!(may_install(&missing, std::env::var("CI").ok().as_deref()), missing);
    println!("server: no PostgreSQL on this machine; running apt-get update and apt-get install postgresql");
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", "postgresql"])?;
    find().context("PostgreSQL was installed and is still not found")?;
    Ok(())
}

/// Only where there are none, which a mistaken setting does not show, and only on a machine that is thrown away.
fn may_install(missing: &Error, ci: Option<&str>) -> bool {
    matches!(missing, Error::NoBinaries { .. }) && ci == Some("true") && is_apt_usable()
}

/// Whether this process may install what is missing.
pub(super) fn is_apt_usable() -> bool {
    nix::unistd::geteuid().is_root() && Command::new("apt-get").arg("--version").output().is_ok()
}

/// On machines that use systemd, the installed servers are not started.
pub(super) fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    let status = command
        .arg("--quiet")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("RUNLEVEL", "1")
        .status()?;
    ensure!(status.success(), "apt-get {} failed ({status})", arguments.join(" "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_says_that_it_waits_and_goes_on_when_the_first_ends() {
        let path = std::env::temp_dir().join(format!("steadfast-tests-{}.lock", std::process::id()));
        let unheld = lock(&path, || panic!("nobody holds it")).unwrap();
        drop(unheld);
        let mut first = Some(FileLock::acquire(&path, Duration::ZERO).unwrap());
        let second = lock(&path, || drop(first.take()));
        std::fs::remove_file(&path).unwrap();
        assert!(second.is_ok() && first.is_none());
    }

    #[test]
    fn nothing_is_installed_outside_ci_or_for_a_mistaken_setting() {
        let none = Error::NoBinaries { wanted: "15 to 18".to_owned(), detail: String::new() };
        let wrong = Error::BadBinaries { folder: "/nowhere".into(), reason: "initdb is missing".to_owned() };
        for (missing, ci) in
            [(&none, None), (&none, Some("")), (&none, Some("false")), (&wrong, Some("true"))]
        {
            assert!(!may_install(missing, ci), "{missing:?} {ci:?}");
        }
        assert_eq!(may_install(&none, Some("true")), is_apt_usable());
    }
}
