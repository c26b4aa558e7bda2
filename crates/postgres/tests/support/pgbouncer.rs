//! A private PgBouncer in front of a server.

use anyhow::{Context as _, Result, ensure};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use steadfast_testkit::{Account, claim_folder, find_program};

/// Maximum time for PgBouncer to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A PgBouncer that is stopped and deleted on drop.
pub(crate) struct PgBouncer {
    pub(crate) port: u16,
    folder: PathBuf,
    child: Child,
}

impl PgBouncer {
    /// Starts a PgBouncer for the server on `server_port` with additional `settings`.
    pub(crate) fn before(server_port: u16, settings: &str) -> Result<Self> {
        let program = find_program("pgbouncer").context("install it: apt-get install pgbouncer")?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("steadfast-pgbouncer-{}-{port}", std::process::id()));
        claim_folder(&folder)?;
        let account = Account::for_children()?;
        std::fs::write(folder.join("users.txt"), "\"postgres\" \"\"\n")?;
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port} user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {0}/users.txt\n{settings}\n",
            folder.display()
        );
        std::fs::write(folder.join("pgbouncer.ini"), settings)?;
        account.own(&folder)?;
        let log = std::fs::File::create(folder.join("log"))?;
        let mut command = Command::new(program);
        command.arg(folder.join("pgbouncer.ini")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = account.run(&mut command).spawn()?;
        let mut started = Self { port, folder, child };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let is_gone = started.child.try_wait()?.is_some();
            ensure!(!is_gone && began.elapsed() < PATIENCE, "PgBouncer does not start: {}", started.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(started)
    }

    /// Returns its log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        _ = std::fs::remove_dir_all(&self.folder);
    }
}
