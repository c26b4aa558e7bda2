//! The bulkhead: how many are inside, how many wait, who is turned away.

use super::poll_once;
use std::time::Duration;
use steadfast_resilience::{Bulkhead, BulkheadConfig, Class, Classify, Deadline, Refused};

const LIMIT: Duration = Duration::from_secs(2);

fn bulkhead(concurrency: usize, queue: usize) -> Bulkhead {
    Bulkhead::new("orchard", BulkheadConfig { concurrency, queue })
}

#[tokio::test(start_paused = true)]
async fn one_waits_in_line_and_the_next_is_turned_away_at_once() {
    let bulkhead = bulkhead(1, 1);
    let place = bulkhead.enter(Deadline::after(LIMIT)).await.expect("a place");
    let mut waiting = Box::pin(bulkhead.enter(Deadline::after(LIMIT)));
    assert!(poll_once(waiting.as_mut()).is_pending());
    assert_eq!((bulkhead.inside(), bulkhead.waiting()), (1, 1));
    let refused = bulkhead.enter(Deadline::after(LIMIT)).await.expect_err("the line is full");
    assert_eq!(refused, Refused::Full { name: "orchard", waiting: 1 });
    assert_eq!(refused.class(), Class::Overload);
    drop(place);
    let place = waiting.await.expect("its turn");
    assert_eq!((bulkhead.inside(), bulkhead.waiting()), (1, 0));
    drop(place);
    assert_eq!(bulkhead.inside(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_with_the_deadline_and_leaves_nothing_behind() {
    let bulkhead = bulkhead(1, 1);
    let _place = bulkhead.enter(Deadline::after(LIMIT)).await;
    for _ in 0..3 {
        let refused = bulkhead.enter(Deadline::after(LIMIT)).await.expect_err("no room");
        assert_eq!(refused, Refused::TooLate { name: "orchard", waited: LIMIT });
    }
    assert_eq!(bulkhead.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_line_makes_room_in_it() {
    let bulkhead = bulkhead(1, 1);
    let place = bulkhead.enter(Deadline::after(LIMIT)).await.expect("a place");
    for _ in 0..3 {
        let mut left = Box::pin(bulkhead.enter(Deadline::after(LIMIT)));
        assert!(poll_once(left.as_mut()).is_pending());
    }
    drop(place);
    assert!(bulkhead.enter(Deadline::after(LIMIT)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_line_nobody_waits() {
    let bulkhead = bulkhead(1, 0);
    let _place = bulkhead.enter(Deadline::after(LIMIT)).await;
    let refused = bulkhead.enter(Deadline::after(LIMIT)).await.expect_err("full");
    assert_eq!(refused, Refused::Full { name: "orchard", waiting: 0 });
}

#[tokio::test(start_paused = true)]
async fn bulkhead_admits_one_caller_at_least() {
    let bulkhead = bulkhead(0, 0);
    assert_eq!(bulkhead.inside(), 0);
    let place = bulkhead.enter(Deadline::after(LIMIT)).await.expect("a place");
    assert!(bulkhead.enter(Deadline::after(LIMIT)).await.is_err());
    drop(place);
}
