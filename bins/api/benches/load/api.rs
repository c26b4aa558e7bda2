//! The API server in a process of its own.

use anyhow::{Context as _, Result, bail};
use std::fs::{File, read_to_string};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Running server with its default settings. Killed when dropped.
pub(crate) struct Api {
    child: Child,
    /// Address that it listens on.
    pub(crate) address: SocketAddr,
}

impl Api {
    /// Starts the server on the database at `url`. Its log goes to a file.
    pub(crate) fn start(url: &str) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = std::env::temp_dir().join(format!("steadfast-load-{}.log", address.port()));
        let output = File::create(&log)?;
        // The file system frees the file when the server ends, whatever ends it.
        std::fs::remove_file(&log)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-api"));
        command.env_clear().env("DATABASE_URL", url).env("HTTP_PORT", address.port().to_string());
        let command = command.env("PIDKEY_API_KEY", "unused").stdin(Stdio::null()).stdout(Stdio::null());
        let api = Self { child: command.stderr(output).spawn()?, address };
        for _ in 0..100 {
            if TcpStream::connect(address).is_ok() {
                return Ok(api);
            }
            sleep(Duration::from_millis(100));
        }
        bail!("the server does not listen");
    }

    /// Returns the maximum resident memory of the process until now, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        Ok(1024 * peak.context("VmHWM of the server")?.parse::<u64>()?)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Fails if the server has ended.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
