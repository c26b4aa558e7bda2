//! The one throw-away server that all tests of a workspace share.

use crate::template::Admin;
use crate::url::ServerUrl;
use crate::{PostgresBinaries, Result, Server, ServerOptions, reachable_by_others, scratch_folder};
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// Names the server that tests use, as a URL of a user that may create databases. Without it they start their own.
pub const SERVER_VARIABLE: &str = "STEADFAST_TEST_SERVER";

/// Where the tests' own server of the workspace at `workspace` lives.
pub fn shared_server_folder(workspace: &Path) -> PathBuf {
    scratch_folder("steadfast-test", workspace)
}

impl Server {
    /// The throw-away server that the tests of the workspace at `workspace` share: the running one, or it is started.
    /// It runs on when the tests are over, so that the next ones need not start it.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn shared(workspace: &Path) -> Result<Self> {
        let folder = shared_server_folder(workspace);
        // So that a whole run of tests fits in, and what it sent can be read afterwards.
        let options = ServerOptions::at(&folder).setting("pg_stat_statements.max", "100000");
        if Self::running(&folder).is_some() {
            return Self::start(options);
        }
        let binaries = PostgresBinaries::find(None, &PostgresBinaries::npm_folder(workspace))?;
        Self::start(options.binaries(binaries))
    }
}

impl PostgresBinaries {
    /// Where [`PostgresBinaries::find`] should look for npm's package in a workspace: `target/embedded-pg`, or a
    /// scratch folder when the user that the server runs as cannot enter that.
    pub fn npm_folder(workspace: &Path) -> PathBuf {
        let folder = workspace.join("target/embedded-pg");
        let as_other = crate::Account::for_children().is_ok_and(crate::Account::differs);
        if as_other && !reachable_by_others(&folder) {
            scratch_folder("steadfast-npm", workspace)
        } else {
            folder
        }
    }
}

/// The tests' server. Asked for once per process; what dead processes left on it is dropped then.
pub(crate) async fn server() -> Result<ServerUrl> {
    static SERVER: OnceCell<ServerUrl> = OnceCell::const_new();
    SERVER.get_or_try_init(find_or_start).await.cloned()
}

async fn find_or_start() -> Result<ServerUrl> {
    let server = match std::env::var(SERVER_VARIABLE) {
        Ok(url) => ServerUrl::parse(&url)?,
        Err(_) => {
            let started = tokio::task::spawn_blocking(|| Server::shared(&workspace())).await;
            started.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?.server_url()
        }
    };
    if server.is_local() {
        Admin::connect(&server).await?.sweep().await;
    }
    Ok(server)
}

/// The nearest folder with a `Cargo.lock`, from the package under test upwards; without one, where the test runs.
fn workspace() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = here.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.map_or_else(|| here.clone(), Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_where_the_lock_file_is() {
        assert!(workspace().join("Cargo.lock").is_file());
        assert!(workspace().join("crates/testkit").is_dir());
    }
}
