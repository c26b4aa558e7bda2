//! Contention: deadlocks end by limiting concurrency, duplicates fail immediately.

#[path = "support/address.rs"]
mod address;
mod support;

use address::url;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{Db, DbSettings, Operation, PoolSettings, Write, cached};
use support::{Forest, insert};

const SWAP: Operation<Write> = Operation::write("trees.swap").statements(2);
const PLANT: Operation<Write> = Operation::write("trees.plant");

/// Returns a forest with a pool of 20 and a deadlock timeout of 0.1 s.
async fn crowded() -> Result<Arc<Forest>> {
    let forest = Forest::with(|settings| settings.pool = PoolSettings::sized(20, 0)).await?;
    let sql = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''100ms''', current_database()); END $$";
    forest.looker.batch_execute(sql).await?;
    Ok(Arc::new(forest))
}

/// Runs `count` writers that update two rows four times each, in opposite orders. Returns the number of attempts.
async fn storm(db: &Db, count: i64) -> Result<u32> {
    let attempts = Arc::new(AtomicU32::new(0));
    let mut writers = Vec::new();
    for writer in 0..count {
        let (db, attempts) = (db.clone(), Arc::clone(&attempts));
        writers.push(tokio::spawn(async move {
            let (first, second) = if writer % 2 == 0 { (1, 2) } else { (2, 1) };
            let grow = |id: i64| format!("UPDATE trees SET height_cm = height_cm + 1 WHERE id = {id}");
            for _ in 0..4 {
                let swap = db.write(&SWAP, async |conn| {
                    attempts.fetch_add(1, Relaxed);
                    cached(sql_query(grow(first))).execute(conn).await?;
                    // Gives the other writer time to lock the second row.
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    cached(sql_query(grow(second))).execute(conn).await
                });
                swap.await?;
            }
            anyhow::Ok(())
        }));
    }
    for writer in writers {
        writer.await??;
    }
    Ok(AtomicU32::load(&attempts, Relaxed))
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_in_opposite_lock_order_all_succeed() -> Result<()> {
    let forest = crowded().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0), (2, 0)").await?;
    let attempts = storm(&forest.db, 50).await?;
    let sum: i64 = forest.looker.query_one("SELECT sum(height_cm) FROM trees", &[]).await?.get(0);
    println!("200 transactions, {attempts} attempts");
    assert_eq!(sum, 400);
    assert!(attempts > 200, "without a deadlock this shows nothing");
    assert!(attempts <= 260, "{attempts} attempts");
    Ok(())
}

/// Passes the database to the processes of [`deadlocking_processes_all_succeed`].
const STORM_AT: &str = "STEADFAST_TEST_STORM_AT";

#[tokio::test(flavor = "multi_thread")]
async fn deadlocking_processes_all_succeed() -> Result<()> {
    if let Ok(url) = std::env::var(STORM_AT) {
        let settings = DbSettings { pool: PoolSettings::sized(20, 0), ..DbSettings::default() };
        println!("attempts: {}", storm(&Db::new(&url, settings)?, 20).await?);
        return Ok(());
    }
    let forest = crowded().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0), (2, 0)").await?;
    let url = url(&forest).await?;
    let children = (0..3).map(|_| {
        tokio::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "deadlocking_processes_all_succeed", "--nocapture"])
            .env(STORM_AT, &url)
            .output()
    });
    let mut attempts = 0;
    for child in futures_util::future::try_join_all(children).await? {
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
        let own = text.lines().find_map(|line| line.strip_prefix("attempts: "));
        attempts += own.expect("the process says how many").parse::<u32>()?;
    }
    println!("240 transactions of three processes, {attempts} attempts");
    assert!((241..=360).contains(&attempts), "{attempts} attempts");
    let sum: i64 = forest.looker.query_one("SELECT sum(height_cm) FROM trees", &[]).await?.get(0);
    assert_eq!(sum, 3 * 20 * 4 * 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_not_retried() -> Result<()> {
    let forest = Arc::new(Forest::new().await?);
    let attempts = Arc::new(AtomicU32::new(0));
    let mut writers = Vec::new();
    for writer in 0..200_i64 {
        let (forest, attempts) = (Arc::clone(&forest), Arc::clone(&attempts));
        writers.push(tokio::spawn(async move {
            let plant = forest.db.write(&PLANT, async |conn| {
                attempts.fetch_add(1, Relaxed);
                insert(writer / 2).execute(conn).await
            });
            plant.await.map_err(|error| (error.class(), error.key().map(str::to_owned)))
        }));
    }
    let mut duplicates = 0;
    for writer in writers {
        if let Err(refused) = writer.await? {
            assert_eq!(refused, (Class::Duplicate, Some("trees_pkey".to_owned())));
            duplicates += 1;
        }
    }
    let attempts = AtomicU32::load(&attempts, Relaxed);
    assert_eq!((duplicates, attempts, forest.trees().await?.len()), (100, 200, 100));
    Ok(())
}
