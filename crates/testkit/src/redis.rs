//! Private Redis servers, which tests can stop, freeze and kill.

mod binary;

pub use binary::RedisBinary;

use crate::scratch::temporary_folder;
use crate::{Error, Process, Result, claim_folder};
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PREFIX: &str = "steadfast-redis-";
const START_PATIENCE: Duration = Duration::from_secs(30);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(10);
/// Number of attempts: another program may take the port between the check and the start.
const PORT_TRIES: u32 = 5;
/// Ports below the range of outgoing connections, so that the port of a stopped server stays free.
const PORTS: std::ops::Range<u16> = 16_000..20_000;

/// A private Redis server on 127.0.0.1, without a password and without persistence. It can be stopped, restarted on the
/// same port, frozen and killed. Dropping it kills it and deletes its folder.
#[derive(Debug)]
pub struct RedisServer {
    binary: RedisBinary,
    root: PathBuf,
    port: u16,
    /// `None` while the server is stopped.
    child: Mutex<Option<Child>>,
}

impl RedisServer {
    /// Starts a server and waits until it responds. Leftovers of killed processes are removed first.
    ///
    /// # Errors
    /// Returns [`Error::NoRedis`] with the command that installs Redis, and other errors if the folder cannot be
    /// created or the server does not start, with its log.
    pub fn private() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let binary = RedisBinary::find()?;
        sweep();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let root = temporary_folder().join(format!("{PREFIX}{}-{number}", std::process::id()));
        claim_folder(&root)?;
        let mut server = Self { binary, root, port: 0, child: Mutex::new(None) };
        let mut tries = 0;
        loop {
            tries += 1;
            server.port = free_port();
            match server.start() {
                Err(Error::Program { .. }) if tries < PORT_TRIES => {}
                outcome => return outcome.map(|()| server),
            }
        }
    }

    /// Returns the URL, `redis://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Returns the address, which [`RedisServer::restart`] does not change.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Returns the process id while the server runs.
    pub fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// Stops the server if it runs, and starts it on the same port, without data.
    ///
    /// # Errors
    /// Returns the errors of [`RedisServer::private`].
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// Sends SIGTERM and waits until the server has ended; a frozen one is killed. A stopped server is ignored.
    ///
    /// # Errors
    /// Returns [`Error::StillRunning`] if the server does not end.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// Sends SIGKILL and waits until the server has ended. Connections are reset, and new ones are refused.
    ///
    /// # Errors
    /// Returns [`Error::StillRunning`] if the server does not end.
    pub fn kill(&self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Freezes the server (SIGSTOP): connections stay open, new ones are accepted by the kernel, and nothing responds.
    ///
    /// # Errors
    /// Returns [`Error::NotRunning`] if the server is stopped.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Resumes a frozen server.
    ///
    /// # Errors
    /// Returns [`Error::NotRunning`] if the server is stopped.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    fn start(&self) -> Result<()> {
        let log = self.root.join("redis.log");
        let file = std::fs::File::create(&log).map_err(Error::file("create", &log))?;
        let mut command = self.binary.command(&self.root, self.port);
        let started = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).spawn();
        let failed = |output: String| Error::Program { program: "redis-server", output };
        let mut child = started.map_err(|error| failed(error.to_string()))?;
        let deadline = Instant::now() + START_PATIENCE;
        while !answers_redis(self.address()) {
            let ended = !matches!(child.try_wait(), Ok(None));
            if ended || Instant::now() >= deadline {
                // An error means that the server has already ended.
                let _ = child.kill().and_then(|()| child.wait());
                return Err(failed(std::fs::read_to_string(&log).unwrap_or_default()));
            }
            std::thread::sleep(POLL);
        }
        *self.child() = Some(child);
        Ok(())
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let Some(mut child) = self.child().take() else { return Ok(()) };
        for signal in [signal, Signal::SIGKILL] {
            send(&child, signal);
            let deadline = Instant::now() + STOP_PATIENCE;
            while Instant::now() < deadline {
                if matches!(child.try_wait(), Ok(Some(_))) {
                    return Ok(());
                }
                std::thread::sleep(POLL);
            }
        }
        Err(Error::StillRunning { pid: i32::try_from(child.id()).unwrap_or_default() })
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child();
        let child = child.as_ref().ok_or_else(|| Error::NotRunning { root: self.root.clone() })?;
        send(child, signal);
        Ok(())
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let gone = self
            .kill()
            .and_then(|()| std::fs::remove_dir_all(&self.root).map_err(Error::file("remove", &self.root)));
        if let Err(error) = gone {
            tracing::warn!(%error, "a private Redis server could not be deleted");
        }
    }
}

fn send(child: &Child, signal: Signal) {
    if let Some(process) = i32::try_from(child.id()).ok().and_then(Process::new) {
        process.signal(signal);
    }
}

/// Returns true if a Redis server at `address` answers PING within a second without an error.
pub fn answers_redis(address: SocketAddr) -> bool {
    let ping = || -> std::io::Result<[u8; 1]> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_PATIENCE)?;
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        let mut first = [0];
        stream.read_exact(&mut first)?;
        Ok(first)
    };
    ping().is_ok_and(|first| first == *b"+")
}

/// Kills and deletes the servers of processes that ended without doing so.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(temporary_folder()) else { return };
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| is_leftover(path)) {
        let pid = std::fs::read_to_string(folder.join("redis.pid")).unwrap_or_default();
        let server = pid.trim().parse().ok().and_then(Process::new);
        let dir = folder.to_str();
        if let Some(server) = server.filter(|server| dir.is_some() && server.runs("redis-server", dir)) {
            server.kill();
        }
        // Another process may be sweeping, too.
        let _ = std::fs::remove_dir_all(folder);
    }
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let owner = name.and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
    owner.and_then(Process::new).is_some_and(|owner| !owner.exists()) && claim_folder(path).is_ok()
}

/// Returns a port without a listener. The search begins at random, so that concurrent searches find different ports.
fn free_port() -> u16 {
    let count = u64::from(PORTS.end - PORTS.start);
    let begin = crate::template::random() % count;
    let ports = (0..count).filter_map(|step| u16::try_from((begin + step) % count).ok());
    let mut ports = ports.map(|offset| PORTS.start + offset);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap_or(PORTS.start)
}
