//! What the program can be told to do.

use crate::api_key::ApiKey;
use crate::import::{Import, Rollback};
#[cfg(feature = "seed")]
use crate::seed::Seed;
use anyhow::Context;
use clap::Subcommand;
use steadfast_app::LockWait;
use steadfast_app::settings::read_session;
use steadfast_repository::Store;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Brings the tables up to date. Safe to repeat; waits for another one that does the same, and for a minute and a half
    /// for locks that others hold.
    Migrate,
    /// Fills tables with public data.
    #[command(subcommand)]
    Import(Import),
    /// Puts the former release of public data in use again.
    #[command(subcommand)]
    Rollback(Rollback),
    /// Makes, tests and withdraws API keys.
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Replaces what is in the tables by made-up data, the same each time, to measure on.
    #[cfg(feature = "seed")]
    Seed(Seed),
}

impl Command {
    /// Does it to the database at `url` and prints the outcome.
    pub(crate) async fn run(self, url: &str) -> anyhow::Result<()> {
        // Made for every command, also for those that reach the database another way: a bad URL is one refusal for all.
        let session = read_session(&|name| std::env::var(name).ok(), "steadfast-ctl")?;
        let store = Store::connect_with(url, session.clone()).context("DATABASE_URL cannot be used")?;
        match self {
            Self::Migrate => {
                let on_wait = |wait: &LockWait| {
                    eprintln!("no lock for the migration {wait}, trying again in {} s", wait.pause.as_secs());
                };
                let applied = steadfast_app::migrate(url, &session, on_wait).await?;
                println!("{} migrations applied", applied.len());
                Ok(())
            }
            Self::Import(import) => import.run(&store).await,
            Self::Rollback(rollback) => rollback.run(&store).await,
            Self::ApiKey(api_key) => api_key.run(&store).await,
            #[cfg(feature = "seed")]
            Self::Seed(seed) => seed.run(url).await,
        }
    }
}
