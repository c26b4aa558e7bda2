//! Paths inside the folder of a server.

use std::path::{Path, PathBuf};

pub(super) fn data_folder(root: &Path) -> PathBuf {
    root.join("data")
}

pub(super) fn socket_folder(root: &Path) -> PathBuf {
    root.join("socket")
}

pub(super) fn log_file(root: &Path) -> PathBuf {
    root.join("postgres.log")
}
