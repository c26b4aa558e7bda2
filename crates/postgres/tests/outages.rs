//! The pool during outages of a private server that these tests stop and start.

use anyhow::Result;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::sql_types::Integer;
use steadfast_postgres::diesel::{QueryResult, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{BreakerState, Class, Classify, Deadline};
use steadfast_postgres::{
    CloseReason, Conn, Db, DbSettings, Error, Level, Operation, Pool, PoolSettings, Read, cached,
};
use steadfast_testkit::{Server, StopMode};
use tokio::task::JoinSet;

const READ: Operation<Read> = Operation::read("meadow.look");

async fn look(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT 1")).execute(conn).await
}

fn small(size: u32, overflow: u32) -> PoolSettings {
    PoolSettings { pool_size: size, max_overflow: overflow, ..PoolSettings::default() }
}

#[tokio::test]
async fn outage_fails_callers_immediately_until_recovery() -> Result<()> {
    let server = Server::private()?;
    let settings = DbSettings { pool: small(5, 0), ..DbSettings::default() };
    let db = Db::new(&server.url("postgres"), settings)?;
    db.read(&READ, look).await?;
    server.stop(StopMode::Immediate)?;

    let began = Instant::now();
    let mut errors = Vec::new();
    for _ in 0..50 {
        errors.push(db.read(&READ, look).await.expect_err("the server is down"));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "fifty callers waited {:?}", began.elapsed());
    assert!(errors.iter().all(|error| error.class() == Class::Unavailable), "{errors:?}");
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(
        texts.iter().any(|text| text.contains("Connection refused") || text.contains("No such file")),
        "{texts:?}"
    );
    let Some(Error::Rejected { rejected, .. }) = errors.last() else {
        panic!("the breaker is open: {:?}", errors.last());
    };
    // The pool probes five times per second, even while the breaker would stay open.
    assert!(rejected.retry_after <= Duration::from_secs(1), "{rejected}");
    assert_eq!((db.health().level(), db.health().breaker.state), (Level::Unhealthy, BreakerState::Open));

    server.restart()?;
    let back = Instant::now();
    while db.read(&READ, look).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(back.elapsed() < Duration::from_secs(2), "served again after {:?}", back.elapsed());
    assert_eq!((db.health().level(), db.health().breaker.state), (Level::Healthy, BreakerState::Closed));
    Ok(())
}

#[tokio::test]
async fn exhausted_pool_times_out_and_serves_in_order() -> Result<()> {
    let server = Server::private()?;
    let settings = PoolSettings { linger: Duration::ZERO, ..small(1, 1) };
    let pool = Pool::new(&server.url("postgres"), settings, || {})?;
    let held = (pool.get_by(far()).await?, pool.get_by(far()).await?);
    assert_eq!((pool.state().open, pool.state().overflow(), pool.state().utilisation()), (2, 1, 1.0));
    let error = pool.get_by(Deadline::after(Duration::from_millis(50))).await.expect_err("exhausted");
    assert_eq!(error.class(), Class::Timeout);
    assert!(
        error.to_string().starts_with("QueuePool limit of size 1 overflow 1 reached, connection timed out"),
        "{error}"
    );

    let (order, mut waiters) = (std::sync::Arc::new(std::sync::Mutex::new(Vec::new())), JoinSet::new());
    for number in 0..5 {
        let (waiting, order) = (pool.clone(), order.clone());
        waiters.spawn(async move {
            let held = waiting.get_by(far()).await;
            order.lock().expect("not poisoned").push(number);
            held.map(drop)
        });
        while pool.state().waiting <= number {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    while let Some(waiter) = waiters.join_next().await {
        waiter??;
    }
    assert_eq!(*order.lock().expect("not poisoned"), [0, 1, 2, 3, 4]);
    assert_eq!((pool.state().open, pool.state().checked_out), (1, 0), "the overflow is closed");
    Ok(())
}

#[tokio::test]
async fn overflow_is_closed_after_lingering() -> Result<()> {
    let server = Server::private()?;
    let settings = PoolSettings { linger: Duration::from_millis(200), ..small(2, 4) };
    let pool = Pool::new(&server.url("postgres"), settings, || {})?;
    for _ in 0..20 {
        let four = futures_util::future::try_join_all((0..4).map(|_| pool.get_by(far()))).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(four);
    }
    assert_eq!(
        (pool.state().opened, pool.state().open),
        (4, 4),
        "steady load above the size opens no connection"
    );
    while pool.state().open > 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pool.state().closed_for(CloseReason::Overflow), 2);
    pool.dispose().await;
    assert_eq!((pool.state().open, pool.state().checked_out), (0, 0));
    Ok(())
}

#[tokio::test]
async fn sweep_closes_least_recently_used_connections() -> Result<()> {
    let server = Server::private()?;
    let settings = PoolSettings { linger: Duration::from_millis(300), ..small(1, 3) };
    let pool = Pool::new(&server.url("postgres"), settings, || {})?;
    let mut held = futures_util::future::try_join_all((0..4).map(|_| pool.get_by(far()))).await?;
    let warmest = backend(&mut held[3]).await?;
    for conn in held {
        drop(conn);
    }
    while pool.state().open > 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pool.state().closed_for(CloseReason::Overflow), 3);
    assert_eq!(backend(&mut *pool.get_by(far()).await?).await?, warmest);
    Ok(())
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

async fn backend(conn: &mut Conn) -> Result<i32> {
    let backend: Backend = sql_query("SELECT pg_backend_pid() AS pid").get_result(conn).await?;
    Ok(backend.pid)
}

#[tokio::test]
async fn unreached_database_is_not_connected() -> Result<()> {
    let server = Server::private()?;
    let db = Db::new(&server.url("postgres"), DbSettings { pool: small(2, 0), ..DbSettings::default() })?;
    assert_eq!((db.health().is_connected(), db.health().level()), (false, Level::Unhealthy));
    db.read(&READ, look).await?;
    assert_eq!((db.health().is_connected(), db.health().level()), (true, Level::Healthy));
    Ok(())
}

#[tokio::test]
async fn null_pool_closes_connections_on_return() -> Result<()> {
    let server = Server::private()?;
    let pool = Pool::new(&server.url("postgres"), small(0, 2), || {})?;
    let held = (pool.get_by(far()).await?, pool.get_by(far()).await?);
    assert!(pool.get_by(Deadline::after(Duration::from_millis(50))).await.is_err(), "two at most");
    drop(held);
    assert_eq!((pool.state().open, pool.state().opened), (0, 2));
    drop(pool.get_by(far()).await?);
    assert_eq!((pool.state().open, pool.state().opened), (0, 3));
    Ok(())
}

#[tokio::test]
async fn dead_idle_connections_are_replaced() -> Result<()> {
    let server = Server::private()?;
    let db = Db::new(&server.url("postgres"), DbSettings { pool: small(3, 0), ..DbSettings::default() })?;
    for _ in 0..3 {
        db.read(&READ, look).await?;
    }
    server.restart()?;
    for _ in 0..5 {
        db.read(&READ, look).await?;
    }
    assert_eq!(db.health().breaker.state, BreakerState::Closed);
    Ok(())
}

#[tokio::test]
async fn closed_pool_and_wrong_password_are_reported() -> Result<()> {
    let server = Server::private()?;
    let pool = Pool::new(&server.url("no_such_database"), small(1, 0), || {})?;
    let refused = pool.get_by(far()).await.expect_err("no such database");
    assert_eq!(refused.sqlstate().expect("a code").as_str(), "3D000", "{refused}");
    assert!(pool.close(Duration::ZERO).await.is_complete());
    assert!(matches!(pool.get_by(far()).await, Err(Error::PoolClosed)));
    Ok(())
}

fn far() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}
