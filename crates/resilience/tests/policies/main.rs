//! Tests of the policies on a paused clock. They form one binary, which links faster than many.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod breaker;
mod breaker_control;
mod breaker_model;
mod bulkhead;
mod deadlock;
mod duplicate;
mod extremes;
mod foreign_errors;
mod gate;
mod gate_model;
mod log;
mod retry;

use steadfast_resilience::{BreakerState, Class, Classify, Control, Refused, Rejected};

/// Failure with a class.
#[derive(Debug, PartialEq, Eq)]
struct Failed(Class);

impl Classify for Failed {
    fn class(&self) -> Class {
        self.0
    }

    fn key(&self) -> Option<&str> {
        (self.0 == Class::Duplicate).then_some("trees_name_key")
    }
}

impl From<Rejected> for Failed {
    fn from(_: Rejected) -> Self {
        Self(Class::Unavailable)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self(refused.class())
    }
}

/// Polls once with a waker that does nothing.
fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

// Log fields, metric labels and health responses of running systems depend on these names.
#[test]
fn names_in_logs_and_metrics_are_stable() {
    let states = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
    assert_eq!(states.map(BreakerState::as_str), ["closed", "open", "half_open"]);
    let controls = [Control::Automatic, Control::ForcedOpen, Control::ForcedClosed, Control::Disabled];
    assert_eq!(controls.map(Control::as_str), ["automatic", "forced_open", "forced_closed", "disabled"]);
    for (class, name) in [
        (Class::Deadlock, "deadlock"),
        (Class::Duplicate, "duplicate"),
        (Class::Conflict, "conflict"),
        (Class::Timeout, "timeout"),
        (Class::Unavailable, "unavailable"),
        (Class::Overload, "overload"),
        (Class::Ambiguous, "ambiguous"),
        (Class::Caller, "caller"),
        (Class::Fault, "fault"),
    ] {
        assert_eq!((class.as_str(), class.to_string().as_str()), (name, name));
    }
}
