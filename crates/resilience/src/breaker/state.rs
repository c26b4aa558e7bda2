//! What a breaker tells of itself: its state, its transitions, why it rejected.

use std::time::Duration;

/// Whether calls flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls flow.
    Closed,
    /// Calls are rejected.
    Open,
    /// A few calls are let through to find out.
    HalfOpen,
}

impl BreakerState {
    /// The state as a log field and in health answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Who decides whether calls flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Control {
    /// The outcomes.
    Automatic,
    /// An operator: every call is rejected.
    ForcedOpen,
    /// An operator: calls flow and their outcomes are counted, but it never opens.
    ForcedClosed,
    /// An operator: calls flow and nothing is counted.
    Disabled,
}

impl Control {
    /// The value as a log field and in health answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::ForcedOpen => "forced_open",
            Self::ForcedClosed => "forced_closed",
            Self::Disabled => "disabled",
        }
    }
}

/// One change of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The name that the breaker was given.
    pub breaker: &'static str,
    /// The state before.
    pub from: BreakerState,
    /// The state after; the same as before when only the control changed.
    pub to: BreakerState,
    /// Who decides from now on.
    pub control: Control,
}

/// A call that was not made because the breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{breaker} is unavailable: circuit breaker open, next attempt in {:.1} s", retry_after.as_secs_f64())]
pub struct Rejected {
    /// The name that the breaker was given.
    pub breaker: &'static str,
    /// When a call may be let through again; zero while half-open probes are under way, and the configured open
    /// time while an operator keeps it open, for nobody knows.
    pub retry_after: Duration,
}

/// What a breaker looks like at one moment, for health answers.
///
/// Successes are not counted: that would be the dearest part of a call that succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether calls flow.
    pub state: BreakerState,
    /// Who decides that.
    pub control: Control,
    /// Failures in a row, or in the window; while not closed, those that opened it.
    pub failures: u32,
    /// Outcomes in the window; of the consecutive kind the same as `failures`.
    pub calls: u32,
    /// Calls whose caller left before an outcome, since the start.
    pub cancelled: u64,
    /// Calls rejected since the start.
    pub rejected: u64,
    /// How often it opened since the start.
    pub opened: u64,
    /// While open by its own decision: how long until a call is let through.
    pub next_probe_in: Option<Duration>,
}

impl Snapshot {
    /// The share of failures among `calls`, 0 to 1; zero without calls.
    pub fn failure_rate(&self) -> f64 {
        f64::from(self.failures) / f64::from(self.calls.max(1))
    }
}
