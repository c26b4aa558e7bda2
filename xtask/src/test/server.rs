//! The PostgreSQL server that all tests of a run share, and the programs that tests start.

use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};
use std::process::Command;
use std::time::Duration;
use steadfast_testkit::{
    Error, FileLock, PostgresBinaries, RedisBinary, SERVER_VARIABLE, Server, StopMode, find_program,
    shared_server_folder,
};
use tokio_postgres::NoTls;

/// Maximum wait for another run, which takes at most 45 minutes on two cores.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// A server for the tests. Dropping it stops the server if this run started it.
#[derive(Debug)]
pub(super) struct TestServer {
    url: String,
    started: Option<Server>,
    /// Excludes other runs from using the server. Released after it was stopped.
    _lock: Option<FileLock>,
}

impl TestServer {
    /// Returns the server that the environment names, or the one of the workspace, which is started if necessary.
    ///
    /// Waits for other runs in this checkout, because the first to end would stop the server of all.
    pub(super) fn start(workspace: &Workspace) -> anyhow::Result<Self> {
        if let Ok(url) = std::env::var(SERVER_VARIABLE) {
            return Ok(Self { url, started: None, _lock: None });
        }
        std::fs::create_dir_all(workspace.state("")).context("cannot create target/steadfast")?;
        let path = workspace.state("tests.lock");
        let lock = match FileLock::acquire(&path, Duration::ZERO) {
            Err(Error::Locked { .. }) => {
                println!("server: waiting for another `cargo xtask test` of this checkout");
                FileLock::acquire(&path, LOCK_TIMEOUT)?
            }
            outcome => outcome?,
        };
        let is_running = Server::running(&shared_server_folder(workspace.root())).is_some();
        let server = Server::shared(workspace.root())?;
        let url = server.url("postgres");
        Ok(Self { url, started: (!is_running).then_some(server), _lock: Some(lock) })
    }

    /// Resets the statistics of statements, so that they show what this run sends.
    #[tokio::main(flavor = "current_thread")]
    pub(super) async fn reset_statistics(&self) -> anyhow::Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        let session = tokio::spawn(connection);
        let reset = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()";
        if let Err(error) = client.batch_execute(reset).await {
            println!("server: the statements of the tests are not recorded: {error}");
        }
        drop(client);
        Ok(session.await??)
    }

    /// Returns the URL of a superuser.
    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.started.take().map(|server| server.stop(StopMode::Fast)) {
            eprintln!("the test server could not be stopped: {error}; run cargo xtask down to try again");
        }
    }
}

/// Installs missing programs with apt-get if this process may; otherwise the error names the command.
///
/// Redis and PgBouncer are small and installed everywhere. PostgreSQL is installed on CI machines only, because npm can
/// fetch it elsewhere. A variable with a wrong path is an error, whatever is installed.
pub(super) fn install_programs(workspace: &Workspace) -> anyhow::Result<()> {
    let postgres = || PostgresBinaries::find(None, &PostgresBinaries::npm_folder(workspace.root())).map(drop);
    let is_missing =
        std::env::var_os(SERVER_VARIABLE).is_none() && matches!(postgres(), Err(Error::NoBinaries { .. }));
    if is_missing && std::env::var("CI").is_ok_and(|ci| ci == "true") {
        install("postgresql", true, || Ok(postgres()?))?;
    }
    let is_default = std::env::var_os("STEADFAST_REDIS_BIN").is_none();
    install("redis-server", is_default, || Ok(RedisBinary::find().map(drop)?))?;
    install("pgbouncer", true, || {
        find_program("pgbouncer")
            .map(drop)
            .context("pgbouncer is missing: install it with the package manager")
    })
}

fn install(package: &str, may_install: bool, find: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let Err(missing) = find() else { return Ok(()) };
    let has_apt = || Command::new("apt-get").arg("--version").output().is_ok();
    if !may_install || !nix::unistd::geteuid().is_root() || !has_apt() {
        return Err(missing);
    }
    println!("{package} is missing: running apt-get install {package}");
    let install = || apt_get(&["install", "--yes", "--no-install-recommends", package]);
    install().or_else(|_| apt_get(&["update"]).and_then(|()| install()))?;
    find().with_context(|| format!("{package} was installed but is still not found"))
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    // The run level keeps systemd from starting the installed servers.
    command.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    let status = command.status()?;
    ensure!(status.success(), "apt-get {} failed ({status})", arguments.join(" "));
    Ok(())
}
