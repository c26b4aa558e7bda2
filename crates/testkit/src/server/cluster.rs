//! The data folder of a server, and the programs that work on it: initdb, configuration, start. Callers hold the lock
//! of the folder.

use super::layout::{data_folder, log_file, socket_folder};
use super::options::ServerOptions;
use super::postmaster;
use crate::{Account, Error, PostgresBinaries, Result};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Size of the log from which on the next start truncates it.
const LOG_BYTES: u64 = 10 * 1024 * 1024;
/// `sun_path` has 108 bytes on Linux and 104 elsewhere; the name of the socket takes up to 19 of them.
const SOCKET_FOLDER_BYTES: usize = 104 - 20;
/// Sessions of a killed server take a moment to end, and no other server may start before.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(20);
const ORPHANS_POLL: Duration = Duration::from_millis(100);
/// Number of attempts: another program may take the port between the check and the start.
const PORT_TRIES: u32 = 5;
/// Ports below the range of outgoing connections, so that the port of a stopped server stays free.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A data folder, with everything that is needed to run it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) options: ServerOptions,
    pub(super) binaries: PostgresBinaries,
    pub(super) account: Account,
}

impl Cluster {
    /// Creates the data folder if it is missing: completely or not at all, even if this process is killed.
    pub(super) fn make_data(&self) -> Result<()> {
        let data = data_folder(&self.options.root);
        if self.is_usable(&data)? {
            return Ok(());
        }
        let unfinished = self.options.root.join("data.new");
        remove_folder(&unfinished)?;
        std::fs::create_dir(&unfinished).map_err(Error::file("create", &unfinished))?;
        self.account.own(&unfinished)?;
        self.initdb(&unfinished)?;
        std::fs::rename(&unfinished, &data).map_err(Error::file("create", &data))
    }

    /// Returns true if the data fits the programs. Throw-away data of another version is deleted.
    fn is_usable(&self, data: &Path) -> Result<bool> {
        let Ok(found) = std::fs::read_to_string(data.join("PG_VERSION")) else { return Ok(false) };
        let (found, wanted) = (found.trim().to_owned(), self.binaries.major());
        if found == wanted.to_string() {
            return Ok(true);
        }
        if self.options.durable {
            return Err(Error::DataVersion { path: data.to_path_buf(), found, wanted });
        }
        remove_folder(data)?;
        Ok(false)
    }

