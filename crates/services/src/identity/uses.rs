//! Write-behind record of the use of API keys and sessions. Requests do not wait for it, and a lost entry does no harm:
//! the next use of the credential is recorded instead.

use std::collections::BTreeSet;
use std::time::Duration;
use steadfast_domain::identity::Principal;
use steadfast_repository::identity::{touch_api_key, touch_session};
use steadfast_repository::{Error, Store};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{sleep, timeout};

/// Maximum number of queued entries.
const QUEUE_MAX: usize = 10_000;

/// Maximum number of entries in a batch.
const BATCH_MAX: usize = 1_000;

/// Time to collect a batch.
const BATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Timeout for storing a batch.
const BATCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Creates a record of uses in `store`. Returns the recorder for requests, and the task that stores the entries.
pub fn uses(store: Store) -> (UseRecorder, UseWriter) {
    let (entries, queue) = mpsc::channel(QUEUE_MAX);
    (UseRecorder(entries), UseWriter { store, queue })
}

/// Records uses in the queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UseRecorder(Sender<Principal>);

impl UseRecorder {
    /// Adds an entry without waiting. It is dropped if the queue is full.
    pub fn record(&self, principal: Principal) {
        let _ = self.0.try_send(principal);
    }
}

/// The task that stores the entries.
#[derive(Debug)]
pub struct UseWriter {
    store: Store,
    queue: Receiver<Principal>,
}

impl UseWriter {
    /// Stores entries, a batch per second at most, until the last recorder is dropped. It can be aborted at any time.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let stored = timeout(BATCH_TIMEOUT, store(&self.store, &batch)).await;
            if let Ok(Err(error)) = stored {
                tracing::warn!(%error, entries = batch.len(), "the use of credentials was not recorded");
            }
            batch.clear();
            sleep(BATCH_INTERVAL).await;
        }
    }
}

async fn store(store: &Store, batch: &[Principal]) -> Result<(), Error> {
    let ids = |id: fn(Principal) -> Option<i64>| -> BTreeSet<i64> {
        batch.iter().copied().filter_map(id).collect()
    };
    let (keys, sessions) = (ids(Principal::api_key_id), ids(Principal::session_id));
    for key in keys {
        touch_api_key(store, key).await?;
    }
    for session in sessions {
        touch_session(store, session).await?;
    }
    Ok(())
}
