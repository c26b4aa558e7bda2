//! Every entry is stored once, or counted as lost; nobody waits for either.

use super::*;
use std::future::{pending, ready};
use std::sync::Mutex;
use tokio::sync::Notify;

fn entry(number: usize) -> SearchLog {
    SearchLog::of(None, "asthma", number, Duration::ZERO, false)
}

/// What was stored, batch by batch, by the numbers of the entries. Entry 1,000,000 cannot be stored.
#[derive(Default)]
struct Batches {
    stored: Mutex<Vec<Vec<i32>>>,
    one_more: Notify,
}

const CANNOT_BE_STORED: usize = 1_000_000;

impl Batches {
    fn stored(self) -> Vec<Vec<i32>> {
        self.stored.into_inner().expect("not poisoned")
    }
}

impl Archive for Batches {
    async fn keep(&self, batch: &[SearchLog]) -> Result<(), Error> {
        let batch: Vec<i32> = batch.iter().map(|search| search.results).collect();
        if batch.contains(&(CANNOT_BE_STORED as i32)) {
            return Err(Error::OutcomeUnknown);
        }
        self.stored.lock().expect("not poisoned").push(batch);
        self.one_more.notify_one();
        Ok(())
    }
}

/// A database that never answers.
struct Hangs;

impl Archive for Hangs {
    async fn keep(&self, _: &[SearchLog]) -> Result<(), Error> {
        pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_stored_in_order_and_in_bounded_batches() {
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
async fn the_end_stores_what_is_left_though_recorders_live_on() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    (0..3).for_each(|number| recorder.record(entry(number)));
    let batches = Batches::default();
    write_behind(queue, &recorder.lost, &batches, ready(())).await;
    assert_eq!(batches.stored().concat(), [0, 1, 2]);
    recorder.record(entry(4));
    assert_eq!(recorder.lost(), 1, "after the end there is no room");
}

#[tokio::test]
async fn a_full_queue_loses_and_counts_and_does_not_wait() {
    let (recorder, _queue) = recorder(2);
    (0..5).for_each(|number| recorder.record(entry(number)));
    assert_eq!(recorder.lost(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_stored_is_counted_and_the_next_one_is_stored() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    recorder.record(entry(CANNOT_BE_STORED));
    let (batches, lost) = (Batches::default(), Arc::clone(&recorder.lost));
    let later = async {
        while recorder.lost() == 0 {
            tokio::task::yield_now().await;
        }
        (2..4).for_each(|number| recorder.record(entry(number)));
        batches.one_more.notified().await;
    };
    tokio::select! {
        () = write_behind(queue, &lost, &batches, pending()) => unreachable!("the recorder lives"),
        () = later => {}
    }
    assert_eq!((recorder.lost(), batches.stored()), (1, vec![vec![2, 3]]));
}

#[tokio::test(start_paused = true)]
async fn a_database_that_hangs_does_not_hold_the_end() {
    let (recorder, queue) = recorder(QUEUE_MAX);
    recorder.record(entry(1));
    let began = Instant::now();
    write_behind(queue, &recorder.lost, &Hangs, ready(())).await;
    assert!(began.elapsed() <= BATCH_MAX + DRAIN_MAX, "{:?}", began.elapsed());
}
