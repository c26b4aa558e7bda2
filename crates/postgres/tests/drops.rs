//! Callers that leave: at every step of every kind of unit of work, in crowds, and in the middle of transactions.

mod support;

use anyhow::{Result, ensure};
use futures_util::future::{join_all, try_join, try_join_all};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::SeqCst};
use std::task::Poll;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::result::Error as DieselError;
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{Backoff, Retry};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{Conn, Db, DbSettings, Error, Operation, PoolSettings, cached};
use support::{Forest, insert};

const READ: Operation = Operation::read("trees.read");
const READ_TWO: Operation = Operation::read("trees.read_two").statements(2);
const SNAPSHOT: Operation = Operation::read("trees.compare").snapshot().statements(2);
const WRITE: Operation = Operation::write("trees.write").statements(2);

/// A unit of work that makes no step for so long waits for somebody else.
const STUCK: Duration = Duration::from_millis(60);

/// How a unit of work ended that is dropped at its k-th step.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Finished,
    Dropped,
    /// Dropped while it waited for somebody else: there is no later step.
    DroppedStuck,
}

/// Polls `work` until it was pending `steps` times, or is stuck, then drops it.
async fn drop_at<F: Future>(steps: usize, work: F) -> End {
    let (mut work, mut left) = (pin!(work), steps);
    let stepping = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(End::Finished),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(End::Dropped) } else { Poll::Pending }
        }
    });
    tokio::time::timeout(STUCK, stepping).await.unwrap_or(End::DroppedStuck)
}

async fn sessions(looker: &Client, condition: &str) -> Result<i64> {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND application_name = 'steadfast' AND ({condition})"
    );
    Ok(looker.query_one(&sql, &[]).await?.get(0))
}

/// The address of the forest's database.
async fn url(forest: &Forest) -> Result<String> {
    let row = forest.looker.query_one("SELECT inet_server_port(), current_database()::text", &[]).await?;
    Ok(format!("postgres://postgres@127.0.0.1:{}/{}", row.get::<_, i32>(0), row.get::<_, String>(1)))
}

