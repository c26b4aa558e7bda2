//! A process that is not scheduled must not take the server for silent.

use anyhow::Result;
use std::time::Duration;
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Conn, Db, DbSettings, Operation, PoolSettings, Read, cached};
use steadfast_testkit::TestDatabase;

const READ: Operation<Read> = Operation::read("meadow.look");

/// Longer than the silence limit of the server.
const STARVED: Duration = Duration::from_secs(3);

/// Longer than a session is used without a ping.
const RESTED: Duration = Duration::from_millis(700);

async fn look(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT 1")).execute(conn).await
}

/// Polls a read for `steps` scheduler turns, then blocks the whole process.
async fn starve(db: &Db, steps: usize) -> Result<()> {
    let reading = tokio::spawn({
        let db = db.clone();
        async move { db.read(&READ, look).await }
    });
    for _ in 0..steps {
        tokio::task::yield_now().await;
    }
    std::thread::sleep(STARVED);
    reading.await??;
    assert_eq!(db.health().pool.outage, None);
    Ok(())
}

#[tokio::test]
async fn unscheduled_connect_is_no_outage() -> Result<()> {
    let database = TestDatabase::empty().await?;
    for steps in 1..6 {
        let settings = DbSettings { pool: PoolSettings::sized(2, 0), ..DbSettings::default() };
        let db = Db::new(&database.url(), settings)?;
        starve(&db, steps).await?;
        assert_eq!(db.health().pool.opened, 1, "after {steps} steps");
    }
    Ok(())
}

#[tokio::test]
async fn unscheduled_ping_closes_no_session() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let settings = DbSettings { pool: PoolSettings::sized(2, 0), ..DbSettings::default() };
    let db = Db::new(&database.url(), settings)?;
    db.read(&READ, look).await?;
    for steps in 1..4 {
        tokio::time::sleep(RESTED).await;
        starve(&db, steps).await?;
        assert_eq!(db.health().pool.opened, 1, "after {steps} steps");
    }
    Ok(())
}
