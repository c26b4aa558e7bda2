//! The moment after which nobody waits for the answer any more.

use std::time::Duration;
use tokio::time::Instant;

/// A point in time that a whole piece of work shares: waiting, attempts and sleeps together end there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline that lies `limit` from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// The deadline at `moment`, for callers that have read the clock already.
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// What is left; zero once it has passed.
    pub fn remaining(self) -> Duration {
        self.remaining_at(Instant::now())
    }

    /// What is left at the moment `now`; zero once it has passed.
    pub fn remaining_at(self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The earlier of this deadline and `limit` from now.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        self.min(Self::after(limit))
    }

    /// The deadline that lies `by` before this one: leaves time for what comes after.
    #[must_use]
    pub fn earlier_by(self, by: Duration) -> Self {
        Self(self.0.checked_sub(by).unwrap_or(self.0))
    }

    /// The instant itself, for [`tokio::time::timeout_at`].
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
