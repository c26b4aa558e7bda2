//! Closing a pool, as seen by its callers and its server.

#[path = "support/proxy.rs"]
mod proxy;

use anyhow::{Result, ensure};
use futures_util::future::{pending, try_join_all};
use proxy::proxy;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::QueryResult;
use steadfast_postgres::diesel_async::SimpleAsyncConnection;
use steadfast_postgres::resilience::Deadline;
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_postgres::{CloseReason, Conn, Db, DbSettings, Error, Operation, Pool, PoolSettings, Read};
use steadfast_testkit::TestDatabase;

const READ: Operation<Read> = Operation::read("meadow.look");
const PATIENCE: Duration = Duration::from_secs(20);

/// A database, and a client that counts its sessions.
struct Meadow {
    database: TestDatabase,
    looker: Client,
}

impl Meadow {
    async fn new() -> Result<Self> {
        let database = TestDatabase::empty().await?;
        let (looker, connection) = connect(&database.url(), NoTls).await?;
        tokio::spawn(connection);
        Ok(Self { database, looker })
    }

    fn pool(&self, size: u32) -> Result<Pool> {
        Ok(Pool::new(&self.database.url(), PoolSettings::sized(size, 0), || {})?)
    }

    async fn sessions(&self) -> Result<i64> {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        Ok(self.looker.query_one(sql, &[]).await?.get(0))
    }
}

async fn nap(conn: &mut Conn) -> QueryResult<()> {
    conn.batch_execute("SELECT pg_sleep(1)").await
}

fn far() -> Deadline {
    Deadline::after(PATIENCE)
}

#[tokio::test]
async fn closed_pool_has_no_sessions() -> Result<()> {
    let meadow = Meadow::new().await?;
    let pool = meadow.pool(3)?;
    drop(try_join_all((0..3).map(|_| pool.get_by(far()))).await?);
    assert_eq!(meadow.sessions().await?, 3);
    let closed = pool.close(PATIENCE).await;
    assert!(closed.is_complete(), "{closed:?}");
    assert_eq!((closed.closed, pool.state().closed_for(CloseReason::Disposed)), (3, 3));
    assert_eq!((pool.state().open, meadow.sessions().await?), (0, 0));
    assert!(matches!(pool.get_by(far()).await, Err(Error::PoolClosed)));
    pool.dispose().await;
    assert_eq!(pool.close(PATIENCE).await.closed, 0, "it was closed before");
    Ok(())
}

#[tokio::test]
async fn close_waits_for_borrowers() -> Result<()> {
    let meadow = Meadow::new().await?;
    let db = Db::new(&meadow.database.url(), DbSettings::default())?;
    let reading = tokio::spawn({
        let db = db.clone();
        async move { db.read(&READ, nap).await }
    });
    while db.health().pool.checked_out == 0 || db.health().pool.opened == 0 {
        tokio::task::yield_now().await;
    }
    let closed = db.close(PATIENCE).await;
    assert!(closed.is_complete(), "{closed:?}");
    assert_eq!(closed.closed, 1);
    reading.await??;
    assert_eq!(meadow.sessions().await?, 0);
    Ok(())
}

#[tokio::test]
async fn close_names_unreturned_connections() -> Result<()> {
    let meadow = Meadow::new().await?;
    let pool = meadow.pool(2)?;
    let began = Instant::now();
    let held = pool.get_for("meadow.sit", far()).await?;
    drop(pool.get_by(far()).await?);
    let closed = pool.close(Duration::from_millis(100)).await;
    assert!(!closed.is_complete());
    assert_eq!((closed.closed, closed.unfinished), (1, 0));
    let [unreturned] = &closed.unreturned[..] else { panic!("{closed:?}") };
    assert_eq!(unreturned.borrower, "meadow.sit");
    assert!((Duration::from_millis(100)..=began.elapsed()).contains(&unreturned.away), "{closed:?}");
    assert_eq!(meadow.sessions().await?, 1);
    drop(held);
    while meadow.sessions().await? > 0 {
        ensure!(began.elapsed() < PATIENCE, "the session of a closed pool goes on");
    }
    Ok(())
}

#[tokio::test]
async fn close_fails_waiting_callers() -> Result<()> {
    let meadow = Meadow::new().await?;
    let pool = meadow.pool(1)?;
    let _held = pool.get_by(far()).await?;
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get_by(far()).await.map(drop) })
        })
        .collect();
    while pool.state().waiting < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(pool.close(Duration::ZERO).await.unreturned.len(), 1);
    for waiting in waiting {
        assert!(matches!(waiting.await?, Err(Error::PoolClosed)));
    }
    Ok(())
}

#[tokio::test]
async fn close_fails_connecting_callers() -> Result<()> {
    let meadow = Meadow::new().await?;
    // The first connect gets no answer, and the others wait for its result.
    let url = proxy(&meadow.database.url(), pending).await?;
    let pool = Pool::new(&url, PoolSettings::sized(3, 0), || {})?;
    let connecting: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.get_by(far()).await.map(drop) })
        })
        .collect();
    while pool.state().checked_out < 3 {
        tokio::task::yield_now().await;
    }
    let closed = pool.close(Duration::ZERO).await;
    assert!((1..=3).contains(&closed.unfinished), "{closed:?}");
    for connecting in connecting {
        let error = connecting.await?.expect_err("the server is silent");
        assert!(matches!(error, Error::PoolClosed | Error::Connect(_)), "{error:?}");
    }
    assert!(pool.close(PATIENCE).await.is_complete());
    Ok(())
}
