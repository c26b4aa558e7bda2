//! Private PostgreSQL servers, which tests can stop, freeze and crash.

mod cluster;
mod layout;
mod options;
mod postmaster;
mod private;

pub use options::ServerOptions;
pub use private::sweep_private_servers;

use crate::template::Admin;
use crate::url::ServerUrl;
use crate::{Account, Error, FileLock, PostgresBinaries, Process, Result, claim_folder};
use cluster::Cluster;
use nix::sys::signal::Signal;
use postmaster::Postmaster;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than initdb and a start take on a busy machine.
const LOCK_PATIENCE: Duration = Duration::from_secs(120);
/// Time limit of a stop, and of the immediate stop that follows.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// Shutdown mode of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are terminated, open transactions are rolled back, and data is flushed: the normal shutdown.
    Fast,
    /// All processes quit at once. The next start recovers from the log, as after a crash.
    Immediate,
}

/// A server of one folder, running or stopped. The superuser `postgres` can connect without a password, from 127.0.0.1
/// and over a socket only. If the caller is root, the server runs as `postgres` or `nobody`.
///
/// A server of [`ServerOptions::private`] is stopped and deleted on drop; any other one keeps running.
#[derive(Debug)]
pub struct Server {
    root: PathBuf,
    port: u16,
    /// `None` for a server that was already running; it can be stopped but not started again.
    cluster: Option<Cluster>,
    delete_on_drop: bool,
}

impl Server {
    /// Returns the server of the options' folder, ready for connections. A running server is used as it is, whatever
    /// port and settings the options have. Otherwise the data folder is created if necessary, and the server started.
    /// Several processes may call this at once: one starts the server, the others find it. Leftovers of a killed server
    /// are cleaned up.
    ///
    /// # Errors
    /// Returns an error if there are no programs or no user to run them, if the folder cannot be used or has durable
    /// data of another version, or if the server does not start, with the end of its log.
    pub fn start(mut options: ServerOptions) -> Result<Self> {
        claim_folder(&options.root)?;
        options.root = real(&options.root)?;
        let delete_on_drop = options.delete_on_drop;
        // Created before the start, so that the folder of a private server is deleted even if the start fails; and
        // before the lock, which must be released first.
        let mut server = Self { root: options.root.clone(), port: 0, cluster: None, delete_on_drop };
        let _lock = lock(&server.root)?;
        if let Some(running) = Postmaster::of(&server.root) {
            running.wait_until_ready()?;
            server.port = running.port;
            return Ok(server);
        }
        let account = Account::for_children()?;
        let binaries = match &options.binaries {
            Some(binaries) => binaries.clone(),
            None => PostgresBinaries::find(None, &server.root.join("npm"))?,
        };
        let cluster = Cluster { options, binaries, account };
        cluster.make_data()?;
        server.port = cluster.launch()?;
        server.cluster = Some(cluster);
        Ok(server)
    }

    /// Starts a private, throw-away server for tests that stop, freeze or crash it. It is deleted on drop.
    ///
    /// # Errors
    /// Returns the errors of [`Server::start`].
    pub fn private() -> Result<Self> {
        Self::start(ServerOptions::private())
    }

    /// Returns the server that runs in `root`, if any. Starts nothing and needs no programs.
    pub fn running(root: &Path) -> Option<Self> {
        let root = real(root).ok()?;
        let port = Postmaster::of(&root)?.port;
        Some(Self { root, port, cluster: None, delete_on_drop: false })
    }

    /// Returns the URL of a database of this server, whether it exists or not.
    pub fn url(&self, database: &str) -> String {
        self.server_url().database(database)
    }

    pub(crate) fn server_url(&self) -> ServerUrl {
        ServerUrl::of_port(self.port)
    }

    /// Returns the port on 127.0.0.1. [`Server::restart`] does not change it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of the Unix socket, for `host=`.
    pub fn socket_folder(&self) -> PathBuf {
        layout::socket_folder(&self.root)
    }

    /// Returns the data folder, which only the user of the server can enter.
    pub fn data_folder(&self) -> PathBuf {
        layout::data_folder(&self.root)
    }

    /// Writes a file of the data folder that only the user of the server can read, e.g. `pg_hba.conf` or `server.key`.
    /// The server reads it at its next start.
    ///
    /// # Errors
    /// Returns [`Error::NoAccount`] or [`Error::File`] if the file cannot be written.
    pub fn write_data_file(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data_folder().join(name);
        std::fs::write(&path, text).map_err(Error::file("write", &path))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(Error::file("restrict the permissions of", &path))?;
        Account::for_children()?.own(&path)
    }

