//! Alternated rounds of two contestants, and what their ratios say.

use crate::contestants::Contestant;
use crate::median::{bounds, median};
use anyhow::Result;
use rand::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

impl Contestant {
    /// Operations a second with one task a connection.
    pub(crate) async fn rate(&self, round: Duration) -> Result<f64> {
        self.work(Duration::from_millis(200)).await?;
        let began = Instant::now();
        let done = self.work(round).await?;
        Ok(done as f64 / began.elapsed().as_secs_f64())
    }

    async fn work(&self, time: Duration) -> Result<u64> {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for task in 0..self.load.connections as usize {
            let (read, rows, stop, done) = (self.read.clone(), self.load.rows, stop.clone(), done.clone());
            tasks.push(tokio::spawn(async move {
                let mut count = 0;
                while !stop.load(Relaxed) {
                    let key = rand::rng().random_range(1..=rows);
                    read(task, key).await?;
                    count += 1;
                }
                done.fetch_add(count, Relaxed);
                anyhow::Ok(())
            }));
        }
        tokio::time::sleep(time).await;
        stop.store(true, Relaxed);
        for task in tasks {
            task.await??;
        }
        Ok(done.load(Relaxed))
    }
}

/// The rates of two contestants, round by round.
pub(crate) struct Pairs {
    base: Vec<f64>,
    other: Vec<f64>,
}

impl Pairs {
    /// Runs `count` pairs in the order ABBA, so that a drift of the machine hits both alike.
    pub(crate) async fn run(
        base: &Contestant,
        other: &Contestant,
        count: usize,
        round: Duration,
    ) -> Result<Self> {
        let mut pairs = Self { base: Vec::new(), other: Vec::new() };
        for number in 0..count {
            if number % 2 == 0 {
                pairs.base.push(base.rate(round).await?);
                pairs.other.push(other.rate(round).await?);
            } else {
                pairs.other.push(other.rate(round).await?);
                pairs.base.push(base.rate(round).await?);
            }
        }
        Ok(pairs)
    }

    /// The base's median rate, operations a second.
    pub(crate) fn base_rate(&self) -> f64 {
        median(self.base.clone())
    }

    /// The other's median rate, operations a second.
    pub(crate) fn rate(&self) -> f64 {
        median(self.other.clone())
    }

    /// The median of the ratios.
    pub(crate) fn median(&self) -> f64 {
        median(self.ratios())
    }

    /// The ratio below which the true median lies with a chance of at most 5 %.
    pub(crate) fn lower_bound(&self) -> f64 {
        bounds(self.ratios()).0
    }

    fn ratios(&self) -> Vec<f64> {
        self.base.iter().zip(&self.other).map(|(base, other)| other / base).collect()
    }
}
