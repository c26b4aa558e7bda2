//! Child processes that outlive this command: started apart from the terminal, known again later, stopped for sure.

use crate::up::programs::Program;
use crate::up::steps;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use steadfast_testkit::{Account, Process};

/// How long the API of a private stack may drain. Its own default waits for the longest request there is.
pub(crate) const DRAIN_SECONDS: u64 = 30;
const STOP_PATIENCE: Duration = Duration::from_secs(DRAIN_SECONDS + 5);
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const EXEC_PATIENCE: Duration = Duration::from_secs(5);
const READY_PATIENCE: Duration = Duration::from_secs(60);
const PROBE_PATIENCE: Duration = Duration::from_secs(3);
/// How many ports are tried from the usual one upwards.
const PORT_TRIES: u16 = 200;

/// A service that was started by this or an earlier run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    process: Process,
    /// The path it was started by: a process id that was given to something else shows another one.
    program: PathBuf,
    /// What stood there then, see [`Program`].
    build: String,
}

impl Service {
    /// Starts `command` as `account` in a process group of its own, so that Ctrl-C and the end of this command do not
    /// reach it. Nothing to read, both outputs go to `log`, which begins anew.
    pub(crate) fn start(
        mut command: Command,
        build: &str,
        account: Account,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = file.try_clone().context("cannot share the log file")?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let program = PathBuf::from(command.get_program());
        let child = account.run(&mut command).spawn();
        let mut child = child.with_context(|| format!("cannot run {}", program.display()))?;
        let process = i32::try_from(child.id()).ok().and_then(Process::new).context("no such process id")?;
        let service = Self { process, program, build: build.to_owned() };
        // The system shows a new process for a moment before it shows its command line.
        let is_new = |_: Process| !service.is_running() && matches!(child.try_wait(), Ok(None));
        process.wait_until_not(EXEC_PATIENCE, is_new);
        Ok(service)
    }

    /// Whether it runs, and is still the program that was started.
    pub(crate) fn is_running(&self) -> bool {
        let words = self.process.command_line().unwrap_or_default();
        words.first().map(String::as_str) == self.program.to_str()
    }

    /// Whether it runs, and `program` was not built anew since it was started.
    pub(crate) fn runs_as(&self, program: &Program) -> bool {
        self.program == program.path && self.build == program.build && self.is_running()
    }

    /// Asks it to end and waits up to 35 s, then kills it. Returns whether it is gone.
    pub(crate) fn stop(&self) -> bool {
        if !self.is_running() {
            return true;
        }
        self.process.terminate();
        if self.process.wait_until_not(STOP_PATIENCE, |_| self.is_running()) {
            return true;
        }
        self.process.kill();
        self.process.wait_until_not(KILL_PATIENCE, |_| self.is_running())
    }

    /// The first line of `log` that begins with `sign`, without it. Fails when the service ends before.
    pub(crate) fn wait_for_line(&self, log: &Path, sign: &str) -> anyhow::Result<String> {
        steps::wait_for(sign, READY_PATIENCE, || {
            let is_running = self.is_running();
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let line = whole.lines().find_map(|line| line.strip_prefix(sign));
            anyhow::ensure!(line.is_some() || is_running, "it ended at once");
            Ok(line.map(str::to_owned))
        })
    }

    /// Waits until `path` at `address` answers 200. Fails when the service ends before.
    pub(crate) fn wait_until_ready(&self, address: SocketAddr, path: &str) -> anyhow::Result<()> {
        steps::wait_for("GET /health/ready", READY_PATIENCE, || {
            anyhow::ensure!(self.is_running(), "it ended at once");
            Ok((status_of(address, path) == Some(200)).then_some(()))
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "pid": self.process.pid(), "program": self.program, "build": self.build })
    }

    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let pid = i32::try_from(value.get("pid")?.as_i64()?).ok()?;
        let text = |name: &str| value.get(name)?.as_str();
        // Without the build, as an earlier form of the file, it can still be stopped and counts as outdated.
        let (program, build) = (text("program")?.into(), text("build").unwrap_or_default().to_owned());
        Some(Self { process: Process::new(pid)?, program, build })
    }
}

/// Status of a plain GET; `None` when nobody answers HTTP there within 3 s.
pub(crate) fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PROBE_PATIENCE).ok()?;
    stream.set_read_timeout(Some(PROBE_PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PROBE_PATIENCE)).ok()?;
    // In one piece: a server that answers the first piece and closes would reset the connection.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

/// `wanted` if it is free; without a wish the first free one from `usual` upwards.
pub(crate) fn free_port(wanted: Option<u16>, usual: u16) -> anyhow::Result<u16> {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    match wanted {
        Some(port) => {
            anyhow::ensure!(is_free(&port), "port {port} is taken; choose another one by --port");
            Ok(port)
        }
        None => (usual..usual.saturating_add(PORT_TRIES))
            .find(is_free)
            .context("no free port; choose one by --port"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("steadfast-service-{}-{name}.log", std::process::id()))
    }

    fn shell(script: &str, name: &str) -> (Service, PathBuf) {
        let log = log(name);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir("/");
        (Service::start(command, "first", Account::for_children().unwrap(), &log).unwrap(), log)
    }

    #[test]
    fn a_service_is_known_again_and_stopped() {
        let (service, log) = shell("echo listening on here; while :; do sleep 0.1; done", "stopped");
        assert_eq!(service.wait_for_line(&log, "listening on ").unwrap(), "here");
        let known = Service::from_json(&service.to_json()).unwrap();
        assert!(known.is_running());
        let program = |build: &str| Program { path: "/bin/sh".into(), build: build.to_owned() };
        assert!(known.runs_as(&program("first")));
        assert!(!known.runs_as(&program("second")), "what was built anew is not what runs");
        assert!(known.stop());
        assert!(!known.runs_as(&program("first")));
        assert!(!service.is_running());
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_process_id_that_something_else_has_is_no_service_and_is_left_alone() {
        let me = json!({ "pid": std::process::id(), "program": "/somewhere/steadfast-api" });
        let stale = Service::from_json(&me).unwrap();
        assert!(!stale.is_running());
        assert!(stale.stop());
    }

    #[test]
    fn a_service_is_seen_from_the_start() {
        for round in 0..50 {
            let (service, log) = shell("while :; do sleep 0.1; done", "seen");
            let seen = service.is_running();
            service.process.kill();
            std::fs::remove_file(log).unwrap();
            assert!(seen, "round {round}");
        }
    }

    #[test]
    fn a_service_that_ends_at_once_is_not_waited_for() {
        let (service, log) = shell("exit 3", "ended");
        let error = service.wait_for_line(&log, "listening on ").unwrap_err();
        assert!(error.to_string().contains("ended"), "{error}");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_passed_over_unless_it_was_asked_for() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(None, port).unwrap(), port);
        assert!(free_port(Some(port), port).unwrap_err().to_string().contains("--port"));
    }

    #[test]
    fn the_status_is_read_and_silence_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
            // Closing with unread input would reset the connection before the answer is read.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        assert_eq!(status_of(address, "/health/ready"), Some(503));
        server.join().unwrap();
        assert_eq!(status_of(address, "/health/ready"), None);
    }
}
