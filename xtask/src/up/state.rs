//! State files of `up`: `up.json` for callers of the API, `processes.json` for `down` and the next `up`.

use super::service::Service;
use crate::workspace::Workspace;
use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// File with the [`Stack`].
pub(crate) const STACK: &str = "up.json";
/// File with the [`Processes`].
pub(crate) const PROCESSES: &str = "processes.json";

/// Addresses and credentials of the stack. Not `Debug`, because it contains an API key.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Stack {
    /// Base URL of the API.
    pub(crate) api: String,
    /// API key with all scopes.
    pub(crate) api_key: String,
    pub(crate) database_url: String,
    /// Base URL of the PIDKey sandbox.
    pub(crate) pidkey_sandbox: String,
    /// URL of Redis; `None` if the API caches in its process only.
    pub(crate) redis_url: Option<String>,
}

/// Processes of the stack. Any of them may have ended since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Processes {
    pub(crate) api: Option<Service>,
    pub(crate) sandbox: Option<Service>,
    /// Private Redis. The API works without it.
    pub(crate) redis: Option<Service>,
    /// Folder of the private PostgreSQL; `None` for `--database-url`.
    pub(crate) server: Option<PathBuf>,
}

/// Reads a file that the last `up` wrote; `None` if it is missing or unreadable.
pub(crate) fn read<T: DeserializeOwned>(workspace: &Workspace, name: &str) -> Option<T> {
    serde_json::from_slice(&std::fs::read(workspace.state(name)).ok()?).ok()
}

/// Replaces a file atomically. Other users cannot read it.
pub(crate) fn write(workspace: &Workspace, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
    let (path, new) = (workspace.state(name), workspace.state(&format!("{name}.new")));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    writeln!(file, "{}", serde_json::to_string_pretty(value)?)?;
    std::fs::rename(&new, &path).with_context(|| format!("cannot write {}", path.display()))
}
