//! What the policies promise, on a paused clock. One program, which links faster than many.

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
mod retry;

use steadfast_resilience::{Class, Classify, Refused, Rejected};

/// A failure that is nothing but its class.
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

/// Polls once, with nobody to wake.
fn poll_once<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}
