//! The embedded migrations: applied in order, by one process at a time.

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel_async::{
    AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use std::collections::HashSet;
use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// The files of all migrations, names and texts, so that a change of any of them changes the fingerprint.
const TEXTS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The lock under which migrations run. Advisory locks are per database, so two databases do not wait for each other.
const LOCK: i64 = 0x5354_4541_4446;

/// How long another process may migrate before the next one gives up: longer than a migration of a large table should
/// take, shorter than a deployment waits for its containers. Migrations themselves have no such limit.
const LOCK_PATIENCE: &str = "10min";

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
    #[error(
        "cannot lock the database for migrations: {0}. If it was a timeout, another process migrates the database; \
         see who holds the advisory lock in pg_locks, wait for it or end it, and try again"
    )]
    Lock(#[source] diesel::result::Error),
    /// What was applied before cannot be read.
    #[error("cannot read which migrations were applied: {0}")]
    Applied(#[source] diesel::result::Error),
    /// A migration failed and was rolled back.
    #[error("a migration failed: {0}")]
    Migration(Box<dyn Error + Send + Sync>),
}

/// As [`migrate_on`], over a plain connection to `url`.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(url: &str) -> Result<Vec<String>, MigrateError> {
    migrate_on(AsyncPgConnection::establish(url).await?).await
}

/// Applies the migrations that the database has not yet which `conn` is connected to; gives their versions. Waits for
/// another process that does the same. The session's own limits of time are lifted: a migration takes what it takes.
///
/// # Errors
/// [`MigrateError`]. Each migration runs in a transaction of its own.
pub async fn migrate_on<C>(conn: C) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    // diesel's harness blocks inside its runtime, which only a multi-thread one allows: it gets one of its own.
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(apply(conn))
    };
    tokio::task::spawn_blocking(run).await.map_err(|error| MigrateError::Migration(Box::new(error)))?
}

async fn apply<C>(mut conn: C) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg>,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    // Held by the session, so it is gone with the process whatever happens.
    take_lock(&mut conn, LOCK_PATIENCE).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = harness.run_pending_migrations(MIGRATIONS);
    let versions = applied.map_err(MigrateError::Migration)?.iter().map(ToString::to_string).collect();
    Ok(versions)
}

async fn take_lock(conn: &mut impl SimpleAsyncConnection, patience: &str) -> Result<(), MigrateError> {
    let sql = format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '{patience}'; \
         SELECT pg_advisory_lock({LOCK}); SET lock_timeout = 0"
    );
    conn.batch_execute(&sql).await.map_err(MigrateError::Lock)
}

/// One row of the list that the migrations keep of themselves.
#[derive(diesel::QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// The names of the embedded migrations that the database has not which `conn` is connected to, in their order; nothing is
/// changed. Waits for nobody: while another process migrates, what it has not finished is pending.
///
/// # Errors
/// [`MigrateError::Applied`]; also when the user may not read the list.
pub async fn pending_on<C>(conn: &mut C) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg>,
{
    let applied = applied(conn).await.map_err(MigrateError::Applied)?;
    let embedded: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().map_err(MigrateError::Migration)?;
    let mut missing: Vec<String> = embedded
        .iter()
        .map(|migration| migration.name())
        .filter(|name| !applied.contains(&name.version().to_string()))
        .map(ToString::to_string)
        .collect();
    missing.sort();
    Ok(missing)
}

/// The versions that were applied; none to a database that was never migrated.
async fn applied<C>(conn: &mut C) -> diesel::QueryResult<HashSet<String>>
where
    C: AsyncConnection<Backend = Pg>,
{
    let is_there = diesel::dsl::sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL");
    if !diesel::select(is_there).get_result::<bool>(conn).await? {
        return Ok(HashSet::new());
    }
    let rows = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
    let rows: Vec<Applied> = rows.load(conn).await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

/// A number that changes with every change of any migration: names template databases.
pub fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    TEXTS.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_testkit::TestDatabase;

    #[tokio::test]
    async fn a_migration_that_hangs_is_not_waited_for_without_end() {
        let database = TestDatabase::empty().await.unwrap();
        let mut hung = AsyncPgConnection::establish(&database.url()).await.unwrap();
        let mut next = AsyncPgConnection::establish(&database.url()).await.unwrap();
        take_lock(&mut hung, LOCK_PATIENCE).await.unwrap();
        let error = take_lock(&mut next, "50ms").await.unwrap_err();
        assert!(matches!(error, MigrateError::Lock(_)), "{error}");
        assert!(error.to_string().contains("another process migrates"), "{error}");
        drop(hung);
        take_lock(&mut next, LOCK_PATIENCE).await.unwrap();
    }
}
