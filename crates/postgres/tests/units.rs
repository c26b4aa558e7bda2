//! Units of work on a real server: commit, rollback, retries and deadlines.

mod support;

use anyhow::Result;
use futures_util::future::try_join;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{CloseReason, Conn, Error, Operation, Read, Write, cached};
use support::{Forest, insert};
use tokio::sync::Barrier;

const READ: Operation<Read> = Operation::read("trees.read");
const READ_TWO: Operation<Read> = Operation::read("trees.read_two").statements(2);
const SNAPSHOT: Operation<Read> = Operation::read("trees.compare").snapshot().statements(2);
const WRITE: Operation<Write> = Operation::write("trees.write").statements(2);
const IN_HASTE: Operation<Write> =
    Operation::write("trees.write_in_haste").deadline(Duration::from_millis(300));
const READ_IN_HASTE: Operation<Read> =
    Operation::read("trees.read_in_haste").deadline(Duration::from_millis(300));

/// Waits until `expected` sessions of the pool satisfy `condition`; returns false after three seconds.
async fn sessions_become(forest: &Forest, condition: &str, expected: i64) -> Result<bool> {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'steadfast' AND ({condition})"
    );
    for _ in 0..150 {
        if forest.looker.query_one(&sql, &[]).await?.get::<_, i64>(0) == expected {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(false)
}

async fn count(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT id FROM trees")).execute(conn).await
}

#[tokio::test]
async fn error_rolls_back_whole_write() -> Result<()> {
    let forest = Forest::new().await?;
    forest.db.write(&WRITE, async |conn| insert(1).execute(conn).await).await?;
    let failed = forest.db.write(&WRITE, async |conn| {
        insert(2).execute(conn).await?;
        insert(1).execute(conn).await
    });
    let error = failed.await.expect_err("a duplicate");
    assert_eq!((error.class(), error.key()), (Class::Duplicate, Some("trees_pkey")));
    assert_eq!(error.to_string(), "SQLSTATE 23505 (duplicate) on trees_pkey");
    assert_eq!(forest.trees().await?, [1]);
    Ok(())
}

#[tokio::test]
async fn ignored_statement_error_fails_unit() -> Result<()> {
    let forest = Forest::new().await?;
    forest.db.write(&WRITE, async |conn| insert(1).execute(conn).await).await?;
    let swallowed = forest.db.write(&WRITE, async |conn| {
        insert(2).execute(conn).await?;
        _ = insert(1).execute(conn).await;
        Ok(())
    });
    let error = swallowed.await.expect_err("COMMIT was answered by ROLLBACK");
    assert!(
        matches!(&error, Error::RolledBack { sqlstate: Some(code), .. } if code.as_str() == "23505"),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("was ignored: INSERT INTO trees (id, height_cm) VALUES (1, 100)"),
        "{error}"
    );
    assert_eq!(forest.trees().await?, [1]);
    Ok(())
}

#[tokio::test]
async fn deadlocked_transactions_are_both_committed() -> Result<()> {
    let forest = Forest::new().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0), (2, 0)").await?;
    let (meet, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let grow = |first: i64, second: i64| {
        let (db, meet, attempts) = (&forest.db, &meet, &attempts);
        async move {
            db.write(&WRITE, async |conn| {
                let attempt = attempts.fetch_add(1, Relaxed);
                let step = |id: i64| {
                    cached(sql_query(format!("UPDATE trees SET height_cm = height_cm + 1 WHERE id = {id}")))
                };
                step(first).execute(conn).await?;
                if attempt < 2 {
                    meet.wait().await;
                }
                step(second).execute(conn).await
            })
            .await
        }
    };
    try_join(grow(1, 2), grow(2, 1)).await?;
    let sum: i64 = forest.looker.query_one("SELECT sum(height_cm) FROM trees", &[]).await?.get(0);
    assert_eq!((sum, attempts.into_inner()), (4, 3), "one of them ran twice");
    Ok(())
}

#[tokio::test]
async fn slow_write_ends_at_deadline() -> Result<()> {
    let forest = Forest::new().await?;
    let slow = forest.db.write(&IN_HASTE, async |conn| {
        insert(1).execute(conn).await?;
        sql_query("SELECT pg_sleep(30)").execute(conn).await
    });
    let error = tokio::time::timeout(Duration::from_secs(5), slow).await?.expect_err("too slow");
    assert_eq!(error.class(), Class::Timeout, "{error}");
    assert!(sessions_become(&forest, "state = 'active' OR state LIKE 'idle in%'", 0).await?);
    assert_eq!(forest.trees().await?, [0; 0]);
    Ok(())
}

#[tokio::test]
async fn abandoned_read_is_cancelled_on_server() -> Result<()> {
    let forest = Forest::new().await?;
    let slow =
        forest.db.read(&READ_IN_HASTE, async |conn| sql_query("SELECT pg_sleep(30)").execute(conn).await);
    assert!(matches!(slow.await, Err(Error::Deadline { .. })));
    let slow = forest.db.read(&READ, async |conn| sql_query("SELECT pg_sleep(30)").execute(conn).await);
    assert!(tokio::time::timeout(Duration::from_millis(200), slow).await.is_err(), "the caller leaves");
    assert!(sessions_become(&forest, "state = 'active'", 0).await?);
    Ok(())
}

#[tokio::test]
async fn dropped_transaction_is_not_inherited() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    let pausing = forest.db.write(&WRITE, async |conn| {
        insert(1).execute(conn).await?;
        std::future::pending::<QueryResult<()>>().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), pausing).await.is_err());
    assert!(sessions_become(&forest, "state LIKE 'idle in%'", 0).await?);
    assert_eq!(forest.db.read(&READ, count).await?, 0);
    Ok(())
}