/// One more session beside the pool.
async fn client(forest: &Forest) -> Result<Client> {
    let (client, connection) = connect(&url(forest).await?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

const BUSY: &str = "state <> 'idle'";

/// Waits until no session of the pool works or has a transaction open; says how long that took.
async fn quiet(forest: &Forest, limit: Duration) -> Result<Duration> {
    let began = Instant::now();
    while sessions(&forest.looker, BUSY).await? > 0 {
        ensure!(
            began.elapsed() < limit,
            "{} sessions are busy after {limit:?}",
            sessions(&forest.looker, BUSY).await?
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(began.elapsed())
}

/// Takes every connection of a pool of two, and proves that none is in a transaction: there, a savepoint is allowed.
async fn next_borrowers_are_in_no_transaction(db: &Db) -> Result<()> {
    let savepoint = || db.read(&READ, async |conn| conn.batch_execute("SAVEPOINT inherited").await);
    for outcome in join_all([savepoint(), savepoint()]).await {
        let code = outcome.as_ref().err().and_then(Error::sqlstate).map(|code| code.to_string());
        ensure!(code.as_deref() == Some("25P01"), "in a foreign transaction: {outcome:?}");
    }
    // After an error a connection is back when the end of its answer has come.
    let began = Instant::now();
    while db.health().pool.checked_out > 0 {
        ensure!(began.elapsed() < Duration::from_secs(1), "a place is lost: {:?}", db.health().pool);
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Drops `unit` at its first step, at its second, and so on until it is through or waits for somebody else. Says at how
/// many, and the longest time until the server was quiet.
async fn drop_at_every_step<F: Future>(
    forest: &Forest,
    mut unit: impl FnMut(usize) -> F,
) -> Result<(usize, Duration)> {
    let mut longest = Duration::ZERO;
    for step in 1..500 {
        let end = drop_at(step, unit(step)).await;
        ensure!(forest.db.health().pool.checked_out == 0, "a place is lost at step {step}");
        next_borrowers_are_in_no_transaction(&forest.db).await?;
        longest = longest.max(quiet(forest, Duration::from_secs(1)).await?);
        if end != End::Dropped {
            next_borrowers_are_in_no_transaction(&forest.db).await?;
            return Ok((step, longest));
        }
    }
    anyhow::bail!("500 steps and no end")
}

/// A forest with two places, both warm.
async fn two_places() -> Result<Forest> {
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

fn told(kind: &str, (steps, longest): (usize, Duration)) {
    println!("{kind}: {steps} steps, quiet after {:.1} ms at the most", longest.as_secs_f64() * 1e3);
}

#[tokio::test]
async fn a_read_dropped_at_any_step_leaves_nothing() -> Result<()> {
    let forest = two_places().await?;
    let db = &forest.db;
    told("read", drop_at_every_step(&forest, |_| db.read(&READ, count)).await?);
    let uncached = || async |conn: &mut Conn| sql_query("SELECT 3").execute(conn).await;
    told("read, not cached", drop_at_every_step(&forest, |_| db.read(&READ, uncached())).await?);
    told("pipelined", drop_at_every_step(&forest, |_| db.read(&READ_TWO, pipelined)).await?);
    let twice = || {
        async |conn: &mut Conn| {
            count(conn).await?;
            count(conn).await
        }
    };
    told("snapshot", drop_at_every_step(&forest, |_| db.read(&SNAPSHOT, twice())).await?);
    Ok(())
}

#[tokio::test]
async fn a_write_dropped_at_any_step_is_kept_whole_or_not_at_all() -> Result<()> {
    let forest = two_places().await?;
    let db = &forest.db;
    let plant_two = |step: usize| async move {
        let id = 2 * step as i64;
        let planted = db.write(&WRITE, async |conn| {
            insert(id).execute(conn).await?;
            insert(id + 1).execute(conn).await
        });
        planted.await
    };
    told("write", drop_at_every_step(&forest, plant_two).await?);
    let trees = forest.trees().await?;
    assert!(
        trees.chunks(2).all(|pair| pair.len() == 2 && pair[1] == pair[0] + 1 && pair[0] % 2 == 0),
        "{trees:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_repeated_write_dropped_at_any_step_leaves_nothing() -> Result<()> {
    let forest = two_places().await?;
    let db = &forest.db;
    let in_the_way = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$";
    let repeated = |step: usize| async move {
        let attempts = AtomicU32::new(0);
        let planted = db.write(&WRITE, async |conn| {
            if attempts.fetch_add(1, SeqCst) == 0 {
                conn.batch_execute(in_the_way).await?;
            }
            insert(step as i64).execute(conn).await
        });
        planted.await
    };
    told("write, repeated", drop_at_every_step(&forest, repeated).await?);
    Ok(())
}

#[tokio::test]
async fn a_write_dropped_while_it_waits_for_a_lock_leaves_nothing() -> Result<()> {
    let forest = two_places().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0)").await?;
    let holder = client(&forest).await?;
    holder.batch_execute("BEGIN; UPDATE trees SET height_cm = 1 WHERE id = 1").await?;
    let db = &forest.db;
    let grow = || {
        async |conn: &mut Conn| {
            cached(sql_query("UPDATE trees SET height_cm = 2 WHERE id = 1")).execute(conn).await
        }
    };
    told("write behind a lock", drop_at_every_step(&forest, |_| db.write(&WRITE, grow())).await?);
    holder.batch_execute("COMMIT").await?;
    assert_eq!(forest.looker.query_one("SELECT height_cm FROM trees", &[]).await?.get::<_, i32>(0), 1);
    Ok(())
}

#[tokio::test]
async fn a_connect_dropped_at_any_step_loses_no_place_and_no_session() -> Result<()> {
    let forest = two_places().await?;
    let url = url(&forest).await?;
    for step in 1..500 {
        let settings = DbSettings { pool: PoolSettings::sized(2, 0), ..DbSettings::default() };
        let cold = Db::new(&url, settings)?;
        let end = drop_at(step, cold.read(&READ, count)).await;
        assert_eq!(cold.health().pool.checked_out, 0, "a place is lost at step {step}");
        next_borrowers_are_in_no_transaction(&cold).await?;
        if end == End::Finished {
            println!("connect: {step} steps");
            return Ok(());
        }
    }
    anyhow::bail!("500 steps and no end")
}

#[tokio::test]
async fn a_caller_that_leaves_the_queue_gives_its_turn_to_the_next() -> Result<()> {
    let forest = two_places().await?;
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
            assert_ne!(drop_at(steps, db.read(&READ, count)).await, End::Finished);
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

/// Looks at the sessions of the pool again and again; keeps the most that there ever were.
async fn watch_sessions(looker: &Client, most: &AtomicI64, done: &AtomicBool) -> Result<()> {
    while !done.load(SeqCst) {
        most.fetch_max(sessions(looker, "true").await?, SeqCst);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_leave_their_statements_and_the_next_one_is_served_at_once() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 10).await?;
    let watcher = client(&forest).await?;
    let db = &forest.db;
    let (most, done) = (AtomicI64::new(0), AtomicBool::new(false));
    let leaving = async {
        let sleep = || db.read(&READ, async |conn| sql_query("SELECT pg_sleep(30)").execute(conn).await);
        let callers = (0..200).map(|_| tokio::time::timeout(Duration::from_millis(100), sleep()));
        assert!(join_all(callers).await.iter().all(Result::is_err), "all of them left");
        let left = Instant::now();
        db.read(&READ, count).await?;
        let next_after = left.elapsed();
        let quiet_after = quiet(&forest, Duration::from_secs(1)).await?.max(left.elapsed());
        tokio::time::sleep(Duration::from_secs(1).saturating_sub(left.elapsed())).await;
        assert_eq!(sessions(&forest.looker, "state = 'active'").await?, 0, "active one second later");
        let again = Instant::now();
        try_join_all((0..10).map(|_| db.read(&READ, count))).await?;
        done.store(true, SeqCst);
        anyhow::Ok((next_after, quiet_after, again.elapsed()))
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
    assert!(state.opened <= 20, "{} connections for ten places", state.opened);
    Ok(())
}

/// Lets ten callers begin `unit`, drops them all after 0.2 s, and proves that nothing of them is left.
async fn ten_leave<F, T>(what: &str, mut unit: impl FnMut() -> F, forest: &Forest) -> Result<()>
where
    F: Future<Output = Result<T, Error>>,
{
    let watcher = client(forest).await?;
    let (most, done) = (AtomicI64::new(0), AtomicBool::new(false));
    let leaving = async {
        let callers = (0..10).map(|_| tokio::time::timeout(Duration::from_millis(200), unit()));
        join_all(callers).await;
        let left = Instant::now();
        let next =
            join_all((0..10).map(|_| {
                forest.db.read(&READ, async |conn| conn.batch_execute("SAVEPOINT inherited").await)
            }));
        for outcome in next.await {
            let code = outcome.as_ref().err().and_then(Error::sqlstate).map(|code| code.to_string());
            ensure!(code.as_deref() == Some("25P01"), "{what}: in a foreign transaction: {outcome:?}");
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
async fn ten_transactions_that_are_left_are_gone_and_nobody_inherits_them() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 10).await?;
    let (db, ids) = (&forest.db, AtomicI64::new(1));
    let plant = async |conn: &mut Conn| insert(ids.fetch_add(1, SeqCst)).execute(conn).await;
    let pausing = || {
        db.write(&WRITE, async |conn| {
            plant(conn).await?;
            std::future::pending::<QueryResult<()>>().await
        })
    };
    ten_leave("left while pausing", pausing, &forest).await?;
    let running = || {
        db.write(&WRITE, async |conn| {
            plant(conn).await?;
            sql_query("SELECT pg_sleep(10)").execute(conn).await
        })
    };
    ten_leave("left while a statement runs", running, &forest).await?;
    let raw = || {
        db.read(&READ_TWO, async |conn| {
            conn.batch_execute("BEGIN").await?;
            plant(conn).await
        })
    };
    ten_leave("a raw BEGIN", raw, &forest).await?;
    let raw_pausing = || {
        db.read(&READ_TWO, async |conn| {
            conn.batch_execute("BEGIN").await?;
            plant(conn).await?;
            std::future::pending::<Result<(), DieselError>>().await
        })
    };
    ten_leave("a raw BEGIN, left while pausing", raw_pausing, &forest).await?;
    assert_eq!(forest.trees().await?, [0; 0], "nothing of them was kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_cost_no_connection() -> Result<()> {
    let forest = Forest::new().await?;
    let fail = || async |conn: &mut Conn| conn.batch_execute("SELECT 1 / 0").await;
    for _ in 0..500 {
        let failed = join_all((0..4).map(|_| forest.db.read(&READ, fail()))).await;
        assert!(failed.iter().all(|outcome| outcome.as_ref().is_err_and(|error| error.sqlstate().is_some())));
    }
    assert_eq!(forest.db.health().pool.opened, 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_are_not_kept_cost_no_connection() -> Result<()> {
    let forest = Forest::new().await?;
    for _ in 0..500 {
        let text = async |conn: &mut Conn| sql_query("SELECT 4").execute(conn).await;
        try_join(forest.db.read(&READ, text), forest.db.read(&READ, text)).await?;
    }
    assert!(forest.db.health().pool.opened <= 2, "{:?}", forest.db.health().pool);
    Ok(())
}
