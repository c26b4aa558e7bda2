//! What can go wrong, each with what to do next.

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

/// Why there is no server or no database. The text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No PostgreSQL of the wanted version is on this machine, and none could be fetched.
    #[error(
        "no PostgreSQL {wanted} was found{detail}. Install one by: {INSTALL_POSTGRES}; or set STEADFAST_PG_BIN to the folder that holds initdb, pg_ctl and postgres"
    )]
    NoBinaries {
        /// The version that was asked for, in words.
        wanted: String,
        /// What was tried last, as a parenthesis; may be empty.
        detail: String,
    },
    /// A folder that should hold the server's programs does not, or they do not run.
    #[error("{} does not hold a usable PostgreSQL: {reason}", folder.display())]
    BadBinaries {
        /// The folder that was looked at.
        folder: PathBuf,
        /// What is missing or failed.
        reason: String,
    },
    /// There is no Redis server on this machine.
    #[error(
        "no redis-server{detail}; install it by `{INSTALL_REDIS}` or set STEADFAST_REDIS_BIN to the program"
    )]
    NoRedis {
        /// What was looked at in vain, in brackets, or nothing.
        detail: String,
    },
    /// A file or folder could not be read, written, created or given away.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The folder belongs to somebody else, who could read or replace what is put there.
    #[error("{} belongs to another user; remove it or set TMPDIR to a folder of your own", path.display())]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The socket's path would be longer than the system allows.
    #[error("{} is too long for a socket; set TMPDIR to a shorter folder such as /tmp", path.display())]
    PathTooLong {
        /// The folder that the socket would stand in.
        path: PathBuf,
    },
    /// PostgreSQL refuses to run as root, and there is no user to run it as.
    #[error("PostgreSQL does not run as root and this machine has neither a user `postgres` nor `nobody`")]
    NoAccount,
    /// Another process holds the lock for longer than a start takes.
    #[error("{} is held by another process; end that process and try again", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// `initdb`, `pg_ctl` or the server itself failed.
    #[error("{program} failed: {output}")]
    Program {
        /// What was run.
        program: &'static str,
        /// The last lines it wrote.
        output: String,
    },
    /// The data folder was made by another major version.
    #[error(
        "{} was made by PostgreSQL {found}, the programs are {wanted}; ask for version {found} or remove the folder", path.display()
    )]
    DataVersion {
        /// The data folder.
        path: PathBuf,
        /// Who made it.
        found: String,
        /// What would run it.
        wanted: u16,
    },
    /// The server did not end, even when killed.
    #[error("the server with process id {pid} does not end; end it by hand")]
    StillRunning {
        /// The postmaster.
        pid: i32,
    },
    /// The server is not running, so there is nothing to signal.
    #[error("the server in {} is not running", root.display())]
    NotRunning {
        /// The server's folder.
        root: PathBuf,
    },
    /// `STEADFAST_TEST_SERVER` is not an address of the form `postgres://...`.
    #[error("STEADFAST_TEST_SERVER has to be a URL such as postgres://postgres@127.0.0.1:5432")]
    BadServerUrl,
    /// A template prefix or database name has characters that would need quoting, or is too long.
    #[error("`{name}` cannot be used: at most 40 of a-z, 0-9 and _, a letter first")]
    BadName {
        /// The name.
        name: String,
    },
    /// A statement of the test set-up failed, or the server could not be reached.
    #[error("cannot {action}: {source}")]
    Database {
        /// What was tried, as a verb phrase.
        action: String,
        /// The server's or the driver's answer.
        source: tokio_postgres::Error,
    },
    /// The caller's migration failed; no template was left behind.
    #[error("the migration of template `{template}` failed: {source}")]
    Migration {
        /// The template that was to be built.
        template: String,
        /// What the migration said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// For `map_err` after a call to the file system.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { action, path, source }
    }

    /// For `map_err` after a call to the server.
    pub(crate) fn database(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Database { action, source }
    }
}
