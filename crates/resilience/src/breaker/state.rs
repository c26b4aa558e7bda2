//! Public view of a breaker: state, transitions, snapshot and the error of rejected calls.

use crate::{Class, Classify};
use std::time::Duration;

/// State of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls flow.
    Closed,
    /// Calls are rejected.
    Open,
    /// A few calls are let through as probes.
    HalfOpen,
}

impl BreakerState {
    /// Returns the name for log fields and health responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Control mode of a breaker: automatic, or overridden by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// The outcomes of calls decide.
    Automatic,
    /// Every call is rejected.
    ForcedOpen,
    /// Calls flow and their outcomes are counted, but the breaker never opens.
    ForcedClosed,
    /// Calls flow and their outcomes are not counted.
    Disabled,
}

impl Control {
    /// Returns the name for log fields and health responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Disabled => "disabled",
        }
    }
}

/// Change of a breaker's state or control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Name of the breaker.
    pub breaker: &'static str,
    /// State before the change.
    pub from: BreakerState,
    /// State after the change; equal to `from` if only the control changed.
    pub to: BreakerState,
    /// Control after the change.
    pub control: Control,
}

/// Error of a call that was not made because the breaker is open. The class is [`Class::Unavailable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{breaker} is unavailable: circuit breaker open, next attempt in {:.1} s", retry_after.as_secs_f64())]
pub struct Rejected {
    /// Name of the breaker.
    pub breaker: &'static str,
    /// Time until a call may be let through. Zero while half-open probes are in progress; the configured open time while
    /// an operator keeps the breaker open, since its end is unknown.
    pub retry_after: Duration,
}

impl Classify for Rejected {
    fn class(&self) -> Class {
        Class::Unavailable
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.retry_after)
    }
}

/// Snapshot of a breaker's state, for health responses.
///
/// Successes are not counted, since counting would be the most expensive part of a successful call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// State of the breaker.
    pub state: BreakerState,
    /// Control mode of the breaker.
    pub control: Control,
    /// Number of consecutive failures, or of failures in the window. If the breaker is not closed, the number of failures
    /// that opened it.
    pub failures: u32,
    /// Number of outcomes in the window. Equal to `failures` if there is no window.
    pub calls: u32,
    /// Number of calls since the start that were dropped without an outcome.
    pub cancelled: u64,
    /// Number of rejected calls since the start.
    pub rejected: u64,
    /// Number of times that the breaker opened since the start.
    pub opened: u64,
    /// Time until a call is let through; `None` unless outcomes opened the breaker.
    pub next_probe_in: Option<Duration>,
}

impl Snapshot {
    /// Returns the share of failures among `calls`, from 0 to 1; 0 if there are no calls.
    pub fn failure_rate(&self) -> f64 {
        f64::from(self.failures) / f64::from(self.calls.max(1))
    }
}
