//! A control group: callers without a pool, at the same time on the same machine and server.
//!
//! Rates and connect times depend on the load of the machine. Plain sessions separate the pool's share from the
//! machine's.

use anyhow::Result;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use tokio::task::JoinSet;

/// Callers with one session each, which they reopen when it is lost.
pub(crate) struct Control {
    served: Arc<Mutex<Vec<Instant>>>,
    _callers: JoinSet<()>,
}

impl Control {
    pub(crate) fn start(url: &str, callers: usize, pause: Duration) -> Self {
        let served = Arc::<Mutex<Vec<Instant>>>::default();
        let mut crowd = JoinSet::new();
        for _ in 0..callers {
            let (url, served) = (url.to_owned(), served.clone());
            crowd.spawn(async move {
                loop {
                    if let Ok(client) = plain_session(&url).await {
                        while client.simple_query("SELECT 1").await.is_ok() {
                            served.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                            tokio::time::sleep(pause).await;
                        }
                    }
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Self { served, _callers: crowd }
    }

    /// Returns the number of successful calls between the two moments.
    pub(crate) fn served(&self, from: Instant, to: Instant) -> usize {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.iter().filter(|moment| from <= **moment && **moment < to).count()
    }
}

async fn plain_session(url: &str) -> Result<Client> {
    let (client, connection) = connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Returns the time for opening `count` plain sessions one after the other.
pub(crate) async fn connect_time(url: &str, count: usize) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..count {
        plain_session(url).await?.simple_query("SELECT 1").await?;
    }
    Ok(began.elapsed())
}
