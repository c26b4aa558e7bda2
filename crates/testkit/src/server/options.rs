//! Options of a server.

use crate::PostgresBinaries;
use crate::scratch::temporary_folder;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Prefix of the folders of private servers; the id of the owning process follows.
pub(super) const PRIVATE_PREFIX: &str = "steadfast-private-";

/// Options of a server. It is throw-away unless [`ServerOptions::durable`] is set.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub(super) root: PathBuf,
    pub(super) durable: bool,
    pub(super) port: u16,
    pub(super) settings: Vec<(String, String)>,
    pub(super) binaries: Option<PostgresBinaries>,
    pub(super) delete_on_drop: bool,
}

impl ServerOptions {
    /// Returns options for a server in `root` that outlives this process. The folder is created. Choose a short path,
    /// because it contains the socket, and if the caller is root, one that other users can enter: see
    /// [`scratch_folder`](crate::scratch_folder).
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            durable: false,
            port: 0,
            settings: Vec::new(),
            binaries: None,
            delete_on_drop: false,
        }
    }

    /// Returns options for a private server in a new folder, which is deleted with its [`Server`](crate::Server) value.
    pub fn private() -> Self {
        Self { delete_on_drop: true, ..Self::at(unused_folder()) }
    }

    /// Makes commits survive a crash of the server and of the machine, as in production. By default the server does not
    /// flush writes to disk, which is twice as fast and may lose the last commits in a crash.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Sets the port on 127.0.0.1. By default, 0, a free one is chosen.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Adds a line to the server's configuration, which overrides the defaults. `value` is quoted.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Sets the programs. By default [`PostgresBinaries::find`] chooses them.
    #[must_use]
    pub fn binaries(mut self, binaries: PostgresBinaries) -> Self {
        self.binaries = Some(binaries);
        self
    }
}

/// Returns a folder path that no other server uses. Does not create the folder.
fn unused_folder() -> PathBuf {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    temporary_folder().join(format!("{PRIVATE_PREFIX}{}-{number}", std::process::id()))
}
