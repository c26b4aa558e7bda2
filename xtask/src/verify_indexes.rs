//! `cargo xtask verify-indexes`: proves that every operation is served by its index, and that every index is needed.

use crate::cargo::cargo;
use crate::test::run_command;
use crate::workspace::Workspace;
use anyhow::{Context as _, bail};
use std::path::Path;
use std::process::Command;
use steadfast_testkit::{PostgresBinaries, SERVER_VARIABLE, Server, ServerOptions};

/// How to read a finding, from the root of the workspace.
const GUIDE: &str = "docs/plan-gate.md";

/// What `verify-indexes` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How much data: `small` has 100,000 rows in the largest table, `full` a million.
    #[arg(long, default_value = "small", value_parser = ["small", "full"])]
    scale: String,
    /// Only operations whose name begins so.
    #[arg(long, value_name = "PREFIX")]
    only: Option<String>,
    /// The version of PostgreSQL to verify on, 15 to 18; it is fetched by npm where it is not installed. Default: the
    /// version that the tests use.
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u16).range(15..=18))]
    postgres: Option<u16>,
    /// Change each index in every way there is, and see whether the cases notice.
    #[arg(long)]
    mutate: bool,
    /// A server to work on, as a user who may create databases; they are dropped again. Default: a private one.
    /// Also by the variable STEADFAST_TEST_SERVER, unless `--postgres` asks for a version.
    #[arg(long, value_name = "URL", conflicts_with = "postgres")]
    database_url: Option<String>,
    /// Print what a rule means, why it exists, an example, and what to do; verify nothing.
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
    /// Write docs/plans.md anew.
    #[arg(long)]
    write: bool,
    /// Test the verification itself: plant faults in a small service of its own and demand that each is found.
    #[arg(long, conflicts_with_all = ["only", "mutate", "write"])]
    self_test: bool,
}

/// Builds the verifier and runs it on its server. The report is in `target/steadfast/plans.json` as well.
///
/// # Errors
/// When something was found, or no verdict could be reached.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(rule) = &arguments.explain {
        return run_command(verifier(workspace).args(["--explain", rule]));
    }
    let given = given(arguments, std::env::var(SERVER_VARIABLE).ok());
    let server = match &given {
        Some(_) => None,
        None => Some(start(workspace, arguments.postgres)?),
    };
    let url = given.or_else(|| server.as_ref().map(|server| server.url("postgres")));
    if arguments.self_test {
        let status = self_test(workspace).env(SERVER_VARIABLE, url.unwrap_or_default()).status();
        return self_verdict(status.context("cannot run cargo")?.code());
    }
    let mut verifier = verifier(workspace);
    verifier.args(["--scale", &arguments.scale]);
    verifier.args(arguments.only.iter().flat_map(|prefix| ["--only", prefix]));
    verifier.args(arguments.mutate.then_some("--mutate"));
    if arguments.write {
        verifier.args(["--markdown", "docs/plans.md"]);
    }
    verifier.env(SERVER_VARIABLE, url.unwrap_or_default());
    verdict(verifier.status().context("cannot run cargo")?.code())
}

/// The server to work on that was given. A version that was asked for is not that of the server in the environment.
fn given(arguments: &Arguments, of_environment: Option<String>) -> Option<String> {
    let of_environment = || of_environment.filter(|url| !url.is_empty() && arguments.postgres.is_none());
    arguments.database_url.clone().or_else(of_environment)
}

/// What the verifier's exit code says.
fn verdict(code: Option<i32>) -> anyhow::Result<()> {
    match code {
        Some(0) => Ok(()),
        Some(1) => bail!("the verification has findings; {GUIDE} says how to read them"),
        Some(code) => bail!("no verdict was reached (exit code {code}); the reason stands above"),
        None => bail!("no verdict was reached: the verifier was killed by a signal"),
    }
}

/// Returns the error that the exit code of the self-test stands for.
fn self_verdict(code: Option<i32>) -> anyhow::Result<()> {
    match code {
        Some(0) => Ok(()),
        Some(1) => bail!("the verification missed planted faults, or found something where nothing is wrong"),
        Some(code) => bail!("the self-test reached no verdict (exit code {code}); the reason stands above"),
        None => bail!("the self-test reached no verdict: it was killed by a signal"),
    }
}

/// Returns the command that plants faults and looks for them: a step of `cargo xtask test`.
pub(crate) fn self_test(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace);
    command.args(["run", "--quiet", "--locked", "--package", "steadfast-planted"]);
    command
}

/// The verifier at the small scale, held against what the server has seen of the tests, and against what their processes
/// have recorded in the file `binds`: a step of `cargo xtask test`.
pub(crate) fn after_tests(workspace: &Workspace, binds: Option<&Path>) -> Command {
    let mut verifier = verifier(workspace);
    verifier.arg("--coverage");
    if let Some(binds) = binds {
        verifier.arg("--binds").arg(binds);
    }
    verifier
}

fn verifier(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace);
    command.args(["run", "--quiet", "--locked", "--package", "steadfast-verifier", "--"]);
    command.arg("--json").arg(workspace.state("plans.json"));
    command
}

/// A server of the command's own, which is gone with the value.
fn start(workspace: &Workspace, version: Option<u16>) -> anyhow::Result<Server> {
    let binaries = PostgresBinaries::find(version, &PostgresBinaries::npm_folder(workspace.root()))?;
    println!("verify: PostgreSQL {}", binaries.major());
    Ok(Server::start(ServerOptions::private().binaries(binaries))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn server(flags: &[&str]) -> Option<String> {
        let line =
            Line::try_parse_from(["verify-indexes"].iter().chain(flags)).expect("flags that go together");
        given(&line.arguments, Some("postgres://environment".to_owned()))
    }

    #[test]
    fn the_server_of_the_environment_is_taken_unless_another_one_is_asked_for() {
        assert_eq!(server(&[]).as_deref(), Some("postgres://environment"));
        assert_eq!(server(&["--postgres", "18"]), None);
        assert_eq!(server(&["--database-url", "postgres://flag"]).as_deref(), Some("postgres://flag"));
        let both = Line::try_parse_from(["verify-indexes", "--postgres", "18", "--database-url", "url"]);
        assert!(both.is_err(), "a server has its version");
    }

    #[test]
    fn only_exit_code_one_means_findings() {
        assert!(verdict(Some(0)).is_ok() && self_verdict(Some(0)).is_ok());
        let said = |code| verdict(code).expect_err("no success").to_string();
        assert!(said(Some(1)).contains("has findings; docs/plan-gate.md"));
        assert!(Workspace::find().expect("the workspace").root().join(GUIDE).is_file());
        assert!(said(Some(2)).contains("no verdict") && said(Some(101)).contains("no verdict"));
        assert!(said(None).contains("no verdict"));
        let said = |code| self_verdict(code).expect_err("no success").to_string();
        assert!(said(Some(1)).contains("missed planted faults"));
        assert!(said(Some(2)).contains("no verdict") && said(None).contains("no verdict"));
    }
}
