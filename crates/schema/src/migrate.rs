//! The embedded migrations: applied in order, by one process at a time.

use diesel::pg::Pg;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// The files of all migrations, names and texts, so that a change of any of them changes the fingerprint.
const TEXTS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The lock under which migrations run, in the server's space of advisory locks.
const LOCK: i64 = 0x5354_4541_4446;

/// Why the database could not be brought up to date. What was applied before the failing migration stays.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// No connection to the database.
    #[error("cannot connect to the database: {0}")]
    Connect(#[from] diesel::ConnectionError),
    /// No thread for the migrations could be started.
    #[error("cannot start a thread for migrations: {0}")]
    Runtime(#[from] std::io::Error),
    /// The lock that keeps two processes from migrating at once could not be had.
    #[error("cannot lock the database for migrations: {0}")]
    Lock(#[from] diesel::result::Error),
    /// A migration failed and was rolled back.
    #[error("a migration failed: {0}")]
    Migration(Box<dyn Error + Send + Sync>),
}

/// Applies the migrations that the database at `url` has not yet; gives their versions. Waits for another process that
/// does the same.
///
/// # Errors
/// [`MigrateError`]. Each migration runs in a transaction of its own.
pub async fn migrate(url: &str) -> Result<Vec<String>, MigrateError> {
    let url = url.to_owned();
    // diesel's harness blocks inside its runtime, which only a multi-thread one allows: it gets one of its own.
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(apply(&url))
    };
    tokio::task::spawn_blocking(run).await.map_err(|error| MigrateError::Migration(Box::new(error)))?
}

async fn apply(url: &str) -> Result<Vec<String>, MigrateError> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    // Held by the session, so it is gone with the process whatever happens.
    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = MigrationHarness::<Pg>::run_pending_migrations(&mut harness, MIGRATIONS);
    let versions = applied.map_err(MigrateError::Migration)?.iter().map(ToString::to_string).collect();
    Ok(versions)
}

/// A number that changes with every change of any migration: names template databases.
pub fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    TEXTS.hash(&mut hasher);
    hasher.finish()
}
