//! Delays between attempts: exponential growth with a cap and jitter.

use std::time::Duration;

/// Randomization of a computed delay, so that many callers do not retry at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// The delay as computed.
    None,
    /// Uniform between zero and the computed delay. Spreads callers most.
    Full,
    /// Uniform between half of the computed delay and all of it. Guarantees a minimum pause.
    Half,
}

/// Number of doublings after which even one nanosecond exceeds `Duration::MAX`.
const DOUBLINGS_MAX: u32 = 94;

/// Delays that double from a first one up to a cap. A cap of `Duration::MAX` means no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    jitter: Jitter,
}

impl Backoff {
    /// Returns delays of `first`, `2 * first`, `4 * first` and so on, never above `cap`, with full jitter.
    pub const fn exponential(first: Duration, cap: Duration) -> Self {
        Self { first, cap, jitter: Jitter::Full }
    }

    /// Replaces the jitter.
    #[must_use]
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// Returns the longest delay before repetition number `n` (the first repetition is 0), without jitter.
    pub fn ceiling(&self, n: u32) -> Duration {
        let doublings = n.min(DOUBLINGS_MAX);
        (0..doublings).fold(self.first, |delay, _| delay.saturating_mul(2)).min(self.cap)
    }

    /// Returns the delay before repetition number `n` (the first repetition is 0).
    pub fn delay(&self, n: u32) -> Duration {
        let ceiling = self.ceiling(n);
        match self.jitter {
            Jitter::None => ceiling,
            Jitter::Full => random_up_to(ceiling),
            Jitter::Half => ceiling / 2 + random_up_to(ceiling - ceiling / 2),
        }
    }
}

/// Returns a random duration between zero and `limit`.
fn random_up_to(limit: Duration) -> Duration {
    // Close to `Duration::MAX`, rounding can produce a float that is too large for a `Duration`.
    Duration::try_from_secs_f64(limit.as_secs_f64() * rand::random::<f64>()).unwrap_or(limit).min(limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(3);

    #[test]
    fn ceiling_doubles_up_to_cap() {
        let backoff = Backoff::exponential(FIRST, CAP);
        let ceilings: Vec<u128> = (0..7).map(|n| backoff.ceiling(n).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3000, 3000]);
    }

    proptest! {
        #[test]
        fn jittered_delays_stay_in_range(n in 0_u32..200) {
            let ceiling = Backoff::exponential(FIRST, CAP).ceiling(n);
            prop_assert!(Backoff::exponential(FIRST, CAP).delay(n) <= ceiling);
            let half = Backoff::exponential(FIRST, CAP).jitter(Jitter::Half).delay(n);
            prop_assert!(half >= ceiling / 2 && half <= ceiling);
            prop_assert_eq!(Backoff::exponential(FIRST, CAP).jitter(Jitter::None).delay(n), ceiling);
        }
    }
}
