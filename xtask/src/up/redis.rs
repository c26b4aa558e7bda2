//! The private Redis of a checkout, where the machine has the program. It keeps nothing on disk.

use crate::up::environment::isolate;
use crate::up::services::{Service, free_port};
use crate::up::steps;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steadfast_testkit::{Account, RedisBinary, answers_redis, claim_folder};

/// Beside the usual 6379, where the machine's own may run.
const USUAL_PORT: u16 = 16_379;
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A server under way, and its address.
pub(crate) struct Redis {
    pub(crate) service: Service,
    pub(crate) url: String,
    port: u16,
}

/// The program; without it the user is told what that means, and the one command that installs it.
pub(crate) fn find() -> Option<RedisBinary> {
    let found = RedisBinary::find();
    found.inspect_err(|error| steps::say(&format!("cache: in the API's process alone; {error}"))).ok()
}

impl Redis {
    /// Starts a server in `folder`; [`Redis::wait_until_ready`] before it is used.
    pub(crate) fn start(
        folder: &Path,
        binary: &RedisBinary,
        account: Account,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let folder = run_folder(folder, account)?;
        let port = free_port(None, USUAL_PORT)?;
        let mut command = binary.command(&folder, port);
        isolate(&mut command);
        let build = binary.path().to_str().context("the path of redis-server is not UTF-8")?;
        let service = Service::start(command, build, account, log)?;
        Ok(Self { service, url: format!("redis://127.0.0.1:{port}"), port })
    }

    /// Waits until it answers. Fails when it ends before.
    pub(crate) fn wait_until_ready(&self) -> anyhow::Result<()> {
        steps::wait_for("PING to Redis", START_PATIENCE, || {
            anyhow::ensure!(self.service.is_running(), "it ended at once");
            Ok(answers_redis(([127, 0, 0, 1], self.port).into()).then_some(()))
        })
    }
}

/// A new one each time inside `folder`, which stays the caller's own: a folder of somebody else's is refused.
fn run_folder(folder: &Path, account: Account) -> anyhow::Result<PathBuf> {
    claim_folder(folder)?;
    let run = folder.join("run");
    if run.is_dir() {
        std::fs::remove_dir_all(&run).with_context(|| format!("cannot remove {}", run.display()))?;
    }
    std::fs::create_dir(&run).with_context(|| format!("cannot create {}", run.display()))?;
    account.own(&run)?;
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_testkit::scratch_folder;

    #[test]
    fn a_server_is_started_known_again_stopped_and_started_anew() {
        let of = PathBuf::from(std::process::id().to_string());
        let folder = scratch_folder("steadfast-up-redis", &of);
        let log = folder.with_extension("log");
        let (binary, account) = (RedisBinary::find().unwrap(), Account::for_children().unwrap());
        for _ in 0..2 {
            let redis = Redis::start(&folder, &binary, account, &log).unwrap();
            let ready = redis.wait_until_ready();
            let known = Service::from_json(&redis.service.to_json()).unwrap();
            let (was_running, stopped) = (known.is_running(), known.stop());
            assert!(ready.is_ok(), "{ready:?}");
            assert!(was_running && stopped && !answers_redis(([127, 0, 0, 1], redis.port).into()));
        }
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::remove_file(&log).unwrap();
    }
}