#[tokio::test]
async fn raw_begin_is_not_inherited() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    forest
        .db
        .read(&READ_TWO, async |conn| {
            conn.batch_execute("BEGIN").await?;
            insert(1).execute(conn).await
        })
        .await?;
    assert_eq!(forest.db.read(&READ, count).await?, 0, "the next borrower inherits no transaction");
    assert!(sessions_become(&forest, "state LIKE 'idle in%'", 0).await?);
    Ok(())
}

/// Returns the process ids of the sessions of the pool.
async fn backends(forest: &Forest) -> Result<Vec<i32>> {
    let sql = "SELECT pid FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'steadfast'";
    Ok(forest.looker.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

#[tokio::test]
async fn connection_with_failed_raw_transaction_is_closed() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    forest.db.read(&READ, count).await?;
    for (retired, after_the_failure) in [
        // The transaction stays failed and the error is ignored.
        (1, ""),
        // The error is 25P02: the transaction has failed and its owner continued.
        (2, "SELECT 1"),
        // The error is 25P02 and the transaction is ended: its owner cannot know what was stored.
        (3, "SELECT 1; ROLLBACK"),
    ] {
        let before = backends(&forest).await?;
        let left = forest.db.read(&READ_TWO, async |conn| {
            conn.batch_execute("BEGIN").await?;
            conn.batch_execute("SELECT 1 / 0").await.expect_err("division by zero");
            for statement in after_the_failure.split("; ").filter(|statement| !statement.is_empty()) {
                _ = conn.batch_execute(statement).await;
            }
            Ok(conn.last_sqlstate().map(|code| code.to_string()))
        });
        let code = if after_the_failure.is_empty() { "22012" } else { "25P02" };
        assert_eq!(left.await?.as_deref(), Some(code));
        let next = forest.db.read(&READ, async |conn| conn.batch_execute("SAVEPOINT inherited").await).await;
        let code = next.expect_err("outside of a transaction there is no savepoint").sqlstate();
        assert_eq!(code.map(|code| code.to_string()).as_deref(), Some("25P01"));
        // Checked only now, because the end of a failed answer is received after the connection was returned.
        assert_eq!(forest.db.health().pool.closed_for(CloseReason::Broken), retired, "{after_the_failure}");
        let after = backends(&forest).await?;
        assert!(before.len() == 1 && after.len() == 1 && before != after, "{before:?}, then {after:?}");
    }
    Ok(())
}

#[tokio::test]
async fn snapshot_statements_see_same_data() -> Result<()> {
    let forest = Forest::new().await?;
    let looker = &forest.looker;
    let seen = forest.db.read(&SNAPSHOT, async |conn| {
        let before = count(conn).await?;
        looker.batch_execute("INSERT INTO trees VALUES (1, 0)").await.expect("planted beside");
        Ok((before, count(conn).await?))
    });
    assert_eq!(seen.await?, (0, 0));
    assert_eq!(forest.db.read(&READ, count).await?, 1);
    let refused = forest.db.read(&SNAPSHOT, async |conn| insert(2).execute(conn).await).await;
    assert_eq!(refused.expect_err("read only").sqlstate().expect("a code").as_str(), "25006");
    Ok(())
}

#[tokio::test]
async fn check_capacity_compares_pool_with_server_limits() -> Result<()> {
    let forest = Forest::new().await?;
    let allowed = forest.db.check_capacity(1, 10).await?;
    assert_eq!((allowed.ceiling, allowed.is_enough()), (4, true));
    assert_eq!(allowed.share(), allowed.max_connections - allowed.reserved);
    let crowded = forest.db.check_capacity(allowed.share() / 4 + 1, 10).await?;
    assert!(!crowded.is_enough(), "{crowded:?}");
    Ok(())
}

#[tokio::test]
async fn statements_are_prepared_once_per_session() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let seen = forest.db.read(&READ_TWO, async |conn| {
            let before = conn.wire_counts();
            let (mut one, mut other) = (&*conn, &*conn);
            let (first, second) = (cached(sql_query("SELECT 1")), cached(sql_query("SELECT 2")));
            try_join(first.execute(&mut one), second.execute(&mut other)).await?;
            let after = conn.wire_counts();
            let sent = (
                after.executes - before.executes,
                after.prepares - before.prepares,
                after.simple - before.simple,
            );
            Ok((conn.statements(), sent))
        });
        counts.push(seen.await?);
    }
    assert_eq!(counts, [(2, (2, 2, 0)), (2, (2, 0, 0)), (2, (2, 0, 0))]);
    Ok(())
}

#[tokio::test]
async fn read_future_is_smaller_than_a_kilobyte() -> Result<()> {
    let forest = Forest::new().await?;
    let read =
        forest.db.read(&READ, async |conn| cached(sql_query("SELECT id FROM trees")).execute(conn).await);
    // The future is copied into the caller's future, and beyond a kilobyte malloc does not use its small bins.
    let size = std::mem::size_of_val(&read);
    assert!(size < 1_024, "{size} bytes");
    read.await?;
    Ok(())
}
