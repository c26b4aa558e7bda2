//! Settings of a circuit breaker.

use crate::{Deadline, Jitter};
use std::time::Duration;

/// Settings of a [`Breaker`](crate::Breaker).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Number of consecutive failures that open the breaker. Ignored if there is a [`window`](Self::window).
    pub failures: u32,
    /// Count window that is used instead of consecutive failures.
    pub window: Option<CountWindow>,
    /// Time for which an open breaker rejects calls before it lets the first one through. With `Duration::MAX` it stays
    /// open until [`Breaker::report_reachable`](crate::Breaker::report_reachable) is called or an operator intervenes.
    pub open_for: Duration,
    /// Maximum open time. The open time doubles with each failed probe.
    pub max_open_for: Duration,
    /// Randomization of the open time, so that many instances do not probe at the same instant.
    pub jitter: Jitter,
    /// Number of calls that are let through while half-open. The same number of successes closes the breaker; one failure
    /// opens it again.
    pub half_open_permits: u32,
}

/// Window over the last outcomes, with the failure rate that opens the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountWindow {
    /// Number of outcomes in the window: 1 to [`CountWindow::SIZE_MAX`].
    pub size: u32,
    /// Minimum number of outcomes since the breaker closed before it can open: 1 to `size`.
    pub minimum_calls: u32,
    /// Percentage of failures that opens the breaker: 1 to 100.
    pub failure_percent: u32,
}

impl CountWindow {
    /// Largest window. It is bounded because each failure reads the whole window.
    pub const SIZE_MAX: u32 = 1_000;

    /// Returns the window with each value clamped to its range.
    fn within_range(self) -> Self {
        let size = self.size.clamp(1, Self::SIZE_MAX);
        Self {
            size,
            minimum_calls: self.minimum_calls.clamp(1, size),
            failure_percent: self.failure_percent.clamp(1, 100),
        }
    }
}

impl BreakerConfig {
    /// Opens for `open_for` after `failures` consecutive failures (at least one), and probes with one call at a time.
    pub const fn consecutive(failures: u32, open_for: Duration) -> Self {
        Self {
            failures,
            window: None,
            open_for,
            max_open_for: open_for,
            jitter: Jitter::None,
            half_open_permits: 1,
        }
    }

    /// Opens for `open_for` if enough of the last outcomes are failures. Values outside the ranges of [`CountWindow`] are
    /// clamped.
    pub const fn count_window(window: CountWindow, open_for: Duration) -> Self {
        Self { window: Some(window), ..Self::consecutive(window.minimum_calls, open_for) }
    }

    /// Doubles the open time with each failed probe, up to `at_most`, and randomizes it over its upper half.
    #[must_use]
    pub const fn growing_to(self, at_most: Duration) -> Self {
        Self { max_open_for: at_most, jitter: Jitter::Half, ..self }
    }

    /// Replaces the randomization of the open time. With [`Jitter::Full`] it may be zero.
    #[must_use]
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Lets `permits` calls (at least one) through while half-open.
    #[must_use]
    pub const fn half_open_permits(self, permits: u32) -> Self {
        Self { half_open_permits: permits, ..self }
    }

    /// Returns the settings with each value clamped to its range. The fields are public and may hold any value.
    pub(super) fn within_range(self) -> Self {
        Self {
            window: self.window.map(CountWindow::within_range),
            open_for: self.open_for.min(Deadline::LONGEST),
            half_open_permits: self.half_open_permits.max(1),
            ..self
        }
    }
}
