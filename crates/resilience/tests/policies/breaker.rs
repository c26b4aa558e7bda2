//! The states of the breaker, on a paused clock.

use super::Failed;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, BreakerState, Class, CountWindow, Rejected};

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
async fn consecutive_failures_open_breaker() {
    let breaker = opened();
    tokio::time::advance(Duration::from_secs(10)).await;
    let rejected = breaker.try_acquire().expect_err("open");
    assert_eq!(rejected, Rejected { breaker: "depot", retry_after: Duration::from_secs(20) });
    assert_eq!(breaker.snapshot().state, BreakerState::Open);
    assert_eq!((breaker.snapshot().opened, breaker.snapshot().rejected), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn success_resets_failure_count() {
    let breaker = breaker();
    fail(&breaker);
    fail(&breaker);
    succeed(&breaker);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn only_unavailable_counts_as_failure() {
    let breaker = breaker();
    for class in
        [Class::Caller, Class::Duplicate, Class::Deadlock, Class::Timeout, Class::Overload, Class::Fault]
    {
        (0..5).for_each(|_| breaker.try_acquire().expect("closed").record(Some(class)));
    }
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn successful_probe_closes_breaker() {
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
async fn failed_probe_reopens_breaker() {
    let breaker = opened();
    tokio::time::advance(OPEN_FOR).await;
    fail(&breaker);
    assert_eq!(breaker.try_acquire().expect_err("open").retry_after, OPEN_FOR);
}

#[tokio::test(start_paused = true)]
async fn dropped_probe_returns_its_permit() {
    let breaker = opened();
    tokio::time::advance(OPEN_FOR).await;
    drop(breaker.try_acquire().expect("the probe"));
    assert_eq!(breaker.snapshot().cancelled, 1);
    succeed(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn outcomes_of_earlier_phases_do_not_count() {
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
async fn report_reachable_ends_open_time() {
    let breaker = opened();
    breaker.report_reachable();
    succeed(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
    breaker.report_reachable();
    assert_eq!(breaker.snapshot().state, BreakerState::Closed, "no effect while closed");
}

fn windowed(size: u32, minimum_calls: u32, failure_percent: u32) -> Breaker {
    let window = CountWindow { size, minimum_calls, failure_percent };
    Breaker::new("depot", BreakerConfig::count_window(window, OPEN_FOR))
}

#[tokio::test(start_paused = true)]
async fn window_opens_at_failure_rate_after_minimum_calls() {
    let breaker = windowed(10, 4, 50);
    (0..2).for_each(|_| fail(&breaker));
    succeed(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed, "three calls are too few to judge");
    succeed(&breaker);
    let now = breaker.snapshot();
    assert_eq!((now.state, now.failures, now.calls), (BreakerState::Open, 2, 4));
    assert!((now.failure_rate() - 0.5).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn outcomes_outside_window_do_not_count() {
    let breaker = windowed(4, 4, 75);
    (0..2).for_each(|_| fail(&breaker));
    (0..4).for_each(|_| succeed(&breaker));
    (0..2).for_each(|_| fail(&breaker));
    assert_eq!((breaker.snapshot().state, breaker.snapshot().failures), (BreakerState::Closed, 2));
    fail(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn window_is_empty_after_closing() {
    let breaker = windowed(4, 2, 50);
    (0..2).for_each(|_| fail(&breaker));
    breaker.report_reachable();
    succeed(&breaker);
    assert_eq!((breaker.snapshot().state, breaker.snapshot().calls), (BreakerState::Closed, 0));
    fail(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed, "one call is below the minimum again");
}

#[tokio::test(start_paused = true)]
async fn half_open_admits_no_more_calls_than_permits() {
    let breaker = Breaker::new("depot", BreakerConfig::consecutive(1, OPEN_FOR).half_open_permits(3));
    fail(&breaker);
    tokio::time::advance(OPEN_FOR).await;
    let [first, second, third] = [(); 3].map(|()| breaker.try_acquire().expect("a permit"));
    assert!(breaker.try_acquire().is_err(), "all permits are out");
    first.record(None);
    assert!(breaker.try_acquire().is_err(), "a successful probe does not return its permit");
    drop(second);
    let fourth = breaker.try_acquire().expect("the returned permit");
    third.record(None);
    assert_eq!(breaker.snapshot().state, BreakerState::HalfOpen);
    fourth.record(Some(Class::Caller));
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn failed_probes_double_open_time_up_to_cap() {
    let config = BreakerConfig::consecutive(1, OPEN_FOR)
        .growing_to(OPEN_FOR * 3)
        .jitter(steadfast_resilience::Jitter::None);
    let breaker = Breaker::new("depot", config);
    for factor in [1, 2, 3, 3] {
        fail(&breaker);
        assert_eq!(breaker.snapshot().next_probe_in, Some(OPEN_FOR * factor));
        tokio::time::advance(OPEN_FOR * factor).await;
    }
    succeed(&breaker);
    fail(&breaker);
    assert_eq!(breaker.snapshot().next_probe_in, Some(OPEN_FOR));
}

#[tokio::test(start_paused = true)]
async fn growing_open_time_is_jittered_over_upper_half() {
    let waits: Vec<Duration> = (0..50)
        .map(|_| {
            let breaker = Breaker::new("depot", BreakerConfig::consecutive(1, OPEN_FOR).growing_to(OPEN_FOR));
            fail(&breaker);
            breaker.snapshot().next_probe_in.expect("open")
        })
        .collect();
    assert!(waits.iter().all(|wait| *wait >= OPEN_FOR / 2 && *wait <= OPEN_FOR), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait != waits[0]), "fifty times the same wait");
}

#[tokio::test(start_paused = true)]
async fn call_is_recorded_rejected_or_cancelled() {
    let breaker = Breaker::new("depot", BreakerConfig::consecutive(1, OPEN_FOR));
    assert_eq!(breaker.call(async || Ok::<_, Failed>(7)).await, Ok(7));
    {
        let mut left = Box::pin(breaker.call(std::future::pending::<Result<(), Failed>>));
        assert!(super::poll_once(left.as_mut()).is_pending());
    }
    assert_eq!((breaker.snapshot().cancelled, breaker.snapshot().state), (1, BreakerState::Closed));
    let failed = breaker.call(async || Err::<(), _>(Failed(Class::Unavailable))).await;
    assert_eq!(failed, Err(Failed(Class::Unavailable)));
    let rejected = breaker.call(async || -> Result<(), Failed> { unreachable!("the breaker is open") }).await;
    assert_eq!((rejected.is_err(), breaker.snapshot().rejected), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn settings_are_clamped() {
    let window = |size, minimum_calls, failure_percent| CountWindow { size, minimum_calls, failure_percent };
    for (window, failures) in [
        (window(0, 0, 0), 1),
        (window(4, 9, 50), 4),
        (window(4, 4, 900), 4),
        (window(u32::MAX, u32::MAX, 100), CountWindow::SIZE_MAX),
    ] {
        let breaker = Breaker::new("depot", BreakerConfig::count_window(window, OPEN_FOR));
        (1..failures).for_each(|_| fail(&breaker));
        assert_eq!(breaker.snapshot().state, BreakerState::Closed, "{window:?}");
        fail(&breaker);
        assert_eq!(breaker.snapshot().state, BreakerState::Open, "{window:?}");
    }
    let config = BreakerConfig { half_open_permits: 0, ..BreakerConfig::consecutive(0, OPEN_FOR) };
    let breaker = Breaker::new("depot", config);
    fail(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Open);
    tokio::time::advance(OPEN_FOR).await;
    succeed(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn late_success_does_not_reset_failures_of_later_phase() {
    let breaker = breaker();
    let late = breaker.try_acquire().expect("closed");
    (0..3).for_each(|_| fail(&breaker));
    breaker.report_reachable();
    succeed(&breaker);
    fail(&breaker);
    late.record(None);
    assert_eq!((breaker.snapshot().state, breaker.snapshot().failures), (BreakerState::Closed, 1));
}
