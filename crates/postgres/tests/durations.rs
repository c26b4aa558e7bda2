//! Settings of any duration: none panics, and the longest means "never".

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use steadfast_postgres::resilience::Deadline;
use steadfast_postgres::{Pool, PoolSettings};
use steadfast_testkit::TestDatabase;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const EXTREMES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    DAY.saturating_mul(30),
    Duration::from_secs(u64::MAX / 2),
    Duration::MAX,
];

/// Uses a pool of one connection plus one overflow, with settings changed by `change`.
async fn use_pool(url: &str, change: impl Fn(&mut PoolSettings)) -> Result<()> {
    let mut settings = PoolSettings::sized(1, 1);
    change(&mut settings);
    let pool = Pool::new(url, settings, || {})?;
    for _ in 0..2 {
        let held = (pool.get_by(soon()).await?, pool.get_by(soon()).await?);
        let third = pool.get_by(Deadline::after(Duration::from_millis(10))).await;
        ensure!(third.is_err(), "all connections are in use");
        drop(held);
    }
    Ok(())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

#[tokio::test]
async fn accepts_any_duration() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let url = database.url();
    for duration in EXTREMES {
        use_pool(&url, |settings| settings.timeout = duration)
            .await
            .with_context(|| format!("timeout {duration:?}"))?;
        use_pool(&url, |settings| settings.recycle = duration)
            .await
            .with_context(|| format!("recycle {duration:?}"))?;
        use_pool(&url, |settings| settings.linger = duration)
            .await
            .with_context(|| format!("linger {duration:?}"))?;
        use_pool(&url, |settings| settings.leak_after = duration)
            .await
            .with_context(|| format!("leak_after {duration:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn pool_without_timeout_waits() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let settings = PoolSettings { timeout: Duration::MAX, ..PoolSettings::sized(1, 0) };
    let pool = Pool::new(&database.url(), settings, || {})?;
    let held = pool.get().await?;
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get().await.map(drop) }
    });
    while pool.state().waiting == 0 {
        tokio::task::yield_now().await;
    }
    drop(held);
    Ok(waiting.await??)
}
