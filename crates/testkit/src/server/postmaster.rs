//! The running server behind a folder, found by the file that PostgreSQL leaves there, which may be stale.

use super::layout::data_folder;
use crate::{Error, Process, Result};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Recovery after a crash is part of a start.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// A live postmaster.
#[derive(Clone, Debug)]
pub(super) struct Postmaster {
    pub(super) process: Process,
    pub(super) port: u16,
    data: PathBuf,
}

impl Postmaster {
    /// The postmaster of the server in `root`: named by its `postmaster.pid`, alive, and really one of this folder.
    pub(super) fn of(root: &Path) -> Option<Self> {
        let data = data_folder(root);
        let text = std::fs::read_to_string(pid_file(&data)).ok()?;
        let (process, port) = parse(&text)?;
        let found = Self { process, port, data };
        found.is_alive().then_some(found)
    }

    fn is_alive(&self) -> bool {
        self.process.runs("postgres", self.data.to_str())
    }

    /// Waits for a server that another process began to start, or that recovers.
    pub(super) fn wait_until_ready(&self) -> Result<()> {
        let is_starting = |_: Process| self.is_alive() && !self.is_ready();
        if self.process.wait_until_not(READY_PATIENCE, is_starting) && self.is_alive() {
            return Ok(());
        }
        let output = format!("process {} in {} is not ready", self.process.pid(), self.data.display());
        Err(Error::Program { program: "postgres", output })
    }

    /// The last line of the file says `ready` once connections are taken.
    fn is_ready(&self) -> bool {
        let text = std::fs::read_to_string(pid_file(&self.data)).unwrap_or_default();
        text.lines().nth(7).is_some_and(|status| status.trim() == "ready")
    }

    /// The postmaster first, so that it starts no session that the signal would miss.
    pub(super) fn signal_all(&self, signal: Signal) {
        self.process.signal(signal);
        for session in self.process.children() {
            session.signal(signal);
        }
    }

    pub(super) fn wait_until_gone(&self, patience: Duration) -> bool {
        self.process.wait_until_not(patience, |_| self.is_alive())
    }
}

/// Removes the pid file of `data` when its process id now belongs to something else: PostgreSQL would refuse to
/// start. When nothing has that id, PostgreSQL itself decides, since it also looks for sessions that survived.
pub(super) fn remove_misleading_pid_file(data: &Path) -> Result<()> {
    let file = pid_file(data);
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let misleads = parse(&text).is_none_or(|(process, _)| process.exists());
    if misleads { std::fs::remove_file(&file).map_err(Error::file("remove", &file)) } else { Ok(()) }
}

fn pid_file(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

/// Line 1 is the process id, line 4 the port.
fn parse(text: &str) -> Option<(Process, u16)> {
    let mut lines = text.lines();
    let process = Process::new(lines.next()?.trim().parse().ok()?)?;
    Some((process, lines.nth(2)?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read_as_postgres_writes_it() {
        let text = "4711\n/tmp/x/data\n1763689000\n25432\n/tmp/x/socket\n127.0.0.1\n  1234  5\nready   \n";
        assert_eq!(parse(text), Some((Process::new(4711).unwrap(), 25432)));
        assert_eq!(parse("4711\n"), None);
        assert_eq!(parse(""), None);
    }
}