    /// Creates the data folder with the locale C.UTF-8, or C if the machine does not have it. C differs only in the case
    /// of non-ASCII letters.
    fn initdb(&self, data: &Path) -> Result<()> {
        let output = self.run_initdb(data, "C.UTF-8")?;
        if output.status.success() {
            return Ok(());
        }
        let output = if text_of(&output).contains("locale") { self.run_initdb(data, "C")? } else { output };
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Program { program: "initdb", output: last_lines(&text_of(&output)) })
    }

    fn run_initdb(&self, data: &Path, locale: &str) -> Result<Output> {
        let mut command = self.command("initdb");
        command.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-instructions", "-D"]);
        command.arg(data).arg(format!("--locale={locale}"));
        if !self.options.durable {
            command.arg("--no-sync");
        }
        run("initdb", &mut command)
    }

    /// Starts the server and returns its port.
    pub(super) fn launch(&self) -> Result<u16> {
        if self.options.port != 0 {
            return self.launch_on(self.options.port).map(|()| self.options.port);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let port = free_port();
            match self.launch_on(port) {
                Err(Error::Program { output, .. }) if tries < PORT_TRIES && output.contains("in use") => {}
                outcome => return outcome.map(|()| port),
            }
        }
    }

    /// Starts the server on `port` and waits until it accepts connections.
    pub(super) fn launch_on(&self, port: u16) -> Result<()> {
        let data = data_folder(&self.options.root);
        postmaster::remove_misleading_pid_file(&data)?;
        self.make_socket_folder()?;
        self.write_configuration(&data, port)?;
        let deadline = Instant::now() + ORPHANS_PATIENCE;
        loop {
            match self.pg_ctl_start(&data) {
                Err(Error::Program { output, .. })
                    if output.contains("shared memory block") && Instant::now() < deadline =>
                {
                    std::thread::sleep(ORPHANS_POLL);
                }
                outcome => return outcome,
            }
        }
    }

    /// Creates the socket folder anew at each start, because a socket's lock file of a killed server may name a process
    /// id that is in use again.
    fn make_socket_folder(&self) -> Result<()> {
        let folder = socket_folder(&self.options.root);
        if folder.as_os_str().len() > SOCKET_FOLDER_BYTES {
            return Err(Error::PathTooLong { path: folder });
        }
        remove_folder(&folder)?;
        std::fs::create_dir(&folder).map_err(Error::file("create", &folder))?;
        self.account.own(&folder)
    }

    fn write_configuration(&self, data: &Path, port: u16) -> Result<()> {
        let path = data.join("steadfast.conf");
        std::fs::write(&path, self.configuration(port)).map_err(Error::file("write", &path))?;
        self.account.own(&path)?;
        let main = data.join("postgresql.conf");
        let text = std::fs::read_to_string(&main).map_err(Error::file("read", &main))?;
        let include = "include 'steadfast.conf'\n";
        if text.ends_with(include) {
            return Ok(());
        }
        std::fs::write(&main, format!("{text}\n{include}")).map_err(Error::file("write", &main))
    }

    fn configuration(&self, port: u16) -> String {
        let socket = socket_folder(&self.options.root).display().to_string();
        let port = port.to_string();
        let mut settings = vec![
            ("listen_addresses", "127.0.0.1"),
            ("port", &port),
            ("unix_socket_directories", &socket),
            ("max_connections", "200"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("lc_messages", "C"),
            ("log_line_prefix", "%m [%p] %a "),
        ];
        if self.binaries.has_library("pg_stat_statements") {
            settings.push(("shared_preload_libraries", "pg_stat_statements"));
        }
        if !self.options.durable {
            // Statistics change only if a test asks for it, and no worker delays copies of a template.
            settings.extend([("fsync", "off"), ("synchronous_commit", "off"), ("autovacuum", "off")]);
            settings.push(("full_page_writes", "off"));
        }
        settings.extend(self.options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        settings.into_iter().fold(String::new(), |mut text, (name, value)| {
            let value = value.replace('\\', "\\\\").replace('\'', "''");
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{name} = '{value}'");
            text
        })
    }

    fn pg_ctl_start(&self, data: &Path) -> Result<()> {
        let log = log_file(&self.options.root);
        let old_bytes = self.open_log(&log)?;
        let mut command = self.command("pg_ctl");
        command.args(["start", "--wait", "--silent", "--timeout=60", "-D"]).arg(data).arg("-l").arg(&log);
        let output = run("pg_ctl", &mut command)?;
        if output.status.success() {
            return Ok(());
        }
        let logged = std::fs::read(&log).map_err(Error::file("read", &log))?;
        let logged = String::from_utf8_lossy(logged.get(old_bytes..).unwrap_or_default()).into_owned();
        Err(Error::Program { program: "pg_ctl", output: last_lines(&(logged + &text_of(&output))) })
    }

    /// Creates the log for the user of the server, who may not create files in the folder. Returns its current length.
    fn open_log(&self, log: &Path) -> Result<usize> {
        let file =
            OpenOptions::new().create(true).append(true).open(log).map_err(Error::file("open", log))?;
        let mut bytes = file.metadata().map_err(Error::file("read", log))?.len();
        if bytes > LOG_BYTES {
            std::fs::write(log, "").map_err(Error::file("write", log))?;
            bytes = 0;
        }
        self.account.own(log)?;
        Ok(usize::try_from(bytes).unwrap_or(0))
    }

    /// Returns a command with a cleared environment: variables such as `PGPORT` and `PGDATA` would change the behaviour
    /// of the server.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.program(program));
        command.env_clear().current_dir(&self.options.root).stdin(Stdio::null());
        for name in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        self.account.run(&mut command);
        command
    }
}

fn run(program: &'static str, command: &mut Command) -> Result<Output> {
    command.output().map_err(|error| Error::Program { program, output: error.to_string() })
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Returns a port without a listener. The search begins at random, so that concurrent searches find different ports.
fn free_port() -> u16 {
    let count = u64::from(PORTS.end - PORTS.start);
    let begin = crate::template::random() % count;
    let ports = (0..count).filter_map(|step| u16::try_from((begin + step) % count).ok());
    let mut ports = ports.map(|offset| PORTS.start + offset);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap_or(PORTS.start)
}
