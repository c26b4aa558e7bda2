//! Lifetimes of connections, evenly spread so that connections opened together do not expire together.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// The lifetimes of a pool's connections: `recycle` plus or minus a tenth.
///
/// Purely random lifetimes could let several connections expire in the same second. So the lifetimes advance in as many
/// steps as the pool has slots, and only the first step is random, so that instances differ.
#[derive(Debug)]
pub(super) struct Lifetimes {
    recycle: Duration,
    steps: u32,
    begin: f64,
    births: AtomicU32,
}

impl Lifetimes {
    pub(super) fn new(recycle: Duration, steps: u32) -> Self {
        Self { recycle, steps, begin: rand::random(), births: AtomicU32::new(0) }
    }

    /// Returns the lifetime of the next connection.
    pub(super) fn next(&self) -> Duration {
        let step = self.births.fetch_add(1, Relaxed) % self.steps;
        let place = (self.begin + f64::from(step) / f64::from(self.steps)).fract();
        self.recycle.mul_f64(0.9 + 0.2 * place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_evenly_spread() {
        let lifetimes = Lifetimes::new(Duration::from_secs(3600), 30);
        let mut lives: Vec<_> = (0..30).map(|_| lifetimes.next()).collect();
        lives.sort();
        assert!(lives[0] >= Duration::from_secs(3240) && lives[29] < Duration::from_secs(3960), "{lives:?}");
        for pair in lives.windows(2) {
            assert!(
                (pair[1] - pair[0]).abs_diff(Duration::from_secs(24)) < Duration::from_millis(1),
                "{pair:?}"
            );
        }
    }
}
