//! The table of SQLSTATE classes, each row provoked on a real server.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{Error, Operation, Read, Write};
use support::{Forest, insert};

const READ: Operation<Read> = Operation::read("trees.look").statements(2);
const WRITE: Operation<Write> = Operation::write("trees.provoke").statements(9);

fn class_and_code(error: &Error) -> (Class, String) {
    (error.class(), error.sqlstate().map(|code| code.to_string()).unwrap_or_default())
}

/// Runs `sql` in a transaction and returns the class and code of its error.
async fn provoke(forest: &Forest, sql: &str) -> (Class, String) {
    let error = forest.db.write(&WRITE, async |conn| conn.batch_execute(sql).await).await.expect_err(sql);
    class_and_code(&error)
}

#[tokio::test]
async fn sqlstates_have_documented_classes() -> Result<()> {
    let forest =
        Forest::with(|settings| settings.retry = steadfast_postgres::resilience::Retry::none()).await?;
    forest
        .looker
        .batch_execute(
            "INSERT INTO trees VALUES (1, 0);
         CREATE EXTENSION IF NOT EXISTS btree_gist;
         CREATE TABLE nests (tree int8 NOT NULL REFERENCES trees, eggs int CHECK (eggs > 0), branch int,
                             EXCLUDE USING gist (branch WITH =))",
        )
        .await?;
    forest.looker.batch_execute("INSERT INTO nests VALUES (1, 1, 1)").await?;
    for (sql, class, code) in [
        ("INSERT INTO trees VALUES (1, 0)", Class::Duplicate, "23505"),
        ("INSERT INTO nests VALUES (99, 1, 2)", Class::Conflict, "23503"),
        ("DELETE FROM trees WHERE id = 1", Class::Conflict, "23503"),
        ("INSERT INTO nests VALUES (1, 0, 3)", Class::Conflict, "23514"),
        ("INSERT INTO nests VALUES (NULL, 1, 4)", Class::Conflict, "23502"),
        ("INSERT INTO nests VALUES (1, 1, 1)", Class::Conflict, "23P01"),
        ("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)", Class::Timeout, "57014"),
        ("SET TRANSACTION READ ONLY; DELETE FROM nests", Class::Unavailable, "25006"),
        ("SELECT 1 / 0", Class::Fault, "22012"),
        ("SELECT * FROM no_such_table", Class::Fault, "42P01"),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", Class::Overload, "53100"),
        ("DO $$ BEGIN RAISE SQLSTATE '08006'; END $$", Class::Unavailable, "08006"),
        // Errors that end sessions cannot all be provoked, so the server raises them on request.
        ("DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$", Class::Unavailable, "57P01"),
        ("DO $$ BEGIN RAISE SQLSTATE '57P02'; END $$", Class::Unavailable, "57P02"),
        ("DO $$ BEGIN RAISE SQLSTATE '57P03'; END $$", Class::Unavailable, "57P03"),
        ("DO $$ BEGIN RAISE SQLSTATE '57P04'; END $$", Class::Unavailable, "57P04"),
    ] {
        assert_eq!(provoke(&forest, sql).await, (class, code.to_owned()), "{sql}");
    }
    Ok(())
}

#[tokio::test]
async fn lock_timeout_and_serialization_failure_are_deadlocks() -> Result<()> {
    let forest =
        Forest::with(|settings| settings.retry = steadfast_postgres::resilience::Retry::none()).await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0)").await?;
    forest.looker.batch_execute("BEGIN; UPDATE trees SET height_cm = 1").await?;
    let waiting = "SET LOCAL lock_timeout = 20; UPDATE trees SET height_cm = 2";
    assert_eq!(provoke(&forest, waiting).await, (Class::Deadlock, "55P03".to_owned()));
    let looker = &forest.looker;
    let stale = forest.db.write(&WRITE, async |conn| {
        conn.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM trees").await?;
        looker.batch_execute("COMMIT").await.expect("committed concurrently");
        conn.batch_execute("UPDATE trees SET height_cm = 3").await
    });
    let error = stale.await.expect_err("the row was changed concurrently");
    assert_eq!(class_and_code(&error), (Class::Deadlock, "40001".to_owned()));
    Ok(())
}

#[tokio::test]
async fn terminated_session_is_replaced() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    let looker = &forest.looker;
    let killed = forest.db.write(&WRITE, async |conn| {
        insert(1).execute(conn).await?;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'steadfast'";
        looker.batch_execute(kill).await.expect("terminated");
        sql_query("SELECT pg_sleep(1)").execute(conn).await
    });
    let error = killed.await.expect_err("terminated");
    assert_eq!(class_and_code(&error), (Class::Unavailable, "57P01".to_owned()), "{error}");
    forest.db.write(&WRITE, async |conn| insert(2).execute(conn).await).await?;
    assert_eq!(forest.trees().await?, [2]);
    Ok(())
}

/// Waits until the server has ended every session of the pool.
async fn no_session_is_left(forest: &Forest) {
    let sql = "SELECT count(*) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'steadfast'";
    for _ in 0..1_000 {
        if forest.looker.query_one(sql, &[]).await.expect("a count").get::<_, i64>(0) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server ends no session");
}

#[tokio::test]
async fn idle_in_transaction_timeout_is_not_retried() -> Result<()> {
    let forest = Forest::new().await?;
    let attempts = AtomicU32::new(0);
    let idle = forest.db.write(&WRITE, async |conn| {
        attempts.fetch_add(1, Relaxed);
        conn.batch_execute("SET LOCAL idle_in_transaction_session_timeout = 30").await?;
        no_session_is_left(&forest).await;
        insert(1).execute(conn).await
    });
    let error = idle.await.expect_err("the server ended the session");
    assert_eq!(class_and_code(&error), (Class::Timeout, "25P03".to_owned()), "{error}");
    assert_eq!(attempts.into_inner(), 1);
    forest.db.write(&WRITE, async |conn| insert(2).execute(conn).await).await?;
    assert_eq!(forest.trees().await?, [2]);
    Ok(())
}

#[tokio::test]
async fn idle_session_timeout_does_not_affect_next_borrower() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    let hurry = "SET idle_session_timeout = 30";
    let idle = forest.db.read(&READ, async |conn| {
        conn.batch_execute(hurry).await?;
        no_session_is_left(&forest).await;
        sql_query("SELECT 1").execute(conn).await
    });
    let error = idle.await.expect_err("the server ended the session");
    assert_eq!(class_and_code(&error), (Class::Timeout, "57P05".to_owned()), "{error}");
    // The session ends while it is idle in the pool.
    forest.db.read(&READ, async |conn| conn.batch_execute(hurry).await).await?;
    no_session_is_left(&forest).await;
    forest.db.read(&READ, async |conn| sql_query("SELECT 1").execute(conn).await).await?;
    Ok(())
}
