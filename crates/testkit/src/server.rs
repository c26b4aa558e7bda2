//! A private PostgreSQL server: made, started once however many ask, stopped, broken on purpose.

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
/// How long a server may take to end when asked, and again when it is told to end at once.
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are cut off, what they had not committed is rolled back, the data is written: the normal end.
    Fast,
    /// All processes quit at once; the next start recovers from the log, as after a crash.
    Immediate,
}

/// A running or stopped server of one folder, reachable as superuser `postgres` without a password, by 127.0.0.1
/// and by a socket only. When the caller is root its processes run as `postgres` or `nobody`.
///
/// A server that was started from [`ServerOptions::private`] is stopped and deleted on drop; any other one runs on.
#[derive(Debug)]
pub struct Server {
    root: PathBuf,
    port: u16,
    /// `None` for a server that was found running, which can be stopped but not be started again.
    cluster: Option<Cluster>,
    delete_on_drop: bool,
}

impl Server {
    /// The server of the options' folder, ready for connections. A running one is taken as it is, whatever the
    /// options say of port and settings; else the data folder is made if it is missing, and the server started.
    /// Several processes may call this at once: one starts it, the others find it. Leftovers of a server that was
    /// killed do no harm.
    ///
    /// # Errors
    /// No programs or no user to run them, a folder that cannot be used, data of another version (unless
    /// throw-away: that is made anew), or a server that does not start: with the last lines of its log.
    pub fn start(mut options: ServerOptions) -> Result<Self> {
        claim_folder(&options.root)?;
        options.root = real(&options.root)?;
        let delete_on_drop = options.delete_on_drop;
        // It stands before the start is tried, so that a private server's folder goes also when that fails; and
        // before the lock, which has to be free by then.
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

    /// A throw-away server of the caller alone, for tests that stop, freeze or crash it. Gone on drop.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn private() -> Result<Self> {
        Self::start(ServerOptions::private())
    }

    /// The server that runs in `root`, if one does. Starts nothing and needs no programs.
    pub fn running(root: &Path) -> Option<Self> {
        let root = real(root).ok()?;
        let port = Postmaster::of(&root)?.port;
        Some(Self { root, port, cluster: None, delete_on_drop: false })
    }

    /// Address of a database of this server, whether it exists or not.
    pub fn url(&self, database: &str) -> String {
        self.server_url().database(database)
    }

    pub(crate) fn server_url(&self) -> ServerUrl {
        ServerUrl::of_port(self.port)
    }

    /// The port on 127.0.0.1. It stays the same over [`Server::restart`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder with the Unix socket, for `host=`.
    pub fn socket_folder(&self) -> PathBuf {
        layout::socket_folder(&self.root)
    }

    /// The data folder, closed to all but the user that the server runs as.
    pub fn data_folder(&self) -> PathBuf {
        layout::data_folder(&self.root)
    }

    /// Writes a file of the data folder that the server's user can read and nobody else, e.g. `pg_hba.conf` or `server.key`.
    /// The server sees it at its next start.
    ///
    /// # Errors
    /// [`Error::NoAccount`] and [`Error::File`].
    pub fn write_data_file(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data_folder().join(name);
        std::fs::write(&path, text).map_err(Error::file("write", &path))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))
            .map_err(Error::file("close to others", &path))?;
        Account::for_children()?.own(&path)
    }

    /// The file that the server logs to. It is cut at the first start after it grew over 10 MB.
    pub fn log(&self) -> PathBuf {
        layout::log_file(&self.root)
    }

    /// The postmaster's process id while the server runs.
    pub fn pid(&self) -> Option<i32> {
        Some(Postmaster::of(&self.root)?.process.pid())
    }

    /// Creates `database` if it is missing. Says whether it was.
    ///
    /// # Errors
    /// [`Error::BadName`] for a name that needs quoting, [`Error::Database`] when the server refuses.
    pub async fn ensure_database(&self, database: &str) -> Result<bool> {
        Admin::connect(&self.server_url()).await?.ensure_database(database).await
    }

    /// Ends the server and waits until it is gone: up to 30 s, then at once. Frozen processes are thawed first.
    /// A server that does not run is fine.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when it outlives even a kill.
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

    /// Stops the server if it runs (fast), and starts it on the same port, with the same data.
    ///
    /// # Errors
    /// As [`Server::start`]; [`Error::NotRunning`] for a server that this value did not start itself.
    pub fn restart(&self) -> Result<()> {
        let cluster = self.cluster.as_ref().ok_or_else(|| Error::NotRunning { root: self.root.clone() })?;
        let _lock = lock(&self.root)?;
        self.stop_locked(StopMode::Fast)?;
        cluster.launch_on(self.port)
    }

    /// Freezes the postmaster and every session (SIGSTOP): connections stay open and nothing answers, as when the
    /// machine hangs.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn freeze(&self) -> Result<()> {
        self.signal_all(Signal::SIGSTOP)
    }

    /// Lets a frozen server run on.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn thaw(&self) -> Result<()> {
        self.signal_all(Signal::SIGCONT)
    }

    /// Kills the postmaster and every session (SIGKILL) and waits until they are gone. The next start recovers.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::StillRunning`].
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

    /// Stops the server at once and deletes its folder with all data.
    ///
    /// # Errors
    /// [`Error::StillRunning`], or [`Error::File`] when the folder cannot be removed.
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

/// The path as the server's own command line has it, by which it is known again.
fn real(root: &Path) -> Result<PathBuf> {
    root.canonicalize().map_err(Error::file("find", root))
}

fn lock(root: &Path) -> Result<FileLock> {
    FileLock::acquire(&root.join("lock"), LOCK_PATIENCE)
}
