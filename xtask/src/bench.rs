//! `cargo xtask bench NAME`: what the project's promises cost, measured beside others of their kind.

mod peers;

use crate::cargo::cargo;
use crate::workspace::Workspace;
use anyhow::{Context as _, ensure};

/// What `bench` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, clap::Subcommand)]
enum Benchmark {
    /// A call through the circuit breaker, beside the breakers of other libraries.
    Resilience,
    /// A unit of work as shipped, beside plain diesel-async on held connections and other pools. Takes six minutes.
    Postgres {
        /// Rounds of a second instead of five, and five pairs: for a first look.
        #[arg(long)]
        quick: bool,
    },
    /// The HTTP endpoint as shipped, beside bare axum with the same statement and JSON, health and cached answers beside
    /// a bare handler. Takes eight minutes.
    Http {
        /// Five rounds of a second instead of 15 of three: for a first look.
        #[arg(long)]
        quick: bool,
    },
    /// Seeding a million rows, beside a plain COPY of the same rows with CREATE INDEX and ANALYZE. Takes five minutes.
    Seed {
        /// A tenth of the rows and three pairs: for a first look.
        #[arg(long)]
        quick: bool,
    },
    /// The search of ICD-10-CM by HTTP over the full table, beside the statement of the system before; and how well it finds
    /// what was meant. Takes six minutes.
    Terminology {
        /// One round instead of five: for a first look.
        #[arg(long)]
        quick: bool,
    },
}

/// Runs one benchmark, which prints its table.
///
/// # Errors
/// When it cannot be built or misses one of its goals.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.benchmark {
        Benchmark::Resilience => peers::run(workspace, "resilience", &[]),
        Benchmark::Postgres { quick: false } => peers::run(workspace, "postgres", &[]),
        Benchmark::Postgres { quick: true } => peers::run(workspace, "postgres", &["--quick"]),
        Benchmark::Http { quick: false } => peers::run(workspace, "http", &[]),
        Benchmark::Http { quick: true } => peers::run(workspace, "http", &["--quick"]),
        Benchmark::Seed { quick } => {
            own(workspace, &["steadfast-repository", "--features", "cases"], "seed", quick)
        }
        Benchmark::Terminology { quick } => own(workspace, &["steadfast-api"], "terminology", quick),
    }
}

/// It measures the project itself, so it stands beside what it measures and is built like it.
fn own(workspace: &Workspace, package: &[&str], name: &str, quick: bool) -> anyhow::Result<()> {
    let mut bench = cargo(workspace);
    bench.args(["bench", "--quiet", "--package"]).args(package).args(["--bench", name, "--"]);
    let status = bench.args(quick.then_some("--quick")).status().context("cargo cannot be run")?;
    ensure!(status.success(), "the benchmark {name} ended with {status}");
    Ok(())
}
