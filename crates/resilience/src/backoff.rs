//! How long to wait before a repetition: exponential growth, a cap, jitter.

use std::time::Duration;

/// How a computed delay is spread, so that many callers do not come back at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// The delay as computed.
    None,
    /// Uniform between zero and the computed delay: spreads best.
    Full,
    /// Uniform between half of the computed delay and all of it: a minimum pause is kept.
    Half,
}

/// Delays that double from a first one up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    jitter: Jitter,
}

impl Backoff {
    /// Delays of `first`, `2 * first`, `4 * first` ... but never above `cap`, with full jitter.
    pub const fn exponential(first: Duration, cap: Duration) -> Self {
        Self { first, cap, jitter: Jitter::Full }
    }

    /// The same delays with another jitter.
    #[must_use]
    pub const fn jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// The longest delay before repetition number `n` (the first repetition is 0), jitter aside.
    pub fn ceiling(&self, n: u32) -> Duration {
        let factor = 1_u32.checked_shl(n).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// The delay before repetition number `n` (the first repetition is 0).
    pub fn delay(&self, n: u32) -> Duration {
        let ceiling = self.ceiling(n);
        match self.jitter {
            Jitter::None => ceiling,
            Jitter::Full => ceiling.mul_f64(rand::random::<f64>()),
            Jitter::Half => ceiling.mul_f64(0.5 + rand::random::<f64>() / 2.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_millis(100);
    const CAP: Duration = Duration::from_secs(3);

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let backoff = Backoff::exponential(FIRST, CAP);
        let ceilings: Vec<u128> = (0..7).map(|n| backoff.ceiling(n).as_millis()).collect();
        assert_eq!(ceilings, [100, 200, 400, 800, 1600, 3000, 3000]);
    }

    proptest! {
        #[test]
        fn no_delay_leaves_its_band(n in 0_u32..200) {
            let ceiling = Backoff::exponential(FIRST, CAP).ceiling(n);
            prop_assert!(Backoff::exponential(FIRST, CAP).delay(n) <= ceiling);
            let half = Backoff::exponential(FIRST, CAP).jitter(Jitter::Half).delay(n);
            prop_assert!(half >= ceiling / 2 && half <= ceiling);
            prop_assert_eq!(Backoff::exponential(FIRST, CAP).jitter(Jitter::None).delay(n), ceiling);
        }
    }
}
