//! Deadlines.

use std::time::Duration;
use tokio::time::Instant;

/// The point in time at which all waits, attempts and delays of one call end.
///
/// `Deadline::after(Duration::MAX)` never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Longest supported duration: 30 years. Longer ones mean "never" and are cut to this value, since no clock can
    /// represent `Duration::MAX` from now.
    pub const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

    /// Returns the deadline `limit` from now, at most [`Deadline::LONGEST`].
    pub fn after(limit: Duration) -> Self {
        Self::from_start(Instant::now(), limit)
    }

    /// Returns the deadline `limit` after `start`, at most [`Deadline::LONGEST`]. Unlike `start + limit`, it never panics.
    pub fn from_start(start: Instant, limit: Duration) -> Self {
        // A start so close to the end of the clock is as good as any deadline.
        Self(start.checked_add(limit.min(Self::LONGEST)).unwrap_or(start))
    }

    /// Returns the deadline at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// Returns the remaining time, or zero if the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// Returns the time that remains at `now`, or zero if the deadline has passed by then.
    pub fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Returns true if the deadline has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the earlier of this deadline and `limit` from now.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        self.min(Self::after(limit))
    }

    /// Returns the deadline that is `by` before this one, to reserve time for a later step. Returns this deadline
    /// unchanged if the clock cannot represent the result.
    #[must_use]
    pub fn earlier_by(self, by: Duration) -> Self {
        Self(self.0.checked_sub(by).unwrap_or(self.0))
    }

    /// Returns the instant, for [`tokio::time::timeout_at`].
    pub fn instant(self) -> Instant {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_by_reserves_time() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let deadline = Deadline::at(now + 3 * second);
        assert_eq!(deadline.earlier_by(second).remaining_at(now), 2 * second);
        assert_eq!(deadline.earlier_by(4 * second).remaining_at(now), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn remaining_time_shrinks_to_zero() {
        let deadline = Deadline::after(Duration::from_secs(2));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(deadline.remaining(), Duration::from_millis(1500));
        assert_eq!(deadline.at_most(Duration::from_secs(1)).remaining(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }
}
