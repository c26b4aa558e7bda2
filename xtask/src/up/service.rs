//! Child processes that outlive the command: detached from the terminal, identified by later runs, and stopped.

use super::programs::Program;
use super::steps::wait_for;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use steadfast_testkit::{Account, Process};

/// Time that the API of a private stack may drain. Its default waits for the longest possible request.
pub(crate) const DRAIN_SECONDS: u64 = 30;
const STOP_TIMEOUT: Duration = Duration::from_secs(DRAIN_SECONDS + 5);
const SHORT_TIMEOUT: Duration = Duration::from_secs(5);
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// A service that this or an earlier run started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    pid: i32,
    /// Path of the executable. A reused process id shows another one.
    program: PathBuf,
    /// Build of the executable, see [`Program`]; empty in files of older versions.
    #[serde(default)]
    build: String,
}

impl Service {
    /// Starts `command` as `account` in its own process group, so that Ctrl-C does not reach it. Its output goes to
    /// `log`, which is truncated.
    pub(crate) fn start(
        mut command: Command,
        build: &str,
        account: Account,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        let program = PathBuf::from(command.get_program());
        let child = account.run(&mut command).spawn();
        let mut child = child.with_context(|| format!("cannot run {}", program.display()))?;
        let service = Self { pid: i32::try_from(child.id())?, program, build: build.to_owned() };
        // The system shows a new process before its command line.
        let is_new = |_: Process| !service.is_running() && matches!(child.try_wait(), Ok(None));
        service.process()?.wait_until_not(SHORT_TIMEOUT, is_new);
        Ok(service)
    }

    fn process(&self) -> anyhow::Result<Process> {
        Process::new(self.pid).context("not a process id")
    }

    /// Returns true if the process runs and is still the program that was started.
    pub(crate) fn is_running(&self) -> bool {
        let words = self.process().ok().and_then(|process| process.command_line()).unwrap_or_default();
        words.first().map(String::as_str) == self.program.to_str()
    }

    /// Returns true if the process runs the current build of `program`.
    pub(crate) fn runs_as(&self, program: &Program) -> bool {
        self.program == program.path && self.build == program.build && self.is_running()
    }

    /// Terminates the process, and kills it if it has not ended after 35 s.
    ///
    /// # Errors
    /// Returns an error if the process survives.
    pub(crate) fn stop(&self, name: &str) -> anyhow::Result<()> {
        if self.is_running() {
            let process = self.process()?;
            process.terminate();
            if !process.wait_until_not(STOP_TIMEOUT, |_| self.is_running()) {
                process.kill();
            }
            let is_gone = process.wait_until_not(SHORT_TIMEOUT, |_| self.is_running());
            anyhow::ensure!(is_gone, "cannot stop {name}, process {}: stop it by hand", self.pid);
        }
        Ok(())
    }

    /// Polls until `look` finds something.
    ///
    /// # Errors
    /// Returns an error if the service ends, or after 60 s.
    pub(crate) fn wait_for<T>(&self, event: &str, look: impl Fn() -> Option<T>) -> anyhow::Result<T> {
        wait_for(event, READY_TIMEOUT, || {
            let is_running = self.is_running();
            let found = look();
            anyhow::ensure!(found.is_some() || is_running, "the process ended");
            Ok(found)
        })
    }
}

/// Returns the rest of the first complete line of `log` that starts with `prefix`.
pub(crate) fn line_of(log: &Path, prefix: &str) -> Option<String> {
    let text = std::fs::read_to_string(log).ok()?;
    let complete = &text[..text.rfind('\n')?];
    complete.lines().find_map(|line| line.strip_prefix(prefix)).map(str::to_owned)
}

/// Returns true if the API at `url` is ready.
pub(crate) fn is_ready(url: &str) -> bool {
    let ask = || {
        let address = url.strip_prefix("http://")?;
        let mut stream = TcpStream::connect_timeout(&address.parse().ok()?, SHORT_TIMEOUT).ok()?;
        stream.set_read_timeout(Some(SHORT_TIMEOUT)).ok()?;
        let request = format!("GET /health/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).ok()?;
        Some(head == *b"HTTP/1.1 200")
    };
    ask().unwrap_or_default()
}

/// Returns `requested` if it is free, or the first free port from `default` on.
pub(crate) fn free_port(requested: Option<u16>, default: u16) -> anyhow::Result<u16> {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    match requested {
        Some(port) if is_free(&port) => Ok(port),
        Some(port) => anyhow::bail!("port {port} is in use; choose another one with --port"),
        None => (default..default + 200).find(is_free).context("no free port; choose one with --port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Service, PathBuf) {
        let name = format!("steadfast-service-{}-{}.log", std::process::id(), script.len());
        let (log, mut command) = (std::env::temp_dir().join(name), Command::new("/bin/sh"));
        command.args(["-c", script]).current_dir("/");
        (Service::start(command, "first", Account::for_children().unwrap(), &log).unwrap(), log)
    }

    #[test]
    fn later_runs_find_and_stop_a_service() {
        let (service, log) = shell("echo listening on here; while :; do sleep 0.1; done");
        assert_eq!(service.wait_for("line", || line_of(&log, "listening on ")).unwrap(), "here");
        let json = serde_json::to_string(&service).unwrap();
        let found: Service = serde_json::from_str(&json).unwrap();
        let program = |build: &str| Program { path: "/bin/sh".into(), build: build.to_owned() };
        assert!(found.runs_as(&program("first")) && !found.runs_as(&program("second")));
        found.stop("it").unwrap();
        assert!(!service.is_running());
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn reused_process_ids_are_left_alone() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let stale = Service { pid, program: "/somewhere/api".into(), build: String::new() };
        assert!(!stale.is_running());
        stale.stop("it").unwrap();
    }

    #[test]
    fn used_ports_are_skipped_unless_requested() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_ne!(free_port(None, port).unwrap(), port);
        assert!(free_port(Some(port), port).unwrap_err().to_string().contains("--port"));
    }
}
