//! Finding `redis-server`, and the command line of a server that keeps nothing on disk.

use crate::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the program; looked at before anything else.
const BIN_VARIABLE: &str = "STEADFAST_REDIS_BIN";

/// The program `redis-server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisBinary(PathBuf);

impl RedisBinary {
    /// The program that `STEADFAST_REDIS_BIN` names, else `redis-server` on the `PATH`.
    ///
    /// # Errors
    /// [`Error::NoRedis`] with the one command that installs it.
    pub fn find() -> Result<Self> {
        find(std::env::var_os(BIN_VARIABLE).as_deref(), std::env::var_os("PATH").as_deref())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A server in the foreground on `port` of 127.0.0.1 that logs to its standard output and keeps nothing on disk but its
    /// process id, in `redis.pid` of `folder`. Beyond 256 MB it forgets what was used least recently.
    pub fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir(folder).arg("--dir").arg(folder).arg("--pidfile").arg(folder.join("redis.pid"));
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]);
        // Without it the server writes over its command line, by which it is known again.
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
    fn a_machine_without_it_is_told_the_command_that_installs_it() {
        let nowhere = OsStr::new("/nowhere");
        for (named, path) in [(None, None), (None, Some(nowhere)), (Some(nowhere), None)] {
            let error = find(named, path).unwrap_err().to_string();
            assert!(error.contains(crate::error::INSTALL_REDIS), "{error}");
            assert_eq!(error.contains("/nowhere"), named.is_some(), "{error}");
        }
    }

    #[test]
    fn the_named_program_goes_before_the_path() {
        let found = find(Some(OsStr::new("/bin/sh")), Some(OsStr::new("/usr/bin"))).unwrap();
        assert_eq!(found.path(), Path::new("/bin/sh").canonicalize().unwrap());
    }
}
