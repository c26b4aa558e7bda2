//! Tests of the log of searches: every entry is stored once, or dropped and counted.

use super::*;
use std::future::{pending, ready};
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

fn entry(number: usize) -> SearchLog {
    SearchLog::of(None, "asthma", number, Duration::ZERO, false)
}

/// Stored batches, as numbers of entries. Entry [`CANNOT_BE_STORED`] fails its batch.
#[derive(Default)]
struct Batches {
    stored: Mutex<Vec<Vec<i32>>>,
    stored_batch: Notify,
}

const CANNOT_BE_STORED: usize = 1_000_000;

impl Batches {
    fn stored(self) -> Vec<Vec<i32>> {
        self.stored.into_inner().expect("not poisoned")
    }
}

impl Archive for Batches {
    async fn store(&self, batch: &[SearchLog]) -> Result<(), Error> {
        let batch: Vec<i32> = batch.iter().map(|search| search.results).collect();
        if batch.contains(&(CANNOT_BE_STORED as i32)) {
            return Err(Error::OutcomeUnknown);
        }
        self.stored.lock().expect("not poisoned").push(batch);
        self.stored_batch.notify_one();
        Ok(())
    }
}

/// A database that never responds.
struct Hangs;

impl Archive for Hangs {
    async fn store(&self, _: &[SearchLog]) -> Result<(), Error> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn stores_entries_in_order_and_batches() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    (0..LOG_BATCH_MAX * 2 + 7).for_each(|number| recorder.record(entry(number)));
    let (batches, lost) = (Batches::default(), Arc::clone(&recorder.lost));
    drop(recorder);
    write_behind(queue, &lost, &batches, pending()).await;
    let batches = batches.stored();
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [LOG_BATCH_MAX, LOG_BATCH_MAX, 7]);
    assert_eq!(batches.concat(), (0..LOG_BATCH_MAX as i32 * 2 + 7).collect::<Vec<_>>());
    assert_eq!(lost.load(Relaxed), 0);
}

#[tokio::test]
async fn shutdown_stores_remaining_entries() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    (0..3).for_each(|number| recorder.record(entry(number)));
    let batches = Batches::default();
    write_behind(queue, &recorder.lost, &batches, ready(())).await;
    assert_eq!(batches.stored().concat(), [0, 1, 2]);
    recorder.record(entry(4));
    assert_eq!(recorder.lost(), 1, "the queue is closed");
}

#[tokio::test]
async fn full_queue_drops_and_counts_entries() {
    let (recorder, _queue) = recorder(2);
    (0..5).for_each(|number| recorder.record(entry(number)));
    assert_eq!(recorder.lost(), 3);
}

#[tokio::test(start_paused = true)]
async fn failed_batch_is_counted() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    recorder.record(entry(CANNOT_BE_STORED));
    let (batches, lost) = (Batches::default(), Arc::clone(&recorder.lost));
    let later = async {
        while recorder.lost() == 0 {
            tokio::task::yield_now().await;
        }
        (2..4).for_each(|number| recorder.record(entry(number)));
        batches.stored_batch.notified().await;
    };
    tokio::select! {
        () = write_behind(queue, &lost, &batches, pending()) => unreachable!("the recorder is open"),
        () = later => {}
    }
    assert_eq!((recorder.lost(), batches.stored()), (1, vec![vec![2, 3]]));
}

#[tokio::test(start_paused = true)]
async fn hanging_database_does_not_block_shutdown() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    recorder.record(entry(1));
    let began = Instant::now();
    write_behind(queue, &recorder.lost, &Hangs, ready(())).await;
    assert!(began.elapsed() <= BATCH_TIMEOUT + DRAIN_TIMEOUT, "{:?}", began.elapsed());
}
