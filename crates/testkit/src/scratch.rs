//! Folders outside of `target`: short enough for sockets, and accessible to the user of the server.

use crate::{Error, Result};
use nix::unistd::Uid;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Returns `${TMPDIR:-/tmp}/<name>-<hash>`, with the hash of `of` and the caller's user id. It is the same in all
/// processes of a user, and different for every checkout. The folder is not created. Root gets `/tmp` if other users
/// cannot enter `TMPDIR`, because the server runs as another user.
pub fn scratch_folder(name: &str, of: &Path) -> PathBuf {
    let seed = format!("{}:{}", Uid::effective(), of.display());
    temporary_folder().join(format!("{name}-{:012x}", fnv1a(seed.as_bytes()) >> 16))
}

/// Creates `path` with its parents, and verifies that it belongs to the caller. If the caller is root, other users may
/// enter the folder but not list it; otherwise it is closed to them.
///
/// # Errors
/// Returns [`Error::ForeignFolder`] if the folder belongs to another user, and [`Error::File`] if it cannot be created.
pub fn claim_folder(path: &Path) -> Result<()> {
    let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(Error::file("create", path))?;
    let found = std::fs::symlink_metadata(path).map_err(Error::file("read", path))?;
    if !found.is_dir() || found.uid() != Uid::effective().as_raw() {
        return Err(Error::ForeignFolder { path: path.to_path_buf() });
    }
    Ok(())
}

/// Returns true if other users can enter `path` and all of its parents. Parts that do not exist count as accessible.
pub fn reachable_by_others(path: &Path) -> bool {
    path.ancestors()
        .filter_map(|folder| folder.metadata().ok())
        .all(|found| found.permissions().mode() & 0o001 != 0)
}

/// Returns the folder for temporary files that the user of the server can enter.
pub(crate) fn temporary_folder() -> PathBuf {
    let folder = std::env::temp_dir();
    if Uid::effective().is_root() && !reachable_by_others(&folder) { PathBuf::from("/tmp") } else { folder }
}

/// Hashes with 64-bit FNV-1a. Names made of the hash outlive the process, and the standard hasher may change with
/// releases.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn folders_differ_by_path() {
        let one = scratch_folder("steadfast", Path::new("/home/a"));
        assert_eq!(one, scratch_folder("steadfast", Path::new("/home/a")));
        assert_ne!(one, scratch_folder("steadfast", Path::new("/home/b")));
    }

    #[test]
    fn closed_folders_are_not_reachable_by_others() {
        let closed = temporary_folder().join(format!("steadfast-closed-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&closed).unwrap();
        let (inside, above) =
            (reachable_by_others(&closed.join("inside")), reachable_by_others(&temporary_folder()));
        std::fs::remove_dir(&closed).unwrap();
        assert!(!inside);
        assert!(above);
    }

    #[test]
    fn rejects_links_instead_of_folders() {
        let link = temporary_folder().join(format!("steadfast-link-{}", std::process::id()));
        std::os::unix::fs::symlink("/", &link).unwrap();
        let claimed = claim_folder(&link);
        std::fs::remove_file(&link).unwrap();
        assert!(matches!(claimed, Err(Error::ForeignFolder { .. })), "{claimed:?}");
    }
}
