//! Fairness with more workers than connections, none of which ever pauses.

#[path = "support/stolen.rs"]
mod stolen;

use anyhow::Result;
use futures_util::future::{join_all, try_join_all};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel_async::SimpleAsyncConnection;
use steadfast_postgres::{Db, DbSettings, Operation, PoolSettings, Read};
use steadfast_testkit::TestDatabase;
use stolen::StolenTime;

const READ: Operation<Read> = Operation::read("trees.watch");
const WORKERS: usize = 100;
const CONNECTIONS: u32 = 10;
const HOLD: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn busy_workers_share_connections_fairly() -> Result<()> {
    let database = TestDatabase::from_template("empty", 1, async |_: &str| anyhow::Ok(())).await?;
    let pool = PoolSettings::sized(CONNECTIONS, 0);
    let db = &Db::new(&database.url(), DbSettings { pool, ..DbSettings::default() })?;
    try_join_all((0..CONNECTIONS).map(|_| db.read(&READ, async |conn| conn.batch_execute("").await))).await?;

    let stolen = &StolenTime::watch();
    let long = std::env::var_os("STEADFAST_LONG").is_some();
    let until = Instant::now() + Duration::from_secs(if long { 10 } else { 4 });
    let workers = (0..WORKERS).map(|_| async move {
        let mut waits = Vec::new();
        while Instant::now() < until {
            let (began, served) = (Instant::now(), Mutex::new(None));
            db.read(&READ, async |_| {
                *served.lock().expect("not poisoned") = Some(stolen.own(began, began.elapsed()));
                tokio::time::sleep(HOLD).await;
                Ok(())
            })
            .await?;
            waits.extend(served.into_inner().expect("not poisoned"));
        }
        anyhow::Ok(waits)
    });
    let waits: Vec<Vec<Duration>> = join_all(workers).await.into_iter().collect::<Result<_>>()?;

    let turns = || waits.iter().map(Vec::len);
    let (fewest, most) = (turns().min().unwrap_or(0), turns().max().unwrap_or(0));
    let longest = waits.iter().flatten().max().copied().unwrap_or_default();
    let ideal = HOLD * (WORKERS as u32 / CONNECTIONS - 1);
    let ratio = longest.as_secs_f64() / ideal.as_secs_f64();
    println!("longest wait {longest:?}, {ratio:.3} of the ideal {ideal:?}; {fewest} to {most} calls");
    assert!(ratio <= 1.05, "the longest wait is {ratio:.3} of the ideal");
    assert!(most - fewest <= 1, "between {fewest} and {most} calls");
    assert_eq!(db.health().pool.timed_out, 0);
    Ok(())
}
