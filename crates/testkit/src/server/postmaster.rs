//! The running server of a folder, found by its pid file, which may be stale.

use super::layout::data_folder;
use crate::{Error, Process, Result};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Time limit of a start, including recovery after a crash.
const READY_PATIENCE: Duration = Duration::from_secs(60);

/// A running postmaster.
#[derive(Clone, Debug)]
pub(super) struct Postmaster {
    pub(super) process: Process,
    pub(super) port: u16,
    data: PathBuf,
}

impl Postmaster {
    /// Returns the postmaster of the server in `root`: the process of `postmaster.pid`, if it runs and belongs to this
    /// folder.
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

    /// Waits until a server that another process has started accepts connections.
    pub(super) fn wait_until_ready(&self) -> Result<()> {
        let is_starting = |_: Process| self.is_alive() && !self.is_ready();
        if self.process.wait_until_not(READY_PATIENCE, is_starting) && self.is_alive() {
            return Ok(());
        }
        let output = format!("process {} in {} is not ready", self.process.pid(), self.data.display());
        Err(Error::Program { program: "postgres", output })
    }

    /// Returns true if connections are accepted: the last line of the pid file is then `ready`.
    fn is_ready(&self) -> bool {
        let text = std::fs::read_to_string(pid_file(&self.data)).unwrap_or_default();
        text.lines().nth(7).is_some_and(|status| status.trim() == "ready")
    }

    /// Signals the postmaster first, so that it starts no session that would miss the signal.
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

/// Removes the pid file of `data` if another program now has its process id, because PostgreSQL would refuse to start.
/// If no process has the id, PostgreSQL decides: it also looks for surviving sessions.
pub(super) fn remove_misleading_pid_file(data: &Path) -> Result<()> {
    let file = pid_file(data);
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let misleads = parse(&text).is_none_or(|(process, _)| process.exists());
    if misleads { std::fs::remove_file(&file).map_err(Error::file("remove", &file)) } else { Ok(()) }
}

fn pid_file(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

/// Parses line 1, the process id, and line 4, the port.
fn parse(text: &str) -> Option<(Process, u16)> {
    let mut lines = text.lines();
    let process = Process::new(lines.next()?.trim().parse().ok()?)?;
    Some((process, lines.nth(2)?.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_pid_file() {
        let text = "4711\n/tmp/x/data\n1763689000\n25432\n/tmp/x/socket\n127.0.0.1\n  1234  5\nready   \n";
        assert_eq!(parse(text), Some((Process::new(4711).unwrap(), 25432)));
        assert_eq!(parse("4711\n"), None);
        assert_eq!(parse(""), None);
    }
}
