//! The sessions of a test's own database, as the server counts them.

use crate::address::url;
use crate::stolen::StolenTime;
use crate::support::Forest;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};

/// What has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sessions of the forest's pool.
const OF_THE_POOL: &str = "application_name = 'steadfast'";

/// Working, or with a transaction open.
const BUSY: &str = "state <> 'idle'";

async fn count(looker: &Client, condition: &str) -> Result<i64> {
    let sql =
        format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}");
    Ok(looker.query_one(&sql, &[]).await?.get(0))
}

/// How many sessions of the pool there are for which `condition` holds.
pub(crate) async fn sessions(looker: &Client, condition: &str) -> Result<i64> {
    count(looker, &format!("{OF_THE_POOL} AND ({condition})")).await
}

async fn come_to(
    looker: &Client,
    condition: &str,
    expected: impl Fn() -> u32,
    limit: Duration,
) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let (seen, expected) = (count(looker, condition).await?, expected());
        if seen == i64::from(expected) {
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < limit, "{seen} sessions, not {expected}, after {limit:?}: {condition}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until there are as many sessions of the pool as `expected` for which `condition` holds.
pub(crate) async fn sessions_become(looker: &Client, condition: &str, expected: u32) -> Result<()> {
    come_to(looker, &format!("{OF_THE_POOL} AND ({condition})"), || expected, PATIENCE).await.map(drop)
}

/// Waits until there are as many sessions beside `looker` and those of the pool as `expected` says at that moment.
pub(crate) async fn others_become(looker: &Client, expected: impl Fn() -> u32) -> Result<()> {
    let others = "application_name <> 'steadfast' AND pid <> pg_backend_pid()";
    come_to(looker, others, expected, PATIENCE).await.map(drop)
}

/// Waits until no session of the pool works or has a transaction open; returns how long that took, which is at most
/// `limit`.
pub(crate) async fn quiet(forest: &Forest, limit: Duration, stolen: &StolenTime) -> Result<Duration> {
    let began = Instant::now();
    let took = come_to(&forest.looker, &format!("{OF_THE_POOL} AND {BUSY}"), || 0, PATIENCE).await?;
    let took = stolen.own(began, took);
    ensure!(took <= limit, "quiet after {took:?}");
    Ok(took)
}

/// One more session beside the pool.
pub(crate) async fn client(forest: &Forest) -> Result<Client> {
    let (client, connection) = connect(&url(forest).await?, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
