//! `cargo xtask bench NAME`: what the project's promises cost, measured beside others of their kind. One file a name.

mod resilience;

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
}

/// Runs one benchmark, which prints its table.
///
/// # Errors
/// When it cannot be built or misses one of its goals.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    match arguments.benchmark {
        Benchmark::Resilience => resilience::run(workspace),
    }
}
