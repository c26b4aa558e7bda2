//! The log of searches, written behind the answers: a search leaves its entry in a bounded queue and goes on, a task in
//! the background stores what is there in batches. What finds no room, or cannot be stored, is counted and forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use steadfast_domain::terminology::SearchLog;
use steadfast_repository::terminology::{LOG_BATCH_MAX, log_searches, search_logs_upkeep};
use steadfast_repository::{Error, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// Entries that wait at once: some seconds of searches.
const QUEUE_MAX: usize = 10_000;

/// How long a batch gathers before the next one is stored.
const GATHERING: Duration = Duration::from_secs(1);

/// How long the storing of one batch may take.
const BATCH_MAX: Duration = Duration::from_secs(5);

/// How long the end waits for what is left in the queue, once the batch under way is done.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How long after the start the first upkeep comes: the start has more urgent things to do.
const UPKEEP_FIRST: Duration = Duration::from_secs(60);

/// How often upkeep comes. Nodes that come at once do it once.
const UPKEEP_EVERY: Duration = Duration::from_secs(3_600);

/// A log of searches in `store`: where searches leave their entries, and the task that stores them.
pub fn search_log(store: Store) -> (SearchRecorder, SearchLogWriter) {
    let (recorder, queue) = recorder(QUEUE_MAX);
    (recorder.clone(), SearchLogWriter { store, queue, lost: recorder.lost })
}

fn recorder(queue_max: usize) -> (SearchRecorder, Receiver<SearchLog>) {
    let (entries, queue) = mpsc::channel(queue_max);
    (SearchRecorder { entries, lost: Arc::default() }, queue)
}

/// Where searches leave their entries. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SearchRecorder {
    entries: Sender<SearchLog>,
    lost: Arc<AtomicU64>,
}

impl SearchRecorder {
    /// Leaves an entry, without waiting; when there is no room it is counted as lost.
    pub fn record(&self, search: SearchLog) {
        if self.entries.try_send(search).is_err() {
            count_lost(&self.lost, 1, "no_room");
        }
    }

    /// Entries that were lost since the start, for lack of room or of a database that takes them.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

fn count_lost(lost: &AtomicU64, entries: u64, reason: &'static str) {
    lost.fetch_add(entries, Relaxed);
    metrics::counter!("terminology_search_logs_lost_total", "reason" => reason).increment(entries);
}

/// The task that stores what searches left.
#[derive(Debug)]
pub struct SearchLogWriter {
    store: Store,
    queue: Receiver<SearchLog>,
    lost: Arc<AtomicU64>,
}

impl SearchLogWriter {
    /// Stores entries, and keeps the log in order once an hour, until `ending`; then what is left, for 10 s at most. To be
    /// run in a task of its own, and waited for before the store is closed.
    pub async fn run(self, ending: impl Future<Output = ()>) {
        let Self { store, queue, lost } = self;
        tokio::select! {
            () = write_behind(queue, &lost, &store, ending) => {}
            () = keep_in_order(&store) => {}
        }
    }
}

/// Where batches of entries go.
trait Archive {
    /// Stores a batch: all of it, or nothing.
    fn keep(&self, batch: &[SearchLog]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl Archive for Store {
    async fn keep(&self, batch: &[SearchLog]) -> Result<(), Error> {
        log_searches(self, batch).await
    }
}

/// Never ends.
async fn keep_in_order(store: &Store) {
    let mut hours = interval_at(Instant::now() + UPKEEP_FIRST, UPKEEP_EVERY);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        hours.tick().await;
        if let Err(error) = search_logs_upkeep(store).await {
            tracing::warn!(%error, "the log of searches was not kept in order; it is tried again in an hour");
        }
    }
}

async fn write_behind(
    mut queue: Receiver<SearchLog>,
    lost: &AtomicU64,
    archive: &impl Archive,
    ending: impl Future<Output = ()>,
) {
    let mut ending = std::pin::pin!(ending);
    loop {
        let batch = tokio::select! {
            () = &mut ending => break,
            batch = next(&mut queue) => batch,
        };
        let entries = batch.len();
        if entries == 0 {
            return;
        }
        store_batch(&batch, lost, archive).await;
        // A full batch means that more is waiting.
        if entries < LOG_BATCH_MAX && timeout(GATHERING, &mut ending).await.is_ok() {
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
    if timeout(DRAIN_MAX, rest).await.is_err() {
        tracing::warn!("the end came before the log of searches was stored to its last entry");
    }
}

/// What is in the queue, at most a batch; nothing when it is closed and empty.
async fn next(queue: &mut Receiver<SearchLog>) -> Vec<SearchLog> {
    let mut batch = Vec::new();
    queue.recv_many(&mut batch, LOG_BATCH_MAX).await;
    batch
}

async fn store_batch(batch: &[SearchLog], lost: &AtomicU64, archive: &impl Archive) {
    let cause = match timeout(BATCH_MAX, archive.keep(batch)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not stored within {} s", BATCH_MAX.as_secs()),
    };
    let entries = batch.len();
    count_lost(lost, entries as u64, "not_stored");
    tracing::warn!(entries, cause, "searches are missing in the log of searches");
}

#[cfg(test)]
mod tests;
