//! What a server is to be like.

use crate::PostgresBinaries;
use crate::scratch::temporary_folder;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Start of the folder names of private servers; the id of the owning process follows.
pub(super) const PRIVATE_PREFIX: &str = "steadfast-private-";

/// Where a server lives and how it runs. Throw-away unless [`ServerOptions::durable`] is said.
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
    /// A server that lives in `root` and outlives this process. The folder is created; choose a short path, since
    /// the socket stands in it, and when the caller is root one that others can enter
    /// ([`scratch_folder`](crate::scratch_folder) gives both).
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

    /// A server of the caller alone, in a folder of its own, deleted with its [`Server`](crate::Server) value.
    pub fn private() -> Self {
        Self { delete_on_drop: true, ..Self::at(unused_folder()) }
    }

    /// What was committed survives a crash of the server and of the machine, as in production. Without it the server
    /// writes nothing through to the disk and may lose its last commits in a crash: twice as fast, for tests.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The port on 127.0.0.1; 0, the default, takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// One more line of the server's configuration; it wins over what is set here by default. `value` is quoted.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The programs to run; without it, what [`PostgresBinaries::find`] finds first.
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