    /// Returns the log file. The first start after it exceeds 10 MB truncates it.
    pub fn log(&self) -> PathBuf {
        layout::log_file(&self.root)
    }

    /// Returns the process id of the postmaster while the server runs.
    pub fn pid(&self) -> Option<i32> {
        Some(Postmaster::of(&self.root)?.process.pid())
    }

    /// Creates `database` if it is missing. Returns true if it was.
    ///
    /// # Errors
    /// Returns [`Error::BadName`] if the name would need quoting, and [`Error::Database`] if the server rejects the
    /// statement.
    pub async fn ensure_database(&self, database: &str) -> Result<bool> {
        Admin::connect(&self.server_url()).await?.ensure_database(database).await
    }

    /// Stops the server and waits until it has ended: up to 30 s, then immediately. Frozen processes are resumed first.
    /// A stopped server is ignored.
    ///
    /// # Errors
    /// Returns [`Error::StillRunning`] if the server survives even a kill.
    pub fn stop(&self, mode: StopMode) -> Result<()> {
        if !self.root.is_dir() {
            return Ok(());
        }
        let _lock = lock(&self.root)?;
        self.stop_locked(mode)
    }

    fn stop_locked(&self, mode: StopMode) -> Result<()> {
        let Some(running) = Postmaster::of(&self.root) else { return Ok(()) };
        running.signal_all(Signal::SIGCONT);
        let first = match mode {
            StopMode::Fast => Signal::SIGINT,
            StopMode::Immediate => Signal::SIGQUIT,
        };
        for signal in [first, Signal::SIGQUIT, Signal::SIGKILL] {
            running.process.signal(signal);
            if running.wait_until_gone(STOP_PATIENCE) {
                return Ok(());
            }
        }
        Err(Error::StillRunning { pid: running.process.pid() })
    }

    /// Stops the server (fast) if it runs, and starts it on the same port with the same data.
    ///
    /// # Errors
    /// Returns the errors of [`Server::start`], and [`Error::NotRunning`] for a server that this value did not start.
    pub fn restart(&self) -> Result<()> {
        let cluster = self.cluster.as_ref().ok_or_else(|| Error::NotRunning { root: self.root.clone() })?;
        let _lock = lock(&self.root)?;
        self.stop_locked(StopMode::Fast)?;
        cluster.launch_on(self.port)
    }

    /// Freezes the postmaster and all sessions (SIGSTOP): connections stay open and nothing responds, as if the machine
    /// hangs.
    ///
    /// # Errors
    /// Returns [`Error::NotRunning`] if the server is stopped.
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Resumes a frozen server.
    ///
    /// # Errors
    /// Returns [`Error::NotRunning`] if the server is stopped.
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// Kills the postmaster and all sessions (SIGKILL) and waits until they have ended. The next start recovers.
    ///
    /// # Errors
    /// Returns [`Error::NotRunning`] if the server is stopped, and [`Error::StillRunning`] if a process survives.
    pub fn crash(&self) -> Result<()> {
        let running =
            Postmaster::of(&self.root).ok_or_else(|| Error::NotRunning { root: self.root.clone() })?;
        let sessions = running.process.children();
        running.signal_all(Signal::SIGKILL);
        let gone =
            |process: &Process| process.wait_until_not(STOP_PATIENCE, |it| it.command_line().is_some());
        let survivor = std::iter::once(running.process).chain(sessions).find(|process| !gone(process));
        survivor.map_or(Ok(()), |process| Err(Error::StillRunning { pid: process.pid() }))
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        let running =
            Postmaster::of(&self.root).ok_or_else(|| Error::NotRunning { root: self.root.clone() })?;
        running.signal_all(signal);
        Ok(())
    }

    /// Stops the server immediately and deletes its folder with all data.
    ///
    /// # Errors
    /// Returns [`Error::StillRunning`] if the server survives, and [`Error::File`] if the folder cannot be removed.
    pub fn delete(mut self) -> Result<()> {
        self.delete_on_drop = false;
        self.delete_now()
    }

    fn delete_now(&self) -> Result<()> {
        if !self.root.is_dir() {
            return Ok(());
        }
        self.stop(StopMode::Immediate)?;
        std::fs::remove_dir_all(&self.root).map_err(Error::file("remove", &self.root))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.delete_on_drop
            && let Err(error) = self.delete_now()
        {
            tracing::warn!(%error, "a private server could not be deleted");
        }
    }
}

/// Returns the path as in the command line of the server, by which its processes are identified.
fn real(root: &Path) -> Result<PathBuf> {
    root.canonicalize().map_err(Error::file("find", root))
}

fn lock(root: &Path) -> Result<FileLock> {
    FileLock::acquire(&root.join("lock"), LOCK_PATIENCE)
}
