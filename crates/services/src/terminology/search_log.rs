//! Write-behind log of searches: searches add their entries to a bounded queue without waiting, and a background task
//! stores them in batches. Entries that do not fit into the queue or cannot be stored are dropped and counted.

use crate::upkeep::times;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use steadfast_domain::terminology::SearchLog;
use steadfast_repository::terminology::{LOG_BATCH_MAX, log_searches, search_logs_upkeep};
use steadfast_repository::{Error, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

/// Maximum number of queued entries: several seconds of searches.
const QUEUE_MAX: usize = 10_000;

/// Time to collect a batch.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Timeout for storing a batch.
const BATCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time to store the remaining entries at shutdown, after the current batch.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay of the first upkeep, because the start has more urgent work.
const UPKEEP_DELAY: Duration = Duration::from_secs(60);

/// Interval of the upkeep. If several nodes start it at the same time, one of them runs it.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(3_600);

/// Creates a log of searches in `store`. Returns the recorder for searches, and the task that stores the entries.
pub fn search_log(store: Store) -> (SearchRecorder, SearchLogWriter) {
    let (recorder, queue) = recorder(QUEUE_MAX);
    (recorder.clone(), SearchLogWriter { store, queue, lost: recorder.lost })
}

fn recorder(queue_max: usize) -> (SearchRecorder, Receiver<SearchLog>) {
    let (entries, queue) = mpsc::channel(queue_max);
    (SearchRecorder { entries, lost: Arc::default() }, queue)
}

/// Records searches in the queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SearchRecorder {
    entries: Sender<SearchLog>,
    lost: Arc<AtomicU64>,
}

impl SearchRecorder {
    /// Adds an entry without waiting. If the queue is full, the entry is dropped and counted.
    pub fn record(&self, search: SearchLog) {
        if self.entries.try_send(search).is_err() {
            count_lost(&self.lost, 1, "no_room");
        }
    }

    /// Returns the number of entries that were dropped since the start, because the queue was full or the database
    /// failed.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

fn count_lost(lost: &AtomicU64, entries: u64, reason: &'static str) {
    lost.fetch_add(entries, Relaxed);
    metrics::counter!("terminology_search_logs_lost_total", "reason" => reason).increment(entries);
}

/// The task that stores the entries.
#[derive(Debug)]
pub struct SearchLogWriter {
    store: Store,
    queue: Receiver<SearchLog>,
    lost: Arc<AtomicU64>,
}

impl SearchLogWriter {
    /// Stores entries and runs the upkeep of the log once an hour, until `shutdown` completes. Then stores the
    /// remaining entries, for at most 10 s. Spawn this as a task, and wait for it before closing the store.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { store, queue, lost } = self;
        tokio::select! {
            () = write_behind(queue, &lost, &store, shutdown) => {}
            () = maintain(&store) => {}
        }
    }
}

/// Destination of the entries, which tests replace.
trait Archive {
    /// Stores a batch completely or not at all.
    fn store(&self, batch: &[SearchLog]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Archive for Store {
    async fn store(&self, batch: &[SearchLog]) -> Result<(), Error> {
        log_searches(self, batch).await
    }
}

/// Runs the upkeep of the log forever.
async fn maintain(store: &Store) {
    let mut ticks = times(UPKEEP_DELAY, UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = search_logs_upkeep(store).await {
            tracing::warn!(%error, "the upkeep of the log of searches failed; retrying in an hour");
        }
    }
}

async fn write_behind(
    mut queue: Receiver<SearchLog>,
    lost: &AtomicU64,
    archive: &impl Archive,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let batch = tokio::select! {
            () = &mut shutdown => break,
            batch = next(&mut queue) => batch,
        };
        let entries = batch.len();
        if entries == 0 {
            return;
        }
        store_batch(&batch, lost, archive).await;
        // After a full batch, more entries are waiting.
        if entries < LOG_BATCH_MAX && timeout(BATCH_INTERVAL, &mut shutdown).await.is_ok() {
            break;
        }
    }
    queue.close();
    let rest = async {
        loop {
            let batch = next(&mut queue).await;
            if batch.is_empty() {
                return;
            }
            store_batch(&batch, lost, archive).await;
        }
    };
    if timeout(DRAIN_TIMEOUT, rest).await.is_err() {
        tracing::warn!("the shutdown timed out before all entries of the log of searches were stored");
    }
}

/// Waits for entries and returns up to a batch of them. Returns none if the queue is closed and empty.
async fn next(queue: &mut Receiver<SearchLog>) -> Vec<SearchLog> {
    let mut batch = Vec::new();
    queue.recv_many(&mut batch, LOG_BATCH_MAX).await;
    batch
}

async fn store_batch(batch: &[SearchLog], lost: &AtomicU64, archive: &impl Archive) {
    let cause = match timeout(BATCH_TIMEOUT, archive.store(batch)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not stored within {} s", BATCH_TIMEOUT.as_secs()),
    };
    let entries = batch.len();
    count_lost(lost, entries as u64, "not_stored");
    tracing::warn!(entries, cause, "entries of the log of searches were dropped");
}

#[cfg(test)]
mod tests;
