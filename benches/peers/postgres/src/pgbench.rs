//! PostgreSQL's own load generator, where it is installed: what the server gives to a client written in C.

use crate::contestants::Load;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use steadfast_testkit::PostgresBinaries;

/// Transactions a second of `pgbench -S -M prepared` with as many connections; `None` where there is no pgbench.
pub(crate) fn rate(load: &Load, round: Duration) -> Result<Option<f64>> {
    let folder = PostgresBinaries::find(None, &std::env::temp_dir())?.folder().to_owned();
    let program = folder.join("pgbench");
    if !program.exists() {
        return Ok(None);
    }
    run(&program, &["-i", "-q", "-s", "1", &load.url])?;
    let (clients, seconds) = (load.connections.to_string(), round.as_secs().max(1).to_string());
    let output =
        run(&program, &["-S", "-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, &load.url])?;
    let line = output.lines().find_map(|line| line.strip_prefix("tps = ")).context("pgbench told no rate")?;
    Ok(Some(line.split(' ').next().unwrap_or_default().parse()?))
}

fn run(program: &PathBuf, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
