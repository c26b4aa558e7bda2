//! The moment after which nobody waits for an answer.

use std::time::Duration;
use tokio::time::Instant;

/// A point in time that a whole piece of work shares: its waits, attempts and pauses all end there.
///
/// A deadline that should never come is [`Deadline::after`]`(Duration::MAX)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Longest duration that this crate counts: 30 years. A longer one means "never" and is treated as this long, since
    /// no clock can count `Duration::MAX` from now.
    pub const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

    /// Returns the deadline `limit` from now, [`Deadline::LONGEST`] at most.
    pub fn after(limit: Duration) -> Self {
        Self::from_start(Instant::now(), limit)
    }

    /// Returns the deadline `limit` after `start`, [`Deadline::LONGEST`] at most. Use it instead of `start + limit`,
    /// which panics if the sum cannot be represented.
    pub fn from_start(start: Instant, limit: Duration) -> Self {
        // A start this close to the end of the clock is as far away as any deadline.
        Self(start.checked_add(limit.min(Self::LONGEST)).unwrap_or(start))
    }

    /// Returns the deadline at `moment`.
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// Returns the remaining time, or zero if the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// Returns the time that remains at the moment `now`, or zero if the deadline has passed by then.
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

    /// Returns the deadline that lies `by` before this one, to leave time for what follows. Returns this deadline
    /// itself if the clock cannot count back that far.
    #[must_use]
    pub fn earlier_by(self, by: Duration) -> Self {
        Self(self.0.checked_sub(by).unwrap_or(self.0))
    }

    /// Returns the instant itself, for [`tokio::time::timeout_at`].
    pub fn instant(self) -> Instant {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_deadline_leaves_the_time_that_it_is_earlier_by() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let deadline = Deadline::at(now + 3 * second);
        assert_eq!(deadline.earlier_by(second).remaining_at(now), 2 * second);
        assert_eq!(deadline.earlier_by(4 * second).remaining_at(now), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_shrinks_and_then_stays_at_zero() {
        let deadline = Deadline::after(Duration::from_secs(2));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(deadline.remaining(), Duration::from_millis(1500));
        assert_eq!(deadline.at_most(Duration::from_secs(1)).remaining(), Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Duration::ZERO);
    }
}
