//! The embedded migrations: applied in order, by one process at a time.

mod blockers;

pub use blockers::{Blocker, LockWait};

use blockers::Blockers;
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
use std::time::Duration;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// The files of all migrations, names and texts, so that a change of any of them changes the fingerprint.
const TEXTS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// The lock under which migrations run. Advisory locks are per database, so two databases do not wait for each other.
const LOCK: i64 = 0x5354_4541_4446;

/// How long another process may migrate before the next one gives up: longer than a migration of a large table should
/// take, shorter than a deployment waits for its containers. Migrations themselves have no such limit.
const LOCK_PATIENCE: &str = "10min";

/// How long and how often a migration waits for a lock.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Limit of one wait. Others queue up behind a migration that waits, so this bounds how long they stand still.
    lock_timeout: Duration,
    /// Number of tries.
    tries: u32,
    /// Pause after the first try, in which those who queued up go on. It doubles with each try.
    pause: Duration,
    /// Longest pause.
    pause_max: Duration,
}

/// A minute and a half in all.
const PATIENCE: Patience = Patience {
    lock_timeout: Duration::from_secs(3),
    tries: 10,
    pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(10),
};

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
    /// Others held a lock that a migration needs for as long as it was tried.
    #[error(
        "no lock for the migration {0}, which was tried {tries} times. Wait for the end of what these sessions do, or end \
         them with pg_terminate_backend, and migrate again",
        tries = PATIENCE.tries
    )]
    Locked(LockWait),
}

/// Applies the migrations that the database at `url` lacks, over plain connections; see [`migrate_on`].
///
/// # Errors
/// Returns [`MigrateError`] if the database cannot be reached or brought up to date.
pub async fn migrate(url: &str) -> Result<Vec<String>, MigrateError> {
    let conn = AsyncPgConnection::establish(url).await?;
    migrate_on(conn, AsyncPgConnection::establish(url).await?, |_| ()).await
}

/// Applies the migrations that the database of `conn` lacks, and returns their versions. Waits for another process that
/// does the same. Lifts the session's limits of time, because a migration takes what it takes.
///
/// Only waiting for locks is limited: a migration that does not get one within 3 s is rolled back and tried again after a
/// pause, ten times in all, so that nobody else waits longer behind it. `watcher` is a second connection to the same
/// database, on which the sessions in the way are looked up; `on_wait` is called with them before each pause.
///
/// # Errors
/// Returns [`MigrateError`] if a migration fails or gets no lock. Each migration runs in a transaction of its own, and
/// those before stay applied.
pub async fn migrate_on<C>(
    conn: C,
    watcher: C,
    on_wait: impl Fn(&LockWait) + Send + 'static,
) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    migrate_with(conn, watcher, PATIENCE, on_wait).await
}

async fn migrate_with<C>(
    conn: C,
    watcher: C,
    patience: Patience,
    on_wait: impl Fn(&LockWait) + Send + 'static,
) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    // diesel's harness blocks inside its runtime, which only a multi-thread one allows: it gets one of its own.
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(apply(conn, watcher, patience, on_wait))
    };
    tokio::task::spawn_blocking(run).await.map_err(|error| MigrateError::Migration(Box::new(error)))?
}

async fn apply<C>(
    mut conn: C,
    watcher: C,
    patience: Patience,
    on_wait: impl Fn(&LockWait),
) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    // Held by the session, so it is gone with the process whatever happens.
    take_lock(&mut conn, LOCK_PATIENCE).await?;
    let limit = format!("SET lock_timeout = {}", patience.lock_timeout.as_millis());
    conn.batch_execute(&limit).await.map_err(MigrateError::Lock)?;
    let blockers = Blockers::watch(&mut conn, watcher).await.map_err(MigrateError::Lock)?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let mut versions = Vec::new();
    for migration in harness.pending_migrations(MIGRATIONS).map_err(MigrateError::Migration)? {
        run(&mut harness, &*migration, patience, &blockers, &on_wait).await?;
        versions.push(migration.name().version().to_string());
    }
    Ok(versions)
}

/// Runs one migration, again and again while it gets no lock.
async fn run<H: MigrationHarness<Pg>>(
    harness: &mut H,
    migration: &dyn Migration<Pg>,
    patience: Patience,
    blockers: &Blockers,
    on_wait: impl Fn(&LockWait),
) -> Result<(), MigrateError> {
    let mut pause = patience.pause;
    for tries_left in (0..patience.tries).rev() {
        blockers.forget();
        let Err(error) = harness.run_migration(migration) else { return Ok(()) };
        let migration = migration.name().to_string();
        let wait = match blockers.seen() {
            // In the server's language, so what was seen counts as well.
            blockers if is_lock_timeout(&*error) || !blockers.is_empty() => {
                LockWait { migration, blockers, pause }
            }
            _ => return Err(MigrateError::Migration(error)),
        };
        if tries_left == 0 {
            return Err(MigrateError::Locked(wait));
        }
        on_wait(&wait);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(patience.pause_max);
    }
    Ok(())
}

fn is_lock_timeout(error: &(dyn Error + Send + Sync)) -> bool {
    error.to_string().contains("lock timeout")
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
mod tests;
