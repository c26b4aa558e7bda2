//! Private servers of processes that were killed.

use super::Server;
use super::options::PRIVATE_PREFIX;
use crate::Process;
use crate::scratch::temporary_folder;
use nix::unistd::Uid;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Stops and deletes the private servers of this user's processes that ended without doing so. Returns their number.
pub fn sweep_private_servers() -> usize {
    let Ok(entries) = std::fs::read_dir(temporary_folder()) else { return 0 };
    let leftovers = entries.flatten().map(|entry| entry.path()).filter(|path| is_leftover(path));
    leftovers.filter(|path| delete(path)).count()
}

fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let owner = name.and_then(|name| name.strip_prefix(PRIVATE_PREFIX)?.split('-').next()?.parse().ok());
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
