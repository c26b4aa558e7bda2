//! The program as a process, controlled by plain HTTP.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pidkey-sandbox");

/// Running program; killed when dropped.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start() -> Result<Self> {
        let mut child =
            Command::new(PROGRAM).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let address =
            line.trim_end().strip_prefix("listening on http://").context("no address printed")?.to_owned();
        Ok(Self { child, address })
    }

    /// Sends a raw request and reads until the program closes the connection.
    fn exchange(&self, request: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        // Some modes cut the connection.
        let _ = stream.read_to_end(&mut answer);
        Ok(String::from_utf8(answer)?)
    }

    fn get(&self, target: &str) -> Result<String> {
        self.exchange(&format!("GET {target} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n"))
    }

    fn control(&self, body: &str) -> Result<String> {
        let length = body.len();
        self.exchange(&format!(
            "POST /control HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CHECK: &str = "/ajax/pidms_api?keys=6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H%0D%0A6NRGDKHFCFY4TF7PRWFDYBF3J&justgetdescription=0&apikey=any";

#[test]
fn answers_like_pidkey_and_reports_requests() -> Result<()> {
    let sandbox = Running::start()?;
    let answer = sandbox.get(CHECK)?;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("text/html"), "{answer}");
    assert!(answer.contains(r#"[{"keyname":"#) && answer.ends_with("}]"), "{answer}");
    let report = sandbox.get("/control")?;
    assert!(report.contains(r#""mode":"ok""#) && report.contains(r#""requests":1,"keys":2"#), "{report}");
    assert!(!report.contains("apikey"), "the API key is not shown: {report}");
    Ok(())
}

#[test]
fn rejects_missing_api_keys() -> Result<()> {
    let sandbox = Running::start()?;
    let answer = sandbox.get("/ajax/pidms_api?keys=6NRGDKHFCFY4TF7PRWFDYBF3H")?;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    Ok(())
}

#[test]
fn control_route_sets_failures_for_some_requests() -> Result<()> {
    let sandbox = Running::start()?;
    sandbox.control(r#"{"mode":"rate_limited","retry_after":7,"times":1}"#)?;
    let answer = sandbox.get(CHECK)?;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after: 7\r\n"), "{answer}");
    assert!(sandbox.get(CHECK)?.starts_with("HTTP/1.1 200"), "once only");
    assert!(sandbox.control(r#"{"mode":"nonsense"}"#)?.starts_with("HTTP/1.1 400"));
    Ok(())
}

#[test]
fn truncated_responses_are_shorter_than_their_content_length() -> Result<()> {
    let sandbox = Running::start()?;
    sandbox.control(r#"{"mode":"truncated"}"#)?;
    let answer = sandbox.get(CHECK)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    assert!(head.contains("content-length: 4096"), "{head}");
    assert!(!body.is_empty() && body.len() < 4096, "{body}");
    Ok(())
}

#[test]
fn sigterm_ends_the_program_during_hanging_requests() -> Result<()> {
    let mut sandbox = Running::start()?;
    sandbox.control(r#"{"mode":"hang"}"#)?;
    let mut stream = TcpStream::connect(&sandbox.address)?;
    stream.write_all(format!("GET {CHECK} HTTP/1.1\r\nHost: sandbox\r\n\r\n").as_bytes())?;
    kill(Pid::from_raw(sandbox.child.id().cast_signed()), Signal::SIGTERM)?;
    assert!(sandbox.child.wait()?.success());
    Ok(())
}

#[test]
fn invalid_addresses_are_usage_errors() -> Result<()> {
    let refused = Command::new(PROGRAM).args(["--listen", "nowhere"]).output()?;
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--listen"));
    Ok(())
}
