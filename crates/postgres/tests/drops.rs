//! Cancelled callers: at every step of every kind of unit of work, many at once, and inside transactions.

#[path = "support/address.rs"]
mod address;
#[path = "support/connecting.rs"]
mod connecting;
#[path = "support/sessions.rs"]
mod sessions;
#[path = "support/steps.rs"]
mod steps;
#[path = "support/stolen.rs"]
mod stolen;
mod support;

use address::url;
use anyhow::{Result, ensure};
use connecting::ConnectTimes;
use futures_util::future::{join_all, try_join, try_join_all};
use sessions::{client, others_become, quiet, sessions, sessions_become};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::result::Error as DieselError;
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{Backoff, Retry};
use steadfast_postgres::tokio_postgres::Client;
use steadfast_postgres::{
    CloseReason, Conn, Db, DbSettings, Error, Operation, PoolSettings, Read, Write, cached,
};
use steps::{End, drop_at, never_stuck};
use stolen::StolenTime;
use support::{Forest, insert};

const READ: Operation<Read> = Operation::read("trees.read");
const READ_TWO: Operation<Read> = Operation::read("trees.read_two").statements(2);
const SNAPSHOT: Operation<Read> = Operation::read("trees.compare").snapshot().statements(2);
const WRITE: Operation<Write> = Operation::write("trees.write").statements(2);
const BULK: Operation<Write> = Operation::write("trees.bulk").statements(9);

