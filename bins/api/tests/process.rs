//! The program as an operator meets it: help, exit codes, signals.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use steadfast_testkit::Process;

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
fn wrong_settings_end_it_with_2_and_all_of_them_are_named() -> Result<()> {
    let output = api(&[("PORT", "eighty"), ("LOG_FORMAT", "xml")]).output()?;
    assert_eq!(output.status.code(), Some(2));
    for name in ["DATABASE_URL", "PORT", "LOG_FORMAT"] {
        assert!(text(&output).contains(name), "{name}: {}", text(&output));
    }
    let output = api(&[("DATABASE_URL", "postgres://db/x"), ("LOG_LEVEL", "loud=very")]).output()?;
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    Ok(())
}

#[test]
fn it_says_where_it_listens_and_ends_well_on_sigterm() -> Result<()> {
    let variables = [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"), ("HTTP_PORT", "0")];
    let mut child = api(&variables).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().context("piped")?;
    let mut lines = BufReader::new(stderr).lines();
    let listening =
        lines.by_ref().map_while(Result::ok).find(|line| line.contains("listening on http://127.0.0.1:"));
    assert!(listening.is_some(), "it ended without listening");
    Process::new(i32::try_from(child.id())?).context("a process")?.terminate();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait()?.code(), Some(0), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("SIGTERM")), "{rest:?}");
    Ok(())
}
