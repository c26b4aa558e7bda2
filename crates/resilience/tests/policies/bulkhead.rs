//! The bulkhead: concurrency, queue and refusals.

use super::poll_once;
use std::time::Duration;
use steadfast_resilience::{Bulkhead, BulkheadConfig, Class, Classify, Deadline, Refused};

const LIMIT: Duration = Duration::from_secs(2);

fn bulkhead(concurrency: usize, queue: usize) -> Bulkhead {
    Bulkhead::new("orchard", BulkheadConfig { concurrency, queue })
}

#[tokio::test(start_paused = true)]
async fn refuses_callers_when_queue_is_full() {
    let bulkhead = bulkhead(1, 1);
    let permit = bulkhead.enter(Deadline::after(LIMIT)).await.expect("a permit");
    let mut waiting = Box::pin(bulkhead.enter(Deadline::after(LIMIT)));
    assert!(poll_once(waiting.as_mut()).is_pending());
    assert_eq!((bulkhead.inside(), bulkhead.waiting()), (1, 1));
    let refused = bulkhead.enter(Deadline::after(LIMIT)).await.expect_err("the line is full");
    assert_eq!(refused, Refused::Full { name: "orchard", waiting: 1 });
    assert_eq!(refused.class(), Class::Overload);
    drop(permit);
    let permit = waiting.await.expect("its turn");
    assert_eq!((bulkhead.inside(), bulkhead.waiting()), (1, 0));
    drop(permit);
    assert_eq!(bulkhead.inside(), 0);
}

#[tokio::test(start_paused = true)]
async fn wait_ends_at_deadline_without_leaking() {
    let bulkhead = bulkhead(1, 1);
    let _place = bulkhead.enter(Deadline::after(LIMIT)).await;
    for _ in 0..3 {
        let refused = bulkhead.enter(Deadline::after(LIMIT)).await.expect_err("no room");
        assert_eq!(refused, Refused::TooLate { name: "orchard", waited: LIMIT });
    }
    assert_eq!(bulkhead.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn cancelled_waiters_free_queue_slots() {
    let bulkhead = bulkhead(1, 1);
    let permit = bulkhead.enter(Deadline::after(LIMIT)).await.expect("a permit");
    for _ in 0..3 {
        let mut left = Box::pin(bulkhead.enter(Deadline::after(LIMIT)));
        assert!(poll_once(left.as_mut()).is_pending());
    }
    drop(permit);
    assert!(bulkhead.enter(Deadline::after(LIMIT)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn refuses_callers_without_queue() {
    let bulkhead = bulkhead(1, 0);
    let _place = bulkhead.enter(Deadline::after(LIMIT)).await;
    let refused = bulkhead.enter(Deadline::after(LIMIT)).await.expect_err("full");
    assert_eq!(refused, Refused::Full { name: "orchard", waiting: 0 });
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_at_least_one() {
    let bulkhead = bulkhead(0, 0);
    assert_eq!(bulkhead.inside(), 0);
    let permit = bulkhead.enter(Deadline::after(LIMIT)).await.expect("a permit");
    assert!(bulkhead.enter(Deadline::after(LIMIT)).await.is_err());
    drop(permit);
}
