//! Measures how long plain sessions take to open during a test.
//!
//! A borrower that needs a new session waits for the server to start a process, which takes longer on a busy machine.
//! The tests subtract the time measured here.

use anyhow::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use steadfast_postgres::tokio_postgres::{NoTls, connect};
use tokio::task::AbortHandle;

/// Pause between two sessions.
const PAUSE: Duration = Duration::from_millis(20);

/// Start and end of opening a session. Without an end, the session is still being opened or has failed.
type Opening = (Instant, Option<Instant>);

/// Opens plain sessions one after the other and records their times.
pub(crate) struct ConnectTimes {
    opened: Arc<Mutex<Vec<Opening>>>,
    task: AbortHandle,
}

impl ConnectTimes {
    /// Starts measuring.
    pub(crate) fn watch(url: String) -> Self {
        let opened = Arc::<Mutex<Vec<Opening>>>::default();
        let noted = opened.clone();
        let task = tokio::spawn(async move {
            loop {
                locked(&noted).push((Instant::now(), None));
                let is_open = open_and_close(&url).await.is_ok();
                if let Some((_, end)) = locked(&noted).last_mut().filter(|_| is_open) {
                    *end = Some(Instant::now());
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { opened, task: task.abort_handle() }
    }

    /// Returns the longest time to open a session among those opened between the two moments.
    pub(crate) fn longest(&self, from: Instant, to: Instant) -> Duration {
        let opened = locked(&self.opened);
        let overlapping = opened.iter().map(|(began, ended)| (*began, ended.unwrap_or(to)));
        let overlapping = overlapping.filter(|(began, ended)| *began <= to && *ended >= from);
        overlapping.map(|(began, ended)| ended.saturating_duration_since(began)).max().unwrap_or_default()
    }
}

impl Drop for ConnectTimes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn open_and_close(url: &str) -> Result<()> {
    let (client, connection) = connect(url, NoTls).await?;
    tokio::spawn(connection);
    client.simple_query("SELECT 1").await?;
    Ok(())
}
