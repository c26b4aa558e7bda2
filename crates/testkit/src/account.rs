//! Who the server's processes run as: PostgreSQL refuses root, so root hands them to another user.

use crate::{Error, Result};
use nix::unistd::{Gid, Uid, User};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// The user that child processes run as: the caller itself, or for root the user `postgres`, else `nobody`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// `None`: children stay the caller's own.
    other: Option<(Uid, Gid)>,
}

impl Account {
    /// The user for children of this process.
    ///
    /// # Errors
    /// [`Error::NoAccount`] when the caller is root and there is nobody to hand over to.
    pub fn for_children() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self { other: None });
        }
        let user = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.filter(|user| !user.uid.is_root()).ok_or(Error::NoAccount)?;
        Ok(Self { other: Some((user.uid, user.gid)) })
    }

    /// Whether children run as somebody else than the caller.
    pub fn differs(self) -> bool {
        self.other.is_some()
    }

    /// The user id of the children.
    pub fn uid(self) -> u32 {
        self.other.map_or_else(Uid::effective, |(uid, _)| uid).as_raw()
    }

    /// Makes `command` run as this user, with no group but the user's own.
    pub fn run(self, command: &mut Command) -> &mut Command {
        if let Some((uid, gid)) = self.other {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    /// Gives `path` and all below it to this user. Symbolic links are given away themselves, never followed.
    ///
    /// # Errors
    /// [`Error::File`] when the system refuses.
    pub fn own(self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.other else { return Ok(()) };
        let mut waiting = vec![path.to_path_buf()];
        while let Some(path) = waiting.pop() {
            std::os::unix::fs::lchown(&path, Some(uid.as_raw()), Some(gid.as_raw()))
                .map_err(Error::file("give away", &path))?;
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
