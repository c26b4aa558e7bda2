//! `cargo xtask bench NAME`: measures the cost of the library, next to alternatives.

mod peers;

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, clap::Subcommand)]
enum Benchmark {
    /// A call through the circuit breaker, compared with those of other libraries
    Resilience,
    /// A unit of work, compared with plain diesel-async and other pools. Takes six minutes
    Postgres {
        /// Run fewer and shorter rounds
        #[arg(long)]
        quick: bool,
    },
    /// The HTTP endpoint as shipped, beside bare axum with the same statement and JSON, health and cached answers beside
    /// a bare handler. Takes eight minutes.
    Http {
        /// Run five rounds instead of 45
        #[arg(long)]
        quick: bool,
        /// Count instructions and allocations per request instead. Needs valgrind
        #[arg(long, conflicts_with = "quick")]
        count: bool,
    },
    /// Every operation on a server with a million rows, alone and by 32 sessions at once. Takes ten minutes
    Queries {
        /// Use a tenth of the rows
        #[arg(long)]
        quick: bool,
    },
    /// Seeding a million rows, beside a plain COPY of the same rows with CREATE INDEX and ANALYZE. Takes five minutes.
    Seed {
        /// Use a tenth of the rows and fewer rounds
        #[arg(long)]
        quick: bool,
    },
    /// 1,000 connections at once on the list of 100,000 clients: time of the answers and memory of the server. Takes three
    /// minutes
    Load {
        /// Use a tenth of the rows and a third of the time
        #[arg(long)]
        quick: bool,
    },
    /// Speed and quality of the ICD-10-CM search over HTTP, compared with the statement of the previous system. Takes six
    /// minutes
    Terminology {
        /// Run one round instead of five
        #[arg(long)]
        quick: bool,
    },
}

/// Runs a benchmark, which prints its results.
///
/// # Errors
/// Returns an error if the benchmark cannot be built or misses one of its goals.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.benchmark {
        Benchmark::Resilience => peers::run(workspace, "resilience", &[]),
        Benchmark::Postgres { quick: false } => peers::run(workspace, "postgres", &[]),
        Benchmark::Postgres { quick: true } => peers::run(workspace, "postgres", &["--quick"]),
        Benchmark::Http { count: true, .. } => peers::run(workspace, "http", &["count"]),
        Benchmark::Http { quick: true, .. } => peers::run(workspace, "http", &["--quick"]),
        Benchmark::Http { .. } => peers::run(workspace, "http", &[]),
        Benchmark::Queries { quick } => own(workspace, &["steadfast-verifier"], "queries", quick),
        Benchmark::Seed { quick } => {
            own(workspace, &["steadfast-repository", "--features", "cases"], "seed", quick)
        }
        Benchmark::Load { quick } => own(workspace, &["steadfast-api"], "load", quick),
        Benchmark::Terminology { quick } => own(workspace, &["steadfast-api"], "terminology", quick),
    }
}

/// Runs a benchmark of a package of the workspace.
fn own(workspace: &Workspace, package: &[&str], name: &str, quick: bool) -> anyhow::Result<()> {
    let mut bench = cargo(workspace);
    bench.args(["bench", "--quiet", "--package"]).args(package).args(["--bench", name, "--"]);
    let status = bench.args(quick.then_some("--quick")).status().context("cannot run cargo")?;
    ensure!(status.success(), "the benchmark {name} ended with {status}");
    Ok(())
}