/// Borrows every connection of a pool of two and checks that none is in a transaction, where a savepoint would be
/// allowed.
async fn next_borrowers_are_in_no_transaction(db: &Db) -> Result<()> {
    let savepoint = || db.read(&READ, async |conn| conn.batch_execute("SAVEPOINT inherited").await);
    for outcome in join_all([savepoint(), savepoint()]).await {
        let code = outcome.as_ref().err().and_then(Error::sqlstate).map(|code| code.to_string());
        ensure!(code.as_deref() == Some("25P01"), "inherited a transaction: {outcome:?}");
    }
    // After an error, a connection is returned when the rest of its answer was received.
    let began = Instant::now();
    while db.health().pool.checked_out > 0 {
        ensure!(began.elapsed() < Duration::from_secs(10), "a slot is lost: {:?}", db.health().pool);
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Drops `unit` at its first step, at its second, and so on until it completes. Returns the number of steps and the
/// longest time until the server was idle. The unit waits for the server at least `waits` times.
async fn drop_at_every_step<T, F: Future<Output = Result<T, Error>>>(
    forest: &Forest,
    waits: usize,
    unit: impl FnMut(usize) -> F,
) -> Result<(usize, Duration)> {
    drop_until(forest, waits, End::Finished, unit, never_stuck).await
}

/// Drops `unit` like [`drop_at_every_step`] until it ends as `expected`; `stuck` returns true if it can make no step.
async fn drop_until<
    T,
    F: Future<Output = Result<T, Error>>,
    S: Future<Output = Result<()>> + Send + 'static,
>(
    forest: &Forest,
    waits: usize,
    expected: End,
    mut unit: impl FnMut(usize) -> F,
    stuck: impl Fn() -> S,
) -> Result<(usize, Duration)> {
    let (stolen, mut longest) = (StolenTime::watch(), Duration::ZERO);
    for step in 1..500 {
        let end = drop_at(step, unit(step), stuck()).await?;
        ensure!(forest.db.health().pool.checked_out == 0, "a slot is lost at step {step}");
        next_borrowers_are_in_no_transaction(&forest.db).await?;
        longest = longest.max(quiet(forest, Duration::from_secs(1), &stolen).await?);
        if end != End::Dropped {
            next_borrowers_are_in_no_transaction(&forest.db).await?;
            ensure!(end == expected, "{end:?} at step {step}");
            ensure!(step > waits, "the {waits} waits were not seen, but only {step} steps");
            return Ok((step, longest));
        }
    }
    anyhow::bail!("500 steps and no end")
}

/// Returns a forest with two open connections.
async fn two_slots() -> Result<Forest> {
    let forest = Forest::with(|settings| {
        settings.pool.pool_size = 2;
        settings.retry =
            Retry::new(3, Backoff::exponential(Duration::from_millis(1), Duration::from_millis(2)));
    })
    .await?;
    next_borrowers_are_in_no_transaction(&forest.db).await?;
    Ok(forest)
}

async fn count(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT id FROM trees")).execute(conn).await
}

async fn pipelined(conn: &mut Conn) -> QueryResult<(usize, usize)> {
    let (mut one, mut other) = (&*conn, &*conn);
    try_join(
        cached(sql_query("SELECT 1")).execute(&mut one),
        cached(sql_query("SELECT 2")).execute(&mut other),
    )
    .await
}

fn print_steps(kind: &str, (steps, longest): (usize, Duration)) {
    println!("{kind}: {steps} steps, idle after at most {:.1} ms", longest.as_secs_f64() * 1e3);
}

#[tokio::test]
async fn read_dropped_at_any_step_leaks_nothing() -> Result<()> {
    let forest = two_slots().await?;
    let db = &forest.db;
    print_steps("read", drop_at_every_step(&forest, 1, |_| db.read(&READ, count)).await?);
    let uncached = || async |conn: &mut Conn| sql_query("SELECT 3").execute(conn).await;
    print_steps("read, not cached", drop_at_every_step(&forest, 2, |_| db.read(&READ, uncached())).await?);
    print_steps("pipelined", drop_at_every_step(&forest, 1, |_| db.read(&READ_TWO, pipelined)).await?);
    let twice = || {
        async |conn: &mut Conn| {
            count(conn).await?;
            count(conn).await
        }
    };
    print_steps("snapshot", drop_at_every_step(&forest, 4, |_| db.read(&SNAPSHOT, twice())).await?);
    Ok(())
}

#[tokio::test]
async fn write_dropped_at_any_step_is_atomic() -> Result<()> {
    let forest = two_slots().await?;
    let db = &forest.db;
    let plant_two = |step: usize| async move {
        let id = 2 * step as i64;
        let planted = db.write(&WRITE, async |conn| {
            insert(id).execute(conn).await?;
            insert(id + 1).execute(conn).await
        });
        planted.await
    };
    print_steps("write", drop_at_every_step(&forest, 4, plant_two).await?);
    assert_whole_pairs(&forest.trees().await?);
    Ok(())
}

/// Asserts that each pair of trees was planted together or not at all.
fn assert_whole_pairs(trees: &[i64]) {
    let is_whole = |pair: &[i64]| pair.len() == 2 && pair[1] == pair[0] + 1 && pair[0] % 2 == 0;
    assert!(!trees.is_empty() && trees.chunks(2).all(is_whole), "{trees:?}");
}

#[tokio::test]
async fn write_with_savepoints_dropped_at_any_step_is_atomic() -> Result<()> {
    let forest = two_slots().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (0, 0), (1, 0)").await?;
    let db = &forest.db;
    let around_a_duplicate = |step: usize| async move {
        let id = 2 * step as i64;
        let planted = db.write(&BULK, async |conn| {
            insert(id).execute(conn).await?;
            _ = conn.savepoint(async |conn| insert(1).execute(conn).await).await;
            insert(id + 1).execute(conn).await
        });
        planted.await
    };
    // BEGIN, INSERT, SAVEPOINT, INSERT, ROLLBACK TO, INSERT, COMMIT.
    print_steps("savepoint", drop_at_every_step(&forest, 7, around_a_duplicate).await?);
    assert_whole_pairs(&forest.trees().await?);
    let good_ones = |step: usize| async move {
        let id = 2_000 + 2 * step as i64;
        let plant = async |conn: &mut Conn, ids: &[i64]| {
            let rows: Vec<_> = ids.iter().map(|id| format!("({id}, 100)")).collect();
            let sql = format!("INSERT INTO trees (id, height_cm) VALUES {}", rows.join(", "));
            sql_query(sql).execute(conn).await
        };
        db.write(&BULK, async |conn| conn.insert_valid(&[id, 1, id + 1], plant).await).await
    };
    // All three are refused, then the last two; each part has a savepoint.
    print_steps("bulk", drop_at_every_step(&forest, 12, good_ones).await?);
    assert_whole_pairs(&forest.trees().await?);
    Ok(())
}

#[tokio::test]
async fn retried_write_dropped_at_any_step_leaks_nothing() -> Result<()> {
    let forest = two_slots().await?;
    let db = &forest.db;
    let serialization_failure = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$";
    let repeated = |step: usize| async move {
        let attempts = AtomicU32::new(0);
        let planted = db.write(&WRITE, async |conn| {
            if attempts.fetch_add(1, SeqCst) == 0 {
                conn.batch_execute(serialization_failure).await?;
            }
            insert(step as i64).execute(conn).await
        });
        planted.await
    };
    print_steps("write, repeated", drop_at_every_step(&forest, 7, repeated).await?);
    Ok(())
}

#[tokio::test]
async fn write_dropped_during_lock_wait_leaks_nothing() -> Result<()> {
    let forest = two_slots().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0)").await?;
    let holder = client(&forest).await?;
    holder.batch_execute("BEGIN; UPDATE trees SET height_cm = 1 WHERE id = 1").await?;
    let db = &forest.db;
    let grow = || {
        async |conn: &mut Conn| {
            cached(sql_query("UPDATE trees SET height_cm = 2 WHERE id = 1")).execute(conn).await
        }
    };
    let looker = Arc::new(client(&forest).await?);
    let stuck = || {
        let looker = looker.clone();
        async move { sessions_become(&looker, "wait_event_type = 'Lock'", 1).await }
    };
    // BEGIN, then the UPDATE that waits.
    let behind = drop_until(&forest, 2, End::DroppedStuck, |_| db.write(&WRITE, grow()), stuck).await?;
    print_steps("write behind a lock", behind);
    holder.batch_execute("COMMIT").await?;
    assert_eq!(forest.looker.query_one("SELECT height_cm FROM trees", &[]).await?.get::<_, i32>(0), 1);
    Ok(())
}

#[tokio::test]
async fn connect_dropped_at_any_step_leaks_nothing() -> Result<()> {
    let forest = two_slots().await?;
    let url = url(&forest).await?;
    for step in 1..500 {
        let mut settings = DbSettings { pool: PoolSettings::sized(2, 0), ..DbSettings::default() };
        settings.pool.session.application_name = "cold".to_owned();
        let cold = Db::new(&url, settings)?;
        let end = drop_at(step, cold.read(&READ, count), never_stuck()).await?;
        assert_eq!(cold.health().pool.checked_out, 0, "a slot is lost at step {step}");
        next_borrowers_are_in_no_transaction(&cold).await?;
        // Every session of the server belongs to a slot. The one whose connect was dropped may still be ending.
        others_become(&forest.looker, || cold.health().pool.open).await?;
        drop(cold);
        others_become(&forest.looker, || 0).await?;
        if end != End::Dropped {
            println!("connect: {step} steps");
            assert_eq!(end, End::Finished);
            assert!(step > 4, "connecting is more than {step} steps");
            return Ok(());
        }
    }
    anyhow::bail!("500 steps and no end")
}

#[tokio::test]
async fn cancelled_caller_passes_its_permit_to_next() -> Result<()> {
    let forest = two_slots().await?;
    let db = &forest.db;
    let free = tokio::sync::Notify::new();
    let hold = || {
        db.read(&READ, async |_| {
            free.notified().await;
            Ok(())
        })
    };
    let holders = async { try_join(hold(), hold()).await };
    let leavers = async {
        while db.health().pool.checked_out < 2 {
            tokio::task::yield_now().await;
        }
        for steps in 1..4 {
            let soon = async {
                tokio::time::sleep(Duration::from_millis(60)).await;
                Ok(())
            };
            assert_ne!(drop_at(steps, db.read(&READ, count), soon).await?, End::Finished);
            assert_eq!(db.health().pool.waiting, 0);
        }
        free.notify_one();
        free.notify_one();
        next_borrowers_are_in_no_transaction(db).await
    };
    let (held, left) = futures_util::future::join(holders, leavers).await;
    held?;
    left?;
    let state = db.health().pool;
    assert_eq!((state.checked_out, state.opened), (0, 2), "{state:?}");
    Ok(())
}

/// Counts the sessions of the pool repeatedly and stores the maximum.
async fn watch_sessions(looker: &Client, most: &AtomicI64, done: &AtomicBool) -> Result<()> {
    while !done.load(SeqCst) {
        most.fetch_max(sessions(looker, "true").await?, SeqCst);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn next_caller_is_served_after_mass_cancellation() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 10).await?;
    let (watcher, stolen) = (client(&forest).await?, StolenTime::watch());
    let connects = ConnectTimes::watch(url(&forest).await?);
    let db = &forest.db;
    let (most, done) = (AtomicI64::new(0), AtomicBool::new(false));
    // All ten sessions are open, so the first ten callers abandon a running statement.
    let together = tokio::sync::Barrier::new(10);
    let meet = || {
        db.read(&READ, async |_| {
            together.wait().await;
            Ok(())
        })
    };
    try_join_all((0..10).map(|_| meet())).await?;
    let leaving = async {
        let sleep = || db.read(&READ, async |conn| sql_query("SELECT pg_sleep(30)").execute(conn).await);
        let callers = (0..200).map(|_| tokio::time::timeout(Duration::from_millis(100), sleep()));
        assert!(join_all(callers).await.iter().all(Result::is_err), "all of them left");
        let left = Instant::now();
        db.read(&READ, count).await?;
        // It may need a replacement for a session whose statement was cancelled.
        let next_after = stolen.own(left, left.elapsed());
        let next_after = next_after.saturating_sub(connects.longest(left, Instant::now()));
        quiet(&forest, Duration::from_secs(1), &stolen).await?;
        let quiet_after = stolen.own(left, left.elapsed());
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(quiet_after)).await;
        assert_eq!(sessions(&forest.looker, "state = 'active'").await?, 0, "active one second later");
        let again = Instant::now();
        try_join_all((0..10).map(|_| db.read(&READ, count))).await?;
        let ten_after = stolen.own(again, again.elapsed());
        // Nine of them may need a replacement, of which four are opened concurrently.
        let ten_after = ten_after.saturating_sub(3 * connects.longest(again, Instant::now()));
        done.store(true, SeqCst);
        anyhow::Ok((next_after, quiet_after, ten_after))
    };
    let ((next_after, quiet_after, ten_after), ()) =
        try_join(leaving, watch_sessions(&watcher, &most, &done)).await?;
    let state = db.health().pool;
    println!(
        "200 left: next borrower {next_after:?}, quiet {quiet_after:?}, ten borrowers a second later {ten_after:?}, \
         most sessions {most:?} of 10, opened {}",
        state.opened
    );
    assert!(next_after <= Duration::from_millis(100), "the next borrower waited {next_after:?}");
    assert!(ten_after <= Duration::from_millis(100), "ten borrowers a second later waited {ten_after:?}");
    assert!(most.into_inner() <= 10, "more sessions than the pool may have");
    assert!(state.closed_for(CloseReason::Abandoned) >= 10, "{state:?}");
    assert!(state.opened <= 20, "{} connections for ten slots", state.opened);
    Ok(())
}

