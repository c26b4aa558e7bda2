//! Writes to Redis off the path of requests: a queue of bounded length, emptied many at a time.

use crate::health::Counters;
use crate::remote::{Remote, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Writes that may wait. With the longest values that is 32 MiB.
const QUEUE_MAX: usize = 128;
/// Writes in one message to Redis.
const BATCH_MAX: usize = 16;

/// The sending end.
pub(crate) struct Writer {
    queue: mpsc::Sender<Write>,
    counters: Arc<Counters>,
}

impl Writer {
    /// The queue, and the work that empties it.
    pub(crate) fn new(remote: Arc<Remote>, counters: Arc<Counters>) -> (Self, impl Future<Output = ()>) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        (Self { queue, counters }, empty(remote, waiting))
    }

    /// Takes `write` unless the queue is full: then it is dropped and counted, and costs somebody a load later.
    pub(crate) fn take(&self, write: Write) {
        if self.queue.try_send(write).is_err() {
            self.counters.dropped(1);
        }
    }
}

async fn empty(remote: Arc<Remote>, mut waiting: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        remote.write(&batch).await;
        batch.clear();
    }
}
