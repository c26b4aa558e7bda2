//! Locks between processes, which the kernel releases when their holder ends.

use crate::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(20);

/// A lock that is held until this value is dropped or the process ends. The file remains and has no meaning of its own.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Acquires the lock at `path`, and waits up to `patience` for another holder. Creates the file if it is missing.
    ///
    /// # Errors
    /// Returns [`Error::Locked`] if another process held the lock all the time, and [`Error::File`] if the file cannot
    /// be opened.
    pub fn acquire(path: &Path, patience: Duration) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::file("open", path))?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(source)) => return Err(Error::file("lock", path)(source)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(Error::Locked { path: path.to_path_buf() });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
    }
}
