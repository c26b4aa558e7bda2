//! Search for `redis-server`, and its command line without persistence.

use crate::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variable with the path of the program, which is checked first.
const BIN_VARIABLE: &str = "STEADFAST_REDIS_BIN";

/// The program `redis-server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisBinary(PathBuf);

impl RedisBinary {
    /// Returns the program of `STEADFAST_REDIS_BIN`, or `redis-server` on the `PATH`.
    ///
    /// # Errors
    /// Returns [`Error::NoRedis`] with the command that installs Redis.
    pub fn find() -> Result<Self> {
        find(std::env::var_os(BIN_VARIABLE).as_deref(), std::env::var_os("PATH").as_deref())
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the command of a server in the foreground on `port` of 127.0.0.1. It logs to standard output and writes
    /// nothing to disk but its process id, to `redis.pid` in `folder`. Beyond 256 MB it evicts the least recently used
    /// keys.
    pub fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir(folder).arg("--dir").arg(folder).arg("--pidfile").arg(folder.join("redis.pid"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]);
        // Otherwise the server overwrites its command line, by which it is identified.
        command.args(["--set-proc-title", "no", "--save", "", "--appendonly", "no", "--databases", "16"]);
        command.args(["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]);
        command
    }
}

fn find(named: Option<&OsStr>, path: Option<&OsStr>) -> Result<RedisBinary> {
    let none = |detail: String| Error::NoRedis { detail };
    if let Some(named) = named.map(PathBuf::from) {
        let found = named.canonicalize().ok().filter(|found| found.is_file());
        return found
            .map(RedisBinary)
            .ok_or_else(|| none(format!(" ({BIN_VARIABLE} names {}, which is no file)", named.display())));
    }
    let on_path = path.map(std::env::split_paths).into_iter().flatten();
    let found = on_path.map(|folder| folder.join("redis-server")).find(|program| program.is_file());
    found.map(RedisBinary).ok_or_else(|| none(String::from(" on the PATH")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_prints_installation_command() {
        let nowhere = OsStr::new("/nowhere");
        for (named, path) in [(None, None), (None, Some(nowhere)), (Some(nowhere), None)] {
            let error = find(named, path).unwrap_err().to_string();
            assert!(error.contains(crate::error::INSTALL_REDIS), "{error}");
            assert_eq!(error.contains("/nowhere"), named.is_some(), "{error}");
        }
    }

    #[test]
    fn variable_precedes_path() {
        let found = find(Some(OsStr::new("/bin/sh")), Some(OsStr::new("/usr/bin"))).unwrap();
        assert_eq!(found.path(), Path::new("/bin/sh").canonicalize().unwrap());
    }
}