/// Starts `unit` in ten callers, drops them all once ten sessions are `left_in` this state (if `None`, each completes),
/// and checks that nothing leaks.
async fn ten_leave<F, T: Debug>(
    what: &str,
    left_in: Option<&str>,
    mut unit: impl FnMut() -> F,
    forest: &Forest,
) -> Result<()>
where
    F: Future<Output = Result<T, Error>>,
{
    let watcher = client(forest).await?;
    let (most, done) = (AtomicI64::new(0), AtomicBool::new(false));
    let leaving = async {
        let callers = join_all((0..10).map(|_| unit()));
        match left_in {
            None => ensure!(callers.await.iter().all(Result::is_ok), "{what}: not all callers succeeded"),
            Some(state) => tokio::select! {
                outcomes = callers => anyhow::bail!("{what}: {outcomes:?}, although the callers should wait"),
                ten_are_there = sessions_become(&forest.looker, state, 10) => ten_are_there?,
            },
        }
        let left = Instant::now();
        let next =
            join_all((0..10).map(|_| {
                forest.db.read(&READ, async |conn| conn.batch_execute("SAVEPOINT inherited").await)
            }));
        for outcome in next.await {
            let code = outcome.as_ref().err().and_then(Error::sqlstate).map(|code| code.to_string());
            ensure!(code.as_deref() == Some("25P01"), "{what}: inherited a transaction: {outcome:?}");
        }
        let next_after = left.elapsed();
        tokio::time::sleep(Duration::from_millis(500).saturating_sub(left.elapsed())).await;
        let open = sessions(&forest.looker, "xact_start IS NOT NULL").await?;
        done.store(true, SeqCst);
        Ok((next_after, open))
    };
    let ((next_after, open), ()) = try_join(leaving, watch_sessions(&watcher, &most, &done)).await?;
    println!("{what}: next ten {next_after:?}, open after 0.5 s {open}, most sessions {most:?} of 10");
    ensure!(open == 0, "{what}: {open} transactions are open");
    ensure!(most.into_inner() <= 10, "{what}: more sessions than the pool may have");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_transactions_are_rolled_back() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 10).await?;
    let (db, ids) = (&forest.db, AtomicI64::new(1));
    let plant = async |conn: &mut Conn| insert(ids.fetch_add(1, SeqCst)).execute(conn).await;
    let pausing = || {
        db.write(&WRITE, async |conn| {
            plant(conn).await?;
            std::future::pending::<QueryResult<()>>().await
        })
    };
    let idle = Some("state = 'idle in transaction' AND query LIKE 'INSERT%'");
    ten_leave("left while pausing", idle, pausing, &forest).await?;
    let running = || {
        db.write(&WRITE, async |conn| {
            plant(conn).await?;
            sql_query("SELECT pg_sleep(10)").execute(conn).await
        })
    };
    let sleeping = Some("state = 'active' AND wait_event = 'PgSleep'");
    ten_leave("left while a statement runs", sleeping, running, &forest).await?;
    let raw = || {
        db.read(&READ_TWO, async |conn| {
            conn.batch_execute("BEGIN").await?;
            plant(conn).await
        })
    };
    ten_leave("a raw BEGIN", None, raw, &forest).await?;
    let raw_pausing = || {
        db.read(&READ_TWO, async |conn| {
            conn.batch_execute("BEGIN").await?;
            plant(conn).await?;
            std::future::pending::<Result<(), DieselError>>().await
        })
    };
    ten_leave("a raw BEGIN, left while pausing", idle, raw_pausing, &forest).await?;
    assert_eq!(forest.trees().await?, [0; 0], "nothing was stored");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_close_no_connection() -> Result<()> {
    let forest = Forest::new().await?;
    let fail = || async |conn: &mut Conn| conn.batch_execute("SELECT 1 / 0").await;
    for _ in 0..500 {
        let failed = join_all((0..4).map(|_| forest.db.read(&READ, fail()))).await;
        assert!(failed.iter().all(|outcome| outcome.as_ref().is_err_and(|error| error.sqlstate().is_some())));
    }
    let state = forest.db.health().pool;
    assert_eq!(state.opened, 4, "{state:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn uncached_statements_close_no_connection() -> Result<()> {
    let forest = Forest::new().await?;
    for _ in 0..500 {
        let text = async |conn: &mut Conn| sql_query("SELECT 4").execute(conn).await;
        try_join(forest.db.read(&READ, text), forest.db.read(&READ, text)).await?;
    }
    assert!(forest.db.health().pool.opened <= 2, "{:?}", forest.db.health().pool);
    Ok(())
}
