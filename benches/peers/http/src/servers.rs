//! Contestants as processes.

use crate::bare;
use crate::data::Data;
use anyhow::{Context as _, Result, bail};
use std::fs::{File, read_dir, read_to_string};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use steadfast_app::{Settings, install_logs};

/// Connections of the bare pools: as many as the shipped service may open.
pub(crate) const POOL: u32 = 30;

/// Clock ticks per second in `/proc`: 100 on every Linux, whatever the kernel's own clock.
const TICKS: f64 = 100.0;

/// Serves as the contestant `name` in this process.
pub(crate) async fn serve(name: &str, port: u16) -> Result<()> {
    if name == "endpoint" || name == "cached" {
        // As `steadfast-api` does.
        let settings = Settings::read(&|name| std::env::var(name).ok())?;
        let _logs = install_logs(&settings)?;
        _ = steadfast_app::run(settings).await?;
        return Ok(());
    }
    let router = bare::router(name, &std::env::var("DATABASE_URL")?).await?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, router).await?)
}

/// A contestant that runs. Ended when dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    child: Child,
}

/// Resources that a process has used.
pub(crate) struct Usage {
    /// CPU time in seconds.
    pub(crate) cpu: f64,
    /// Context switches of all its threads.
    pub(crate) switches: u64,
}

impl Server {
    /// Starts this program as the contestant `name`. Its log goes to a file.
    pub(crate) fn start(name: &str, data: &Data) -> Result<Self> {
        Self::spawn(&mut Command::new(std::env::current_exe()?), name, data)
    }

    /// Starts the contestant with one worker thread under `tool`, a command that runs a program.
    pub(crate) fn start_under(tool: &[&str], name: &str, data: &Data) -> Result<Self> {
        let mut command = Command::new("env");
        command.arg("TOKIO_WORKER_THREADS=1").args(tool).arg(std::env::current_exe()?);
        Self::spawn(&mut command, name, data)
    }

    fn spawn(command: &mut Command, name: &str, data: &Data) -> Result<Self> {
        let names = ["endpoint", "cached", "bare-bb8", "bare-bb8-ping", "bare-sqlx", "bare-handler"];
        let name = names.into_iter().find(|known| *known == name).context("an unknown contestant")?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::env::temp_dir().join(format!("steadfast-http-peers-{name}.log"));
        let output = File::create(&log)?;
        // The file system frees the file when the contestant ends, whatever ends it: a run logs gigabytes.
        std::fs::remove_file(&log)?;
        let child = command
            .args(["serve", name, &port.to_string()])
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("DATABASE_URL", &data.url)
            .env("HTTP_PORT", port.to_string())
            .env("PIDKEY_API_KEY", "unused")
            .env("RATE_LIMIT_PER_SECOND", "0")
            .env("CACHE_ENABLED", (name == "cached").to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()?;
        let server = Self { name, port, child };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            sleep(Duration::from_millis(100));
        }
        bail!("{name} does not listen");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads what the process has used until now.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let folder = format!("/proc/{}", self.pid());
        let stat = read_to_string(format!("{folder}/stat"))?;
        // Fields 14 and 15; the second one, the name, may contain spaces.
        let (_, fields) = stat.rsplit_once(')').context("a name in stat")?;
        let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
        let mut ticks = || times.next().and_then(Result::ok).context("times in stat");
        let cpu = (ticks()? + ticks()?) / TICKS;
        let mut switches = 0;
        for task in read_dir(format!("{folder}/task"))? {
            // A thread may end meanwhile.
            let status = read_to_string(task?.path().join("status")).unwrap_or_default();
            let counts = status.lines().filter_map(|line| line.split_once("ctxt_switches:"));
            switches += counts.filter_map(|(_, count)| count.trim().parse::<u64>().ok()).sum::<u64>();
        }
        Ok(Usage { cpu, switches })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
