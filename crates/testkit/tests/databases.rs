//! Tests of test databases.
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use steadfast_testkit::{Error, Server, TestDatabase};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn migrate(url: &str) -> Result<(), tokio_postgres::Error> {
    connect(url).await.batch_execute("CREATE TABLE trees (name text)").await
}

async fn names(server: &Server, pattern: &str) -> Vec<String> {
    let query = "SELECT datname::text FROM pg_database WHERE datname LIKE $1 ORDER BY 1";
    let rows = connect(&server.url("postgres")).await.query(query, &[&pattern]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

async fn reachable(url: &str) -> bool {
    tokio_postgres::connect(url, NoTls).await.is_ok()
}

#[tokio::test]
async fn parallel_copies_are_isolated() {
    let clone = async |rows: i64| {
        let database = TestDatabase::from_template("parallel", 1, migrate).await.unwrap();
        let client = connect(&database.url()).await;
        let insert = "INSERT INTO trees SELECT 'oak' FROM generate_series(1, $1::bigint)";
        client.execute(insert, &[&rows]).await.unwrap();
        (database, client, rows)
    };
    let clones: [_; 4] = tokio::join!(clone(1), clone(2), clone(3), clone(4)).into();
    for (_database, client, rows) in &clones {
        let seen: i64 = client.query_one("SELECT count(*) FROM trees", &[]).await.unwrap().get(0);
        assert_eq!(seen, *rows);
    }
}

#[tokio::test]
async fn concurrent_callers_build_one_template() {
    let server = Server::private().unwrap();
    let built = AtomicU32::new(0);
    let count = async |url: &str| {
        built.fetch_add(1, Ordering::Relaxed);
        migrate(url).await
    };
    let clone = || TestDatabase::from_template_on(&server, "once", "v1", count);
    let (one, two, three, four) = tokio::join!(clone(), clone(), clone(), clone());
    for database in [&one, &two, &three, &four] {
        let client = connect(&database.as_ref().unwrap().url()).await;
        client.batch_execute("INSERT INTO trees VALUES ('oak')").await.unwrap();
    }
    assert_eq!(built.into_inner(), 1);
}

#[tokio::test]
async fn copies_have_rows_and_ids_of_original() {
    let original = TestDatabase::from_template("copied", 1, migrate).await.unwrap();
    let trees = "SELECT 'trees'::regclass::oid, count(*) FROM trees";
    let client = connect(&original.url()).await;
    client.batch_execute("INSERT INTO trees VALUES ('oak')").await.unwrap();
    let before = client.query_one(trees, &[]).await.unwrap();
    drop(client);
    let copy = original.copy().await.unwrap();
    let client = connect(&copy.url()).await;
    let after = client.query_one(trees, &[]).await.unwrap();
    let (id, count): (u32, i64) = (before.get(0), before.get(1));
    assert_eq!((after.get::<_, u32>(0), after.get::<_, i64>(1)), (id, count));
    client.batch_execute("DELETE FROM trees").await.unwrap();
    let untouched = connect(&original.url()).await.query_one(trees, &[]).await.unwrap();
    assert_eq!(untouched.get::<_, i64>(1), 1);
}

#[tokio::test]
async fn program_has_its_own_role() {
    let database = TestDatabase::from_template("owned", 1, migrate).await.unwrap();
    // It sends nothing, so that the statistics contain only the program under test.
    let _program = connect(&database.application_url()).await;
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()";
    let setting = "SELECT array_to_string(setconfig, ',') FROM pg_db_role_setting \
         WHERE setrole = $1::text::regrole AND setdatabase = 0";
    let client = connect(&database.url()).await;
    let role = steadfast_testkit::APPLICATION_ROLE;
    let sessions: i64 = client.query_one(sessions, &[&role]).await.unwrap().get(0);
    let settings: String = client.query_one(setting, &[&role]).await.unwrap().get(0);
    assert_eq!((sessions, &*settings), (1, "pg_stat_statements.track_utility=off"));
}

#[tokio::test]
async fn fingerprints_replace_templates() {
    let server = Server::private().unwrap();
    drop(TestDatabase::from_template_on(&server, "versions", 1, migrate).await.unwrap());
    let before = names(&server, "versions%").await;
    drop(TestDatabase::from_template_on(&server, "versions", 2, migrate).await.unwrap());
    let after = names(&server, "versions%").await;
    assert_eq!((before.len(), after.len()), (1, 1));
    assert_ne!(before, after);
}

#[tokio::test]
async fn failed_migration_leaves_nothing() {
    let server = Server::private().unwrap();
    let fail = async |_: &str| Err("the forest burns");
    let error = TestDatabase::from_template_on(&server, "burnt", 1, fail).await.unwrap_err();
    assert!(matches!(error, Error::Migration { .. }));
    assert!(error.to_string().contains("the forest burns"), "{error}");
    assert_eq!(names(&server, "burnt%").await, [""; 0]);
    assert_eq!(names(&server, "t\\_%").await, [""; 0]);
    TestDatabase::from_template_on(&server, "burnt", 1, migrate).await.unwrap();
}

#[tokio::test]
async fn open_sessions_of_migrations_do_not_block_copies() {
    let server = Server::private().unwrap();
    let left = std::sync::Mutex::new(None);
    let leave_open = async |url: &str| {
        let client = connect(url).await;
        client.batch_execute("CREATE TABLE trees (name text)").await?;
        *left.lock().unwrap() = Some(client);
        Ok::<(), tokio_postgres::Error>(())
    };
    let database = TestDatabase::from_template_on(&server, "open", 1, leave_open).await.unwrap();
    connect(&database.url()).await.batch_execute("SELECT name FROM trees").await.unwrap();
}

#[tokio::test]
async fn drop_ends_open_sessions() {
    let database = TestDatabase::empty().await.unwrap();
    let url = database.url();
    let client = connect(&url).await;
    drop(database);
    assert!(!reachable(&url).await);
    assert!(client.batch_execute("SELECT 1").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_drops_database() {
    let (send, receive) = tokio::sync::oneshot::channel();
    let panicked = tokio::spawn(async {
        let database = TestDatabase::empty().await.unwrap();
        send.send(database.url()).unwrap();
        panic!("a test that fails");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert!(!reachable(&receive.await.unwrap()).await);
}

#[tokio::test]
async fn drop_ignores_stopped_server() {
    let server = Server::private().unwrap();
    let database = TestDatabase::from_template_on(&server, "gone", 1, migrate).await.unwrap();
    drop(server);
    drop(database);
}

#[tokio::test]
async fn rejects_prefixes_that_need_quoting() {
    let refused = TestDatabase::from_template("no\"quotes", 1, migrate).await;
    assert!(matches!(refused, Err(Error::BadName { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_first_callers_get_databases() {
    let server = Arc::new(Server::private().unwrap());
    let mut first = JoinSet::new();
    for number in 0..8 {
        let (server, prefix) = (server.clone(), format!("first{number}"));
        first.spawn(async move { TestDatabase::from_template_on(&server, &prefix, 1, migrate).await });
    }
    while let Some(database) = first.join_next().await {
        database.unwrap().unwrap();
    }
}
