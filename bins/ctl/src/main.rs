//! Administration of a Steadfast database: migrations, imports, API keys, the audit trail.

mod api_key;
mod audit;
mod command;
mod exit;
mod import;
#[cfg(feature = "seed")]
mod seed;
mod servers_cache;
mod user;

use clap::Parser;
use std::process::ExitCode;
use steadfast_app::settings::unknown_variables;

/// Administration of a Steadfast database.
#[derive(Parser)]
#[command(
    name = "steadfast-ctl",
    version,
    after_help = "DB_TLS_CA_FILE and the other DB_* variables apply to sessions as they do in the server."
)]
struct Cli {
    /// Database, as postgres://user:password@host/name.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "DATABASE_URL")]
    database_url: String,
    #[command(subcommand)]
    command: command::Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    for unknown in unknown_variables() {
        eprintln!("warning: {unknown}");
    }
    match cli.command.run(&cli.database_url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::code(&error)
        }
    }
}
