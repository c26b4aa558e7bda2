//! Folders for what must not stand in `target`: short enough for sockets, and open to the user the server runs as.

use crate::{Error, Result};
use nix::unistd::Uid;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// `${TMPDIR:-/tmp}/<name>-<hash>`, where the hash is of `of` and the caller's user id: the same answer in every
/// process of one user, another for every checkout. Nothing is created. Root gets `/tmp` when `TMPDIR` is closed to
/// others, since the server that lives there runs as somebody else.
pub fn scratch_folder(name: &str, of: &Path) -> PathBuf {
    let seed = format!("{}:{}", Uid::effective(), of.display());
    temporary_folder().join(format!("{name}-{:012x}", fnv1a(seed.as_bytes()) >> 16))
}

/// Creates `path` with all above it and proves that it is the caller's own, so that nobody else put it there first.
/// For root it may be entered by others, who have to know the names inside; else it is closed to them.
///
/// # Errors
/// [`Error::ForeignFolder`] when somebody else owns it, [`Error::File`] when it cannot be created.
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

/// Whether users other than the owner can enter `path`: it and everything above it are open to all.
/// The part of the path that does not exist yet is taken to be open.
pub fn reachable_by_others(path: &Path) -> bool {
    path.ancestors()
        .filter_map(|folder| folder.metadata().ok())
        .all(|found| found.permissions().mode() & 0o001 != 0)
}

/// Where temporary folders go, given who has to enter them.
pub(crate) fn temporary_folder() -> PathBuf {
    let folder = std::env::temp_dir();
    if Uid::effective().is_root() && !reachable_by_others(&folder) { PathBuf::from("/tmp") } else { folder }
}

/// FNV-1a, 64 bit. Names made of it outlive the process, and the standard hasher promises nothing over releases.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_folder_is_the_same_for_one_path_and_another_for_another() {
        let one = scratch_folder("steadfast", Path::new("/home/a"));
        assert_eq!(one, scratch_folder("steadfast", Path::new("/home/a")));
        assert_ne!(one, scratch_folder("steadfast", Path::new("/home/b")));
    }

    #[test]
    fn a_closed_folder_is_not_reachable_by_others() {
        let closed = temporary_folder().join(format!("steadfast-closed-{}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&closed).unwrap();
        let (inside, above) =
            (reachable_by_others(&closed.join("inside")), reachable_by_others(&temporary_folder()));
        std::fs::remove_dir(&closed).unwrap();
        assert!(!inside);
        assert!(above);
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_refused() {
        let link = temporary_folder().join(format!("steadfast-link-{}", std::process::id()));
        std::os::unix::fs::symlink("/", &link).unwrap();
        let claimed = claim_folder(&link);
        std::fs::remove_file(&link).unwrap();
        assert!(matches!(claimed, Err(Error::ForeignFolder { .. })), "{claimed:?}");
    }
}
