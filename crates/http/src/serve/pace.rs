//! Transfer rate while the server waits for a client.

use std::time::Duration;
use tokio::time::Instant;

/// Bytes transferred, and time spent waiting for the client, since the last restart.
#[derive(Debug)]
pub(super) struct Pace {
    /// Number of concurrent waits.
    waits: usize,
    /// Begin of the current wait.
    since: Instant,
    /// Duration of previous waits.
    waited: Duration,
    moved: u64,
}

impl Pace {
    /// Creates a pace without bytes and time.
    pub(super) fn new(now: Instant) -> Self {
        Self { waits: 0, since: now, waited: Duration::ZERO, moved: 0 }
    }

    /// Begins a wait, in addition to others.
    pub(super) fn begin_wait(&mut self, now: Instant) {
        if self.waits == 0 {
            self.since = now;
        }
        self.waits += 1;
    }

    /// Ends a wait.
    pub(super) fn end_wait(&mut self, now: Instant) {
        self.waits -= 1;
        if self.waits == 0 {
            self.waited += now - self.since;
        }
    }

    /// Counts bytes.
    pub(super) fn moved(&mut self, bytes: u64) {
        self.moved = self.moved.saturating_add(bytes);
    }

    /// Resets bytes and time. Current waits continue.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self { waits: self.waits, ..Self::new(now) };
    }

    /// Returns the time waited.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        if self.is_waiting() { self.waited + (now - self.since) } else { self.waited }
    }

    /// Returns true if the server waits for the client.
    pub(super) fn is_waiting(&self) -> bool {
        self.waits > 0
    }

    /// Returns true if the server waits for the client and fewer than `rate` bytes per second were transferred.
    pub(super) fn is_below(&self, rate: u64, now: Instant) -> bool {
        self.is_waiting() && (self.moved as f64) < rate as f64 * self.waited(now).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn counts_only_time_spent_waiting() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.begin_wait(start);
        pace.begin_wait(start + SECOND);
        pace.end_wait(start + 2 * SECOND);
        pace.end_wait(start + 4 * SECOND);
        assert_eq!(pace.waited(start + 100 * SECOND), 4 * SECOND);
        pace.begin_wait(start + 100 * SECOND);
        assert_eq!(pace.waited(start + 103 * SECOND), 7 * SECOND);
    }

    #[test]
    fn short_waits_add_up_to_slow_client() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for second in 0..10 {
            pace.begin_wait(start + second * SECOND);
            pace.end_wait(start + (second + 1) * SECOND);
            pace.moved(1);
        }
        pace.begin_wait(start + 10 * SECOND);
        assert!(pace.is_below(2, start + 10 * SECOND));
        pace.moved(10);
        assert!(!pace.is_below(2, start + 10 * SECOND));
        pace.restart(start + 10 * SECOND);
        assert!(pace.is_below(2, start + 11 * SECOND));
    }
}
