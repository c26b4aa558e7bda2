//! Folders of servers that belong to one process, and what is left of them when that process was killed.

use super::Server;
use crate::Process;
use crate::scratch::temporary_folder;
use nix::unistd::Uid;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

const PREFIX: &str = "steadfast-private-";

/// A folder name that no other server has. Nothing is created.
pub(super) fn new_folder() -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    temporary_folder().join(format!("{PREFIX}{}-{number}", std::process::id()))
}

/// Stops and deletes the private servers of processes of this user that ended without doing so themselves. Says how many.
pub fn sweep_private_servers() -> usize {
    let Ok(entries) = std::fs::read_dir(temporary_folder()) else { return 0 };
    let leftovers = entries.flatten().map(|entry| entry.path()).filter(|path| is_leftover(path));
    leftovers.filter(|path| delete(path)).count()
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let owner = name.and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
    let ended = owner.and_then(Process::new).is_some_and(|owner| !owner.exists());
    ended
        && path
            .symlink_metadata()
            .is_ok_and(|found| found.is_dir() && found.uid() == Uid::effective().as_raw())
}

fn delete(path: &Path) -> bool {
    let deleted = match Server::running(path) {
        Some(server) => server.delete().is_ok(),
        None => std::fs::remove_dir_all(path).is_ok(),
    };
    if !deleted {
        tracing::warn!(folder = %path.display(), "a leftover server could not be deleted");
    }
    deleted
}
