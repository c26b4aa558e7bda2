//! Help, exit codes, signals and warnings of the program.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use steadfast_testkit::Process;

/// Maximum wait for the end of the program.
const PATIENCE: Duration = Duration::from_secs(30);

fn api(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-api"));
    command.env_clear().envs(variables.iter().copied());
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn help_documents_the_variables() -> Result<()> {
    let output = api(&[]).arg("--help").output()?;
    assert!(output.status.success());
    assert!(text(&output).contains("DATABASE_URL") && text(&output).contains("PIDKEY_API_KEY"));
    Ok(())
}

#[test]
fn invalid_settings_exit_with_2() -> Result<()> {
    let output = api(&[("PORT", "eighty"), ("LOG_FORMAT", "xml")]).output()?;
    assert_eq!(output.status.code(), Some(2));
    for name in ["DATABASE_URL", "PORT", "LOG_FORMAT"] {
        assert!(text(&output).contains(name), "{name}: {}", text(&output));
    }
    let output = api(&[("DATABASE_URL", "postgres://db/x"), ("LOG_LEVEL", "loud=very")]).output()?;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    Ok(())
}

/// Running program without a database.
struct Running {
    child: Child,
    log: Box<dyn Iterator<Item = String>>,
}

impl Running {
    fn start(variables: &[(&str, &str)]) -> Result<Self> {
        let required = [("DATABASE_URL", "postgres://app@127.0.0.1:1/none"), ("HTTP_PORT", "0")];
        let mut child = api(&[&required, variables].concat()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().context("piped")?;
        let log = Box::new(BufReader::new(stderr).lines().map_while(Result::ok));
        Ok(Self { child, log })
    }

    /// Reads the log up to a line with `part` and returns it.
    fn log_until(&mut self, part: &str) -> Result<String> {
        let mut read = String::new();
        for line in self.log.by_ref() {
            read += &format!("{line}\n");
            if line.contains(part) {
                return Ok(read);
            }
        }
        bail!("it ended without {part:?}: {read}")
    }

    fn process(&self) -> Result<Process> {
        Process::new(i32::try_from(self.child.id())?).context("a process")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if the program has ended, as it has if the test passed.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn sigterm_drains_and_exits_with_0() -> Result<()> {
    let mut api = Running::start(&[])?;
    api.log_until("listening on http://127.0.0.1:")?;
    api.process()?.terminate();
    api.log_until("SIGTERM")?;
    assert_eq!(api.child.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn log_contains_every_request_after_sigterm() -> Result<()> {
    const REQUESTS: usize = 200;
    let mut api = Running::start(&[])?;
    let log = api.log_until("listening on http://127.0.0.1:")?;
    let (_, rest) = log.rsplit_once("127.0.0.1:").context("an address")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    for _ in 0..REQUESTS {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
    }
    api.process()?.terminate();
    let logged = api.log.by_ref().filter(|line| line.contains("\"/health/live\"")).count();
    assert_eq!(logged, REQUESTS);
    Ok(())
}

#[test]
fn second_sigterm_ends_drain_at_once() -> Result<()> {
    let mut api = Running::start(&[("HTTP_DRAIN_DELAY", "300")])?;
    api.log_until("listening on http://127.0.0.1:")?;
    api.process()?.terminate();
    api.log_until("SIGTERM")?;
    api.process()?.terminate();
    let has_ended = api.process()?.wait_until_not(PATIENCE, |process| process.command_line().is_some());
    assert!(has_ended, "it still drains");
    assert_eq!(api.child.wait()?.code(), Some(1));
    api.log_until("second SIGTERM")?;
    Ok(())
}

#[test]
fn warns_about_unknown_settings() -> Result<()> {
    let mut running = Running::start(&[("DB_POOL_SIZ", "3"), ("HTTP_PROXY", "http://proxy")])?;
    let log = running.log_until("listening on http://127.0.0.1:")?;
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("is not a setting")).collect();
    let [warning] = warnings[..] else { bail!("{log}") };
    assert!(warning.contains("WARN") && warning.contains("\"DB_POOL_SIZE\""), "{warning}");
    let refused = text(&api(&[("DATABASE_URI", "postgres://db/x")]).output()?);
    assert!(refused.contains("warning: DATABASE_URI") && refused.contains("nearest setting is DATABASE_URL"));
    Ok(())
}
