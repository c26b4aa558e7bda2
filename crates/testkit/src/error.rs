//! Errors, each with what to do next.

use std::path::{Path, PathBuf};

/// Command that installs PostgreSQL on this operating system.
pub(crate) const INSTALL_POSTGRES: &str = if cfg!(target_os = "macos") {
    "brew install postgresql@18"
} else {
    "sudo apt-get install --no-install-recommends postgresql"
};
/// Command that installs Redis on this operating system.
pub(crate) const INSTALL_REDIS: &str = if cfg!(target_os = "macos") {
    "brew install redis"
} else {
    "sudo apt-get install --no-install-recommends redis-server"
};

/// Reason why there is no server or no database, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL of the required version is installed, and none could be fetched.
    #[error(
        "no PostgreSQL {wanted} was found{detail}. Install one by: {INSTALL_POSTGRES}; or set STEADFAST_PG_BIN to the folder that holds initdb, pg_ctl and postgres"
    )]
    NoBinaries {
        /// Required version, in words.
        wanted: String,
        /// Last attempt, in parentheses; may be empty.
        detail: String,
    },
    /// A folder lacks a program of the server, or a program does not run.
    #[error("{} has no usable PostgreSQL: {reason}", folder.display())]
    BadBinaries {
        /// Folder that was searched.
        folder: PathBuf,
        /// Reason: a missing or failing program.
        reason: String,
    },
    /// No Redis server is installed.
    #[error(
        "no redis-server{detail}; install it by `{INSTALL_REDIS}` or set STEADFAST_REDIS_BIN to the program"
    )]
    NoRedis {
        /// Paths that were searched, in parentheses; may be empty.
        detail: String,
    },
    /// A file or folder could not be read, written, created or given to another user.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// Action that failed, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The folder belongs to another user, who could read or replace its contents.
    #[error("{} belongs to another user; remove it, or set TMPDIR to another folder", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The path of the socket would be longer than the operating system allows.
    #[error("{} is too long for a socket; set TMPDIR to a shorter folder such as /tmp", path.display())]
    PathTooLong {
        /// Folder of the socket.
        path: PathBuf,
    },
    /// PostgreSQL refuses to run as root, and there is no other user to run it as.
    #[error("PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`")]
    NoAccount,
    /// Another process held the lock longer than a start takes.
    #[error("{} is held by another process; end that process and try again", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// `initdb`, `pg_ctl` or the server itself failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Name of the program.
        program: &'static str,
        /// Last lines of its output.
        output: String,
    },
    /// The data folder was created by another major version.
    #[error(
        "{} was created by PostgreSQL {found}, but the programs are of version {wanted}; use version {found} or remove the folder", path.display()
    )]
    DataVersion {
        /// The data folder.
        path: PathBuf,
        /// Version that created it.
        found: String,
        /// Version of the programs.
        wanted: u16,
    },
    /// The server did not end, even after a kill.
    #[error("the server with process id {pid} does not end, even after SIGKILL")]
    StillRunning {
        /// Process id of the postmaster.
        pid: i32,
    },
    /// The server is not running, so there is nothing to signal.
    #[error("the server in {} is not running", root.display())]
    NotRunning {
        /// Folder of the server.
        root: PathBuf,
    },
    /// `STEADFAST_TEST_SERVER` is not a `postgres://` URL.
    #[error("STEADFAST_TEST_SERVER must be a URL such as postgres://postgres@127.0.0.1:5432")]
    BadServerUrl,
    /// A template prefix or database name would need quoting, or is too long.
    #[error(
        "`{name}` is not a valid name: use at most 40 characters of a-z, 0-9 and _, beginning with a letter"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A statement of the set-up failed, or the server could not be reached.
    #[error("cannot {action}: {source}")]
    Database {
        /// Action that failed, as a verb phrase.
        action: String,
        /// Error of the server or the driver.
        source: tokio_postgres::Error,
    },
    /// The caller's migration failed. No template remains.
    #[error("the migration of template `{template}` failed: {source}")]
    Migration {
        /// Template that was being built.
        template: String,
        /// Error of the migration.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Returns a function for `map_err` after a call to the file system.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }

    /// Returns a function for `map_err` after a call to the server.
    pub(crate) fn database(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }
}
