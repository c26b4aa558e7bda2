//! When a breaker opens and for how long.

use crate::Jitter;
use std::time::Duration;

/// When a [`Breaker`](crate::Breaker) opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that open it. Without meaning while there is a [`window`](Self::window).
    pub failures: u32,
    /// The count window that decides instead of failures in a row, if any.
    pub window: Option<CountWindow>,
    /// How long it rejects before it lets the first call through again.
    pub open_for: Duration,
    /// The cap of that time: it doubles with each probe that fails, up to here.
    pub open_for_at_most: Duration,
    /// How the open time is spread, so that many instances do not probe at the same instant.
    pub jitter: Jitter,
    /// Calls that are let through while half-open; as many successes close it, one failure opens it again.
    pub half_open_permits: u32,
}

/// The last outcomes, and the share of failures among them that opens a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountWindow {
    /// How many of the last outcomes count: 1 to [`CountWindow::SIZE_MAX`].
    pub size: u32,
    /// With fewer outcomes than this since it closed it never opens: 1 to `size`.
    pub minimum_calls: u32,
    /// The percentage of failures that opens it: 1 to 100.
    pub failure_percent: u32,
}

impl CountWindow {
    /// The largest window. A failure looks at the whole window, so that a success need not.
    pub const SIZE_MAX: u32 = 1_000;

    /// The same window with each value inside its range.
    pub(super) const fn within_range(self) -> Self {
        let size = clamp(self.size, Self::SIZE_MAX);
        Self {
            size,
            minimum_calls: clamp(self.minimum_calls, size),
            failure_percent: clamp(self.failure_percent, 100),
        }
    }
}

impl BreakerConfig {
    /// Opens after `failures` in a row (at least one), for `open_for`, and probes with one call at a time.
    pub const fn consecutive(failures: u32, open_for: Duration) -> Self {
        Self {
            failures: clamp(failures, u32::MAX),
            window: None,
            open_for,
            open_for_at_most: open_for,
            jitter: Jitter::None,
            half_open_permits: 1,
        }
    }

    /// Opens for `open_for` when enough of the last outcomes are failures. Values outside the ranges that
    /// [`CountWindow`] tells are brought to the nearest one inside.
    pub const fn count_window(window: CountWindow, open_for: Duration) -> Self {
        let window = window.within_range();
        Self { window: Some(window), ..Self::consecutive(window.minimum_calls, open_for) }
    }

    /// The same, but the open time doubles with each failed probe up to `at_most`, and is spread over its upper half.
    #[must_use]
    pub const fn growing_to(self, at_most: Duration) -> Self {
        Self { open_for_at_most: at_most, jitter: Jitter::Half, ..self }
    }

    /// The same with another spread of the open time. With [`Jitter::Full`] it may end at once.
    #[must_use]
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The same with `permits` (at least one) calls let through while half-open.
    #[must_use]
    pub const fn half_open_permits(self, permits: u32) -> Self {
        Self { half_open_permits: clamp(permits, u32::MAX), ..self }
    }
}

const fn clamp(value: u32, max: u32) -> u32 {
    match value {
        0 => 1,
        value if value > max => max,
        value => value,
    }
}
