//! `cargo xtask bench NAME`: what the project's promises cost, measured beside others of their kind.

mod peers;

use crate::workspace::Workspace;

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
    }
}
