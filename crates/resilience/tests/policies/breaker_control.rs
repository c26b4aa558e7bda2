//! Operator overrides, transitions and logging of a breaker.

use super::log::logged_by;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, BreakerState, Class, Control, Permit, Transition};
use tokio::sync::broadcast::error::TryRecvError;
use tracing::Level;

const OPEN_FOR: Duration = Duration::from_secs(30);

fn breaker() -> Breaker {
    Breaker::new("depot", BreakerConfig::consecutive(2, OPEN_FOR))
}

fn permit(breaker: &Breaker) -> Permit<'_> {
    breaker.try_acquire().expect("calls flow")
}

fn fail(breaker: &Breaker, times: u32) {
    (0..times).for_each(|_| permit(breaker).record(Some(Class::Unavailable)));
}

#[tokio::test(start_paused = true)]
async fn forced_open_ignores_time_and_reachability() {
    let breaker = breaker();
    breaker.set_control(Control::ForcedOpen);
    tokio::time::advance(OPEN_FOR * 100).await;
    breaker.report_reachable();
    assert_eq!(breaker.try_acquire().expect_err("forced open").retry_after, OPEN_FOR);
    let now = breaker.snapshot();
    assert_eq!((now.state, now.control, now.next_probe_in), (BreakerState::Open, Control::ForcedOpen, None));
}

#[tokio::test(start_paused = true)]
async fn probes_after_forced_open() {
    let breaker = breaker();
    breaker.set_control(Control::ForcedOpen);
    breaker.set_control(Control::Automatic);
    let probe = permit(&breaker);
    assert!(breaker.try_acquire().is_err());
    probe.record(None);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn forced_closed_counts_failures_without_opening() {
    let breaker = breaker();
    breaker.set_control(Control::ForcedClosed);
    fail(&breaker, 10);
    assert_eq!((breaker.snapshot().state, breaker.snapshot().failures), (BreakerState::Closed, 10));
    breaker.set_control(Control::Automatic);
    fail(&breaker, 1);
    assert_eq!(breaker.snapshot().state, BreakerState::Closed, "earlier failures do not count");
    fail(&breaker, 1);
    assert_eq!(breaker.snapshot().state, BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn disabled_admits_all_calls_without_counting() {
    let breaker = breaker();
    fail(&breaker, 2);
    breaker.set_control(Control::Disabled);
    fail(&breaker, 10);
    drop(permit(&breaker));
    let now = breaker.snapshot();
    assert_eq!((now.state, now.failures, now.cancelled), (BreakerState::Closed, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn outcomes_from_before_override_do_not_count() {
    let breaker = breaker();
    let calls = [permit(&breaker), permit(&breaker)];
    breaker.set_control(Control::Disabled);
    breaker.set_control(Control::Automatic);
    calls.into_iter().for_each(|call| call.record(Some(Class::Unavailable)));
    assert_eq!(breaker.snapshot().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn publishes_transitions_in_order() {
    let breaker = breaker();
    let mut transitions = breaker.transitions();
    fail(&breaker, 2);
    tokio::time::advance(OPEN_FOR).await;
    permit(&breaker).record(None);
    let told: Vec<(BreakerState, BreakerState)> =
        std::iter::from_fn(|| transitions.try_recv().ok()).map(|told| (told.from, told.to)).collect();
    let [closed, open, half_open] = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
    assert_eq!(told, [(closed, open), (open, half_open), (half_open, closed)]);
    breaker.set_control(Control::Disabled);
    let disabled = Transition { breaker: "depot", from: closed, to: closed, control: Control::Disabled };
    assert_eq!(transitions.try_recv(), Ok(disabled));
}

#[tokio::test(start_paused = true)]
async fn lagging_receiver_learns_number_of_missed_transitions() {
    let breaker = breaker();
    let mut transitions = breaker.transitions();
    for _ in 0..10 {
        breaker.set_control(Control::ForcedClosed);
        breaker.set_control(Control::Automatic);
    }
    assert_eq!(transitions.try_recv(), Err(TryRecvError::Lagged(4)));
    assert!(transitions.try_recv().is_ok());
}

#[tokio::test(start_paused = true)]
async fn only_opening_is_logged_as_warning() {
    let breaker = breaker();
    assert_eq!(breaker.name(), "depot");
    let logged = logged_by(|| {
        fail(&breaker, 2);
        breaker.report_reachable();
        permit(&breaker).record(None);
    });
    let levels: Vec<Level> = logged.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [Level::WARN, Level::INFO, Level::INFO]);
    for field in ["breaker=depot", "state=open", "control=automatic", "failures=2", "calls=2"] {
        assert!(logged[0].1.contains(field), "{field} in {}", logged[0].1);
    }
    assert!(logged[1].1.contains("state=half_open") && logged[2].1.contains("state=closed"), "{logged:?}");
}
