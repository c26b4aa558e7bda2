//! Background writes to Redis: a bounded queue that is written in batches.

use crate::health::Counters;
use crate::remote::{Remote, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Maximum number of queued writes. With values of the maximum size, that is 32 MiB.
const QUEUE_MAX: usize = 128;
/// Maximum number of writes in one request to Redis.
const BATCH_MAX: usize = 16;

/// Sender of the queue.
pub(crate) struct Writer {
    queue: mpsc::Sender<Write>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Creates a queue, and the task that writes its entries.
    pub(crate) fn new(remote: Arc<Remote>, counters: Arc<Counters>) -> (Self, impl Future<Output = ()>) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        (Self { queue, counters }, write_all(remote, receiver))
    }

    /// Enqueues `write`. Drops and counts it if the queue is full, which causes an additional load later.
    pub(crate) fn enqueue(&self, write: Write) {
        if self.queue.try_send(write).is_err() {
            self.counters.dropped(1);
        }
    }
}

async fn write_all(remote: Arc<Remote>, mut receiver: mpsc::Receiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while receiver.recv_many(&mut batch, BATCH_MAX).await > 0 {
        remote.write(&batch).await;
        batch.clear();
    }
}
