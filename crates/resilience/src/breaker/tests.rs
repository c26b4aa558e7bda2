//! The breaker's behaviour on a paused clock.

use super::*;

const OPEN_FOR: Duration = Duration::from_secs(30);

fn breaker() -> Breaker {
    Breaker::new("depot", BreakerConfig::consecutive(3, OPEN_FOR))
}

fn fail(breaker: &Breaker) {
    breaker.try_acquire().expect("calls flow").record(Some(Class::Unavailable));
}

fn succeed(breaker: &Breaker) {
    breaker.try_acquire().expect("calls flow").record(None);
}

fn opened() -> Breaker {
    let breaker = breaker();
    (0..3).for_each(|_| fail(&breaker));
    breaker
}

#[tokio::test(start_paused = true)]
async fn three_failures_in_a_row_open_it_and_the_rejection_says_for_how_long() {
    let breaker = opened();
    tokio::time::advance(Duration::from_secs(10)).await;
    let rejected = breaker.try_acquire().expect_err("open");
    assert_eq!(rejected, Rejected { breaker: "depot", retry_after: Duration::from_secs(20) });
    assert_eq!(breaker.snapshot().state, BreakerState::Open);
    assert_eq!((breaker.snapshot().opened, breaker.snapshot().rejected), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_success_in_between_starts_the_count_again() {
    let breaker = breaker();
    fail(&breaker);
    fail(&breaker);
    succeed(&breaker);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn only_an_unavailable_dependency_counts() {
    let breaker = breaker();
    for class in
        [Class::Caller, Class::Duplicate, Class::Deadlock, Class::Timeout, Class::Overload, Class::Fault]
    {
        (0..5).for_each(|_| breaker.try_acquire().expect("closed").record(Some(class)));
    }
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn after_its_time_one_probe_goes_through_and_its_success_closes_it() {
    let breaker = opened();
    tokio::time::advance(OPEN_FOR).await;
    let probe = breaker.try_acquire().expect("the probe");
    assert_eq!(breaker.snapshot().state, BreakerState::HalfOpen);
    assert!(breaker.try_acquire().is_err(), "a second call waits for the probe");
    probe.record(None);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
    succeed(&breaker);
}

#[tokio::test(start_paused = true)]
async fn a_failed_probe_opens_it_again_for_the_whole_time() {
    let breaker = opened();
    tokio::time::advance(OPEN_FOR).await;
    fail(&breaker);
    assert_eq!(breaker.try_acquire().expect_err("open").retry_after, OPEN_FOR);
}

#[tokio::test(start_paused = true)]
async fn a_probe_whose_caller_leaves_gives_its_permit_back() {
    let breaker = opened();
    tokio::time::advance(OPEN_FOR).await;
    drop(breaker.try_acquire().expect("the probe"));
    assert_eq!(breaker.snapshot().cancelled, 1);
    succeed(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_of_an_earlier_phase_changes_nothing() {
    let breaker = breaker();
    let slow = [breaker.try_acquire().expect("closed"), breaker.try_acquire().expect("closed")];
    (0..3).for_each(|_| fail(&breaker));
    tokio::time::advance(OPEN_FOR).await;
    let probe = breaker.try_acquire().expect("the probe");
    let [first, second] = slow;
    first.record(None);
    second.record(Some(Class::Unavailable));
    assert_eq!(breaker.snapshot().state, BreakerState::HalfOpen);
    probe.record(None);
    assert_eq!((breaker.snapshot().state, breaker.snapshot().failures), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn being_reached_by_other_means_ends_the_open_time_at_once() {
    let breaker = opened();
    breaker.reached();
    succeed(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
    breaker.reached();
    assert_eq!(breaker.snapshot().state, BreakerState::Closed, "nothing to do while closed");
}
