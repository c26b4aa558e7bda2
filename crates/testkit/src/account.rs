//! User of the server's processes. PostgreSQL refuses to run as root, so root runs them as another user.

use crate::{Error, Result};
use nix::unistd::{Gid, Uid, User};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// User that child processes run as: the caller, or `postgres` or `nobody` if the caller is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// `None` if children run as the caller.
    other: Option<(Uid, Gid)>,
}

impl Account {
    /// Returns the user for children of this process.
    ///
    /// # Errors
    /// Returns [`Error::NoAccount`] if the caller is root and neither user exists.
    pub fn for_children() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self { other: None });
        }
        let user = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.filter(|user| !user.uid.is_root()).ok_or(Error::NoAccount)?;
        Ok(Self { other: Some((user.uid, user.gid)) })
    }

    /// Returns true if children run as another user than the caller.
    pub fn differs(self) -> bool {
        self.other.is_some()
    }

    /// Returns the user id of the children.
    pub fn uid(self) -> u32 {
        self.other.map_or_else(Uid::effective, |(uid, _)| uid).as_raw()
    }

    /// Makes `command` run as this user, with no group but that of the user.
    pub fn run(self, command: &mut Command) -> &mut Command {
        if let Some((uid, gid)) = self.other {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    /// Gives `path` and everything below it to this user. Symbolic links are not followed.
    ///
    /// # Errors
    /// Returns [`Error::File`] if the operating system refuses.
    pub fn own(self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        let mut waiting = vec![path.to_path_buf()];
        while let Some(path) = waiting.pop() {
            std::os::unix::fs::lchown(&path, Some(uid.as_raw()), Some(gid.as_raw()))
                .map_err(Error::file("change the owner of", &path))?;
            if path.is_symlink() || !path.is_dir() {
                continue;
            }
            for entry in std::fs::read_dir(&path).map_err(Error::file("read", &path))? {
                waiting.push(entry.map_err(Error::file("read", &path))?.path());
            }
        }
        Ok(())
    }
}
