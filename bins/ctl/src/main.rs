//! Operations on a database of Steadfast: migrate it, import public data, make and withdraw API keys.

mod api_key;
mod import;

use anyhow::Context;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use steadfast_repository::Store;

/// Operations on a database of Steadfast.
#[derive(Parser)]
#[command(name = "steadfast-ctl", version)]
struct Cli {
    /// The database, as postgres://user:password@host/name.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "DATABASE_URL")]
    database_url: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Brings the tables up to date. Safe to repeat; waits for another one that does the same.
    Migrate,
    /// Fills tables with public data.
    #[command(subcommand)]
    Import(import::Import),
    /// Makes, tests and withdraws API keys.
    #[command(subcommand)]
    ApiKey(api_key::ApiKey),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command, &cli.database_url).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

async fn run(command: Command, url: &str) -> anyhow::Result<()> {
    // Made for every command, also for those that reach the database another way: a bad URL is one refusal for all.
    let store = Store::connect(url).context("DATABASE_URL cannot be used")?;
    match command {
        Command::Migrate => println!("{} migrations applied", steadfast_schema::migrate(url).await?.len()),
        Command::Import(import) => import.run(&store).await?,
        Command::ApiKey(api_key) => api_key.run(&store).await?,
    }
    Ok(())
}

/// Whether the caller can mend it by giving something else.
fn is_usage(error: &anyhow::Error) -> bool {
    error.is::<steadfast_domain::Invalid>() || error.is::<steadfast_repository::UrlError>()
}
