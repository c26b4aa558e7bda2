//! Tests of migrations with concurrent processes, concurrent readers and invalid rows.

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use steadfast_testkit::TestDatabase;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Timeout that no step reaches, even on a busy machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Migrations of product keys that acquire locks, newest first.
const ON_KEYS: [&str; 3] = [
    "2026-11-21-001400_keys_products",
    "2026-11-21-001300_keys_format_validated",
    "2026-11-21-001200_keys_format_check",
];

/// Returns a database that lacks the migrations [`ON_KEYS`].
async fn outdated() -> TestDatabase {
    let database = TestDatabase::from_template("steadfast", fingerprint(), async |url: &str| {
        migrate(url).await.map(|_| ())
    })
    .await
    .unwrap();
    let mut conn = session(&database).await;
    for name in ON_KEYS {
        let down = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        conn.batch_execute(&std::fs::read_to_string(format!("{down}/{name}/down.sql")).unwrap())
            .await
            .unwrap();
        let version = name.split('_').next().unwrap().replace('-', "");
        let forget = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{version}'");
        conn.batch_execute(&forget).await.unwrap();
    }
    database
}

async fn session(database: &TestDatabase) -> AsyncPgConnection {
    AsyncPgConnection::establish(&database.url()).await.unwrap()
}

/// Starts a migration, and counts its lock timeouts.
async fn start(
    database: &TestDatabase,
    policy: LockPolicy,
) -> (JoinHandle<Result<Vec<String>, MigrateError>>, Arc<AtomicU32>) {
    let (conn, watcher) = (session(database).await, session(database).await);
    let waits = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&waits);
    let on_wait = move |_: &LockWait| _ = counter.fetch_add(1, Relaxed);
    (tokio::spawn(migrate_with(conn, watcher, policy, on_wait)), waits)
}

/// Waits until `sql` selects true.
async fn until(conn: &mut AsyncPgConnection, sql: &str) {
    let holds = async {
        while !diesel::select(diesel::dsl::sql::<Bool>(sql)).get_result::<bool>(conn).await.unwrap() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TEST_TIMEOUT, holds).await.unwrap_or_else(|_| panic!("never true: {sql}"));
}

#[tokio::test]
async fn wait_for_other_process_is_limited() {
    let database = TestDatabase::empty().await.unwrap();
    let mut hung = session(&database).await;
    let mut next = session(&database).await;
    lock(&mut hung, PROCESS_LOCK_TIMEOUT).await.unwrap();
    let error = lock(&mut next, "50ms").await.unwrap_err();
    assert!(matches!(error, MigrateError::Lock(_)), "{error}");
    assert!(error.to_string().contains("another process is migrating"), "{error}");
    drop(hung);
    lock(&mut next, PROCESS_LOCK_TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn migration_behind_long_reader_does_not_block_others() {
    let database = outdated().await;
    let (mut reader, mut others) = (session(&database).await, session(&database).await);
    reader.batch_execute("BEGIN; SELECT FROM pidms_keys").await.unwrap();
    let lock_timeout = Duration::from_millis(500);
    let (migrating, waits) =
        start(&database, LockPolicy { lock_timeout, attempts: u32::MAX, ..LOCK_POLICY }).await;
    let is_queued = "EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database \
        WHERE datname = current_database() AND relation = 'pidms_keys'::regclass AND NOT granted)";
    until(&mut others, is_queued).await;
    // Both queue behind the migration, while the reader's transaction stays open.
    for statement in ["SELECT FROM pidms_keys", "UPDATE pidms_keys SET remaining = 0"] {
        timeout(TEST_TIMEOUT, others.batch_execute(statement)).await.expect(statement).unwrap();
    }
    assert!(!migrating.is_finished());
    reader.batch_execute("COMMIT").await.unwrap();
    assert_eq!(timeout(TEST_TIMEOUT, migrating).await.unwrap().unwrap().unwrap().len(), ON_KEYS.len());
    assert!(AtomicU32::load(&waits, Relaxed) > 0);
}

#[tokio::test]
async fn lock_timeout_names_blocking_sessions() {
    let database = outdated().await;
    let (mut reader, mut observer) = (session(&database).await, session(&database).await);
    reader
        .batch_execute("SET application_name = 'monthly report'; BEGIN; SELECT FROM pidms_keys")
        .await
        .unwrap();
    let pid = diesel::dsl::sql::<diesel::sql_types::Integer>("pg_backend_pid()");
    let pid: i32 = diesel::select(pid).get_result(&mut reader).await.unwrap();
    let lock_timeout = Duration::from_secs(2);
    let policy = LockPolicy { lock_timeout, attempts: 2, pause: Duration::from_millis(1), ..LOCK_POLICY };
    let (migrating, waits) = start(&database, policy).await;
    let error = timeout(TEST_TIMEOUT, migrating).await.unwrap().unwrap().unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, MigrateError::Locked(_)), "{text}");
    assert!(text.contains("2026-11-21-001200_keys_format_check"), "{text}");
    assert!(text.contains(&format!("process {pid} (user ")), "{text}");
    assert!(text.contains("program \"monthly report\", idle in transaction, transaction of "), "{text}");
    assert_eq!(AtomicU32::load(&waits, Relaxed), 1);
    assert_eq!(pending_on(&mut observer).await.unwrap().len(), ON_KEYS.len(), "nothing was applied");
}

#[tokio::test]
async fn migration_names_invalid_keys() {
    let database = outdated().await;
    let mut conn = session(&database).await;
    let odd = "INSERT INTO pidms_keys (keyname, keyname_with_dash, prd) VALUES ('odd', '', 'A')";
    conn.batch_execute(odd).await.unwrap();
    let error = migrate(&database.url()).await.unwrap_err().to_string();
    assert!(error.contains("pidms_keys has 1 row(s) whose keyname is not 25"), "{error}");
    assert!(error.contains("the first with id 1. List them with SELECT id FROM pidms_keys WHERE"), "{error}");
    assert!(conn.batch_execute(odd).await.is_err(), "the constraint rejects new rows");
    conn.batch_execute("DELETE FROM pidms_keys WHERE keyname = 'odd'").await.unwrap();
    assert_eq!(migrate(&database.url()).await.unwrap().len(), 2, "the remaining migrations");
    let is_valid = "(SELECT convalidated FROM pg_constraint WHERE conname = 'pidms_keys_keyname_is_key')";
    until(&mut conn, is_valid).await;
}
