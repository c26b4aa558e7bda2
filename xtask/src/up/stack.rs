//! What `up` leaves for others: `up.json` for who wants to call the API, `processes.json` for `down` and the next `up`.

use crate::up::programs::Programs;
use crate::up::services::{Service, status_of};
use crate::workspace::Workspace;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use steadfast_testkit::Server;

/// Answers 200 when the API can serve.
pub(crate) const READY_PATH: &str = "/health/ready";

/// How to reach the stack. It holds an API key, so it is not `Debug`.
#[derive(Clone)]
pub(crate) struct Stack {
    /// Base URL of the API.
    pub(crate) api: String,
    /// May do everything in this private stack.
    pub(crate) api_key: String,
    /// The database that the API uses.
    pub(crate) database_url: String,
    /// Base URL of the stand-in of PIDKey.com.
    pub(crate) pidkey_sandbox: String,
    /// The cache that the API shares with others like it; nothing where it caches in its process alone.
    pub(crate) redis_url: Option<String>,
}

impl Stack {
    /// What the last `up` wrote, whether it runs or not.
    pub(crate) fn read(workspace: &Workspace) -> Option<Self> {
        let value: Value = serde_json::from_slice(&std::fs::read(workspace.state("up.json")).ok()?).ok()?;
        let text = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
        Some(Self {
            api: text("api")?,
            api_key: text("api_key")?,
            database_url: text("database_url")?,
            pidkey_sandbox: text("pidkey_sandbox")?,
            redis_url: text("redis_url"),
        })
    }

    /// Replaces `up.json`; only the caller may read it.
    pub(crate) fn write(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let value = json!({
            "api": self.api,
            "api_key": self.api_key,
            "database_url": self.database_url,
            "pidkey_sandbox": self.pidkey_sandbox,
            "redis_url": self.redis_url,
        });
        write_private(&workspace.state("up.json"), &value)
    }

    /// Where the API listens, without the scheme.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.api.strip_prefix("http://")?.parse().ok()
    }
}

/// The processes of a stack. Each may have ended, and its id may belong to something else by now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    pub(crate) api: Option<Service>,
    pub(crate) sandbox: Option<Service>,
    /// The private Redis. The API serves without it too, so its end is not the end of the stack.
    pub(crate) redis: Option<Service>,
    /// Folder of the private server; `None` when the database is the user's own.
    pub(crate) server: Option<PathBuf>,
}

impl Processes {
    /// What the last `up` wrote; nothing when there is no such file or it cannot be read.
    pub(crate) fn read(workspace: &Workspace) -> Self {
        let bytes = std::fs::read(workspace.state("processes.json")).unwrap_or_default();
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Self {
            api: value.get("api").and_then(Service::from_json),
            sandbox: value.get("sandbox").and_then(Service::from_json),
            redis: value.get("redis").and_then(Service::from_json),
            server: value.get("server").and_then(Value::as_str).map(PathBuf::from),
        }
    }

    /// Replaces `processes.json`.
    pub(crate) fn write(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let value = json!({
            "api": self.api.as_ref().map(Service::to_json),
            "sandbox": self.sandbox.as_ref().map(Service::to_json),
            "redis": self.redis.as_ref().map(Service::to_json),
            "server": self.server,
        });
        write_private(&workspace.state("processes.json"), &value)
    }

    /// Whether all of them run and the API at `stack` is ready. A private Redis that has ended is missed here, so that the
    /// next `up` brings it back.
    pub(crate) fn serve(&self, stack: &Stack) -> bool {
        let runs = |service: &Option<Service>| service.as_ref().is_some_and(Service::is_running);
        let server = self.server.as_deref().is_none_or(|folder| Server::running(folder).is_some());
        let ready = |address| status_of(address, READY_PATH) == Some(200);
        let redis = self.redis.as_ref().is_none_or(Service::is_running);
        server && redis && runs(&self.api) && runs(&self.sandbox) && stack.address().is_some_and(ready)
    }

    /// Whether API and stand-in run just as `programs` were built last.
    pub(crate) fn run_as(&self, programs: &Programs) -> bool {
        let runs_as = |service: &Option<Service>, program| {
            service.as_ref().is_some_and(|service| service.runs_as(program))
        };
        runs_as(&self.api, &programs.api) && runs_as(&self.sandbox, &programs.sandbox)
    }
}

/// Written whole or not at all, and never readable by others in between.
fn write_private(path: &Path, value: &Value) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let written = (|| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        writeln!(file, "{value:#}")?;
        std::fs::rename(&new, path)
    })();
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_state_file_is_closed_to_others_and_replaced_whole() {
        let path = std::env::temp_dir().join(format!("steadfast-state-{}.json", std::process::id()));
        write_private(&path, &json!({ "api": 1 })).unwrap();
        write_private(&path, &json!({ "api": 2 })).unwrap();
        let (text, mode) = (std::fs::read(&path).unwrap(), path.metadata().unwrap().permissions().mode());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), json!({ "api": 2 }));
        assert_eq!(mode & 0o777, 0o600);
        assert!(!path.with_extension("new").exists());
    }
}
