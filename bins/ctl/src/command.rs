//! The commands of the program.

use crate::api_key::ApiKey;
use crate::audit::Audit;
use crate::import::{Import, Rollback};
#[cfg(feature = "seed")]
use crate::seed::Seed;
use crate::user::User;
use anyhow::Context;
use clap::Subcommand;
use steadfast_app::LockWait;
use steadfast_app::settings::read_session;
use steadfast_repository::Store;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Applies the migrations. Safe to repeat; waits for a concurrent migration, and up to 90 s for locks of other
    /// sessions.
    Migrate,
    /// Imports public data.
    #[command(subcommand)]
    Import(Import),
    /// Reactivates the previous release of public data.
    #[command(subcommand)]
    Rollback(Rollback),
    /// Creates, lists, verifies, rotates and revokes API keys.
    #[command(subcommand)]
    ApiKey(ApiKey),
    /// Verifies the audit trail.
    #[command(subcommand)]
    Audit(Audit),
    /// Creates, lists and deactivates users, sets their passwords and revokes their sessions.
    #[command(subcommand)]
    User(User),
    /// Replaces the contents of the tables by generated, deterministic data for measurements.
    #[cfg(feature = "seed")]
    Seed(Seed),
}

impl Command {
    /// Runs the command on the database at `url` and prints the outcome.
    pub(crate) async fn run(self, url: &str) -> anyhow::Result<()> {
        // Connected for every command, so that all of them reject a bad URL in the same way.
        let session = read_session(&|name| std::env::var(name).ok(), "steadfast-ctl")?;
        let store = Store::connect_with(url, session.clone()).context("DATABASE_URL cannot be used")?;
        match self {
            Self::Migrate => {
                let on_wait = |wait: &LockWait| {
                    eprintln!("no lock for the migration {wait}, retrying in {} s", wait.pause.as_secs());
                };
                let applied = steadfast_app::migrate(url, &session, on_wait).await?;
                println!("{} migrations applied", applied.len());
                Ok(())
            }
            Self::Import(import) => import.run(&store).await,
            Self::Rollback(rollback) => rollback.run(&store).await,
            Self::ApiKey(api_key) => api_key.run(&store).await,
            Self::Audit(audit) => audit.run(&store).await,
            Self::User(user) => user.run(&store).await,
            #[cfg(feature = "seed")]
            Self::Seed(seed) => seed.run(url).await,
        }
    }
}
