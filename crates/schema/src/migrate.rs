//! Applies the embedded migrations in order, in one process at a time.

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

/// Names and texts of all migration files, for the fingerprint.
const TEXTS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Key of the advisory lock under which migrations run. Advisory locks are per database.
const LOCK: i64 = 0x5354_4541_4446;

/// Maximum time to wait for another process that migrates: longer than the migration of a large table should take, and
/// shorter than a deployment waits for its containers. The duration of a migration itself is not limited.
const PROCESS_LOCK_TIMEOUT: &str = "10min";

/// Policy for lock timeouts and retries of a migration.
#[derive(Clone, Copy, Debug)]
struct LockPolicy {
    /// Maximum time to wait for a lock. Other sessions queue behind a waiting migration, so this limits their delay.
    lock_timeout: Duration,
    /// Maximum number of attempts.
    attempts: u32,
    /// Pause after the first attempt, in which queued sessions proceed. Doubles with each attempt.
    pause: Duration,
    /// Maximum pause.
    pause_max: Duration,
}

/// Default policy. Gives up after about a minute and a half.
const LOCK_POLICY: LockPolicy = LockPolicy {
    lock_timeout: Duration::from_secs(3),
    attempts: 10,
    pause: Duration::from_secs(1),
    pause_max: Duration::from_secs(10),
};

/// Failure to migrate the database. Migrations before the failed one remain applied.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The connection failed.
    #[error("cannot connect to the database: {0}")]
    Connect(#[from] diesel::ConnectionError),
    /// The thread for migrations could not be started.
    #[error("cannot start a thread for migrations: {0}")]
    Runtime(#[from] std::io::Error),
    /// The advisory lock, which allows one process to migrate at a time, could not be acquired.
    #[error(
        "cannot lock the database for migrations: {0}. If this is a timeout, another process is migrating the \
         database: find the holder of the advisory lock in pg_locks, wait for it or terminate it, and try again"
    )]
    Lock(#[source] diesel::result::Error),
    /// The list of applied migrations could not be read.
    #[error("cannot read the list of applied migrations: {0}")]
    Applied(#[source] diesel::result::Error),
    /// A migration failed and was rolled back.
    #[error("a migration failed: {0}")]
    Migration(Box<dyn Error + Send + Sync>),
    /// A migration did not acquire its locks in any attempt.
    #[error(
        "cannot acquire the locks of the migration {0} in {attempts} attempts. Wait until these sessions are done, or \
         terminate them with pg_terminate_backend, and migrate again",
        attempts = LOCK_POLICY.attempts
    )]
    Locked(LockWait),
}

/// Applies the pending migrations to the database at `url` over unencrypted connections; see [`migrate_on`].
///
/// # Errors
/// Returns [`MigrateError`] if a connection or a migration fails.
pub async fn migrate(url: &str) -> Result<Vec<String>, MigrateError> {
    let conn = AsyncPgConnection::establish(url).await?;
    migrate_on(conn, AsyncPgConnection::establish(url).await?, |_| ()).await
}

/// Applies the pending migrations to the database of `conn` and returns their versions. Waits for other processes that
/// migrate the same database.
///
/// Migrations have no statement timeout, but a lock timeout: a migration that does not acquire a lock within 3 s is
/// rolled back and retried after a pause, in up to ten attempts, so that other sessions do not queue behind it for
/// longer. `watcher` is a second connection to the same database, which looks up the blocking sessions; `on_wait` is
/// called with them before each pause.
///
/// # Errors
/// Returns [`MigrateError`] if a migration fails or does not acquire its locks. Each migration runs in its own
/// transaction, and earlier ones remain applied.
pub async fn migrate_on<C>(
    conn: C,
    watcher: C,
    on_wait: impl Fn(&LockWait) + Send + 'static,
) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    migrate_with(conn, watcher, LOCK_POLICY, on_wait).await
}

async fn migrate_with<C>(
    conn: C,
    watcher: C,
    policy: LockPolicy,
    on_wait: impl Fn(&LockWait) + Send + 'static,
) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    // diesel's harness calls `block_in_place`, which needs a multi-threaded runtime; the caller's may be another.
    let run = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(apply(conn, watcher, policy, on_wait))
    };
    tokio::task::spawn_blocking(run).await.map_err(|error| MigrateError::Migration(Box::new(error)))?
}

async fn apply<C>(
    mut conn: C,
    watcher: C,
    policy: LockPolicy,
    on_wait: impl Fn(&LockWait),
) -> Result<Vec<String>, MigrateError>
where
    C: AsyncConnection<Backend = Pg> + 'static,
    AsyncMigrationHarness<C>: MigrationHarness<Pg>,
{
    // A session lock: the server releases it if the process dies.
    lock(&mut conn, PROCESS_LOCK_TIMEOUT).await?;
    let limit = format!("SET lock_timeout = {}", policy.lock_timeout.as_millis());
    conn.batch_execute(&limit).await.map_err(MigrateError::Lock)?;
    let blockers = Blockers::watch(&mut conn, watcher).await.map_err(MigrateError::Lock)?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let mut versions = Vec::new();
    for migration in harness.pending_migrations(MIGRATIONS).map_err(MigrateError::Migration)? {
        run(&mut harness, &*migration, policy, &blockers, &on_wait).await?;
        versions.push(migration.name().version().to_string());
    }
    Ok(versions)
}

/// Runs a migration, with retries after lock timeouts.
async fn run<H: MigrationHarness<Pg>>(
    harness: &mut H,
    migration: &dyn Migration<Pg>,
    policy: LockPolicy,
    blockers: &Blockers,
    on_wait: impl Fn(&LockWait),
) -> Result<(), MigrateError> {
    let mut pause = policy.pause;
    for attempts_left in (0..policy.attempts).rev() {
        blockers.clear();
        let Err(error) = harness.run_migration(migration) else { return Ok(()) };
        let migration = migration.name().to_string();
        let wait = match blockers.seen() {
            // The text depends on the server's language, so blocking sessions are a sign of a lock timeout, too.
            blockers if is_lock_timeout(&*error) || !blockers.is_empty() => {
                LockWait { migration, blockers, pause }
            }
            _ => return Err(MigrateError::Migration(error)),
        };
        if attempts_left == 0 {
            return Err(MigrateError::Locked(wait));
        }
        on_wait(&wait);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(policy.pause_max);
    }
    Ok(())
}

fn is_lock_timeout(error: &(dyn Error + Send + Sync)) -> bool {
    error.to_string().contains("lock timeout")
}

async fn lock(conn: &mut impl SimpleAsyncConnection, timeout: &str) -> Result<(), MigrateError> {
    let sql = format!(
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = '{timeout}'; \
         SELECT pg_advisory_lock({LOCK}); SET lock_timeout = 0"
    );
    conn.batch_execute(&sql).await.map_err(MigrateError::Lock)
}

/// A row of diesel's list of applied migrations.
#[derive(diesel::QueryableByName)]
struct Applied {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Returns the names of the pending migrations in order, without changing anything.
///
/// Does not wait for a process that is migrating: migrations that it has not completed are pending.
///
/// # Errors
/// Returns [`MigrateError::Applied`] if the list of applied migrations cannot be read, for example because the user has
/// no permission.
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

/// Returns the versions of the applied migrations. Empty if the database was never migrated.
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

/// Returns a hash of all migrations. Tests use it in the names of template databases.
pub fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    TEXTS.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
