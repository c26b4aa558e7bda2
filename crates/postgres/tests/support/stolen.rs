//! Measures time in which a test was not scheduled.
//!
//! Time limits of the tests apply to the pool, but on a busy machine every step takes longer. A task that only sleeps
//! measures the delay, which is added to the limits.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

const TICK: Duration = Duration::from_millis(2);

/// Tolerance for the resolution of timers.
const USUAL: Duration = Duration::from_micros(1_500);

/// Delays of a task that only sleeps: times at which it should have run and did run.
pub(crate) struct StolenTime {
    delays: Arc<Mutex<Vec<(Instant, Instant)>>>,
    ticker: AbortHandle,
}

impl StolenTime {
    /// Starts measuring.
    pub(crate) fn watch() -> Self {
        let delays = Arc::<Mutex<Vec<(Instant, Instant)>>>::default();
        let noted = delays.clone();
        let ticker = tokio::spawn(async move {
            loop {
                let due = Instant::now() + TICK;
                tokio::time::sleep(TICK).await;
                let now = Instant::now();
                if now > due + USUAL {
                    noted.lock().unwrap_or_else(PoisonError::into_inner).push((due, now));
                }
            }
        });
        Self { delays, ticker: ticker.abort_handle() }
    }

    /// Returns the unscheduled time between the two moments.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Duration {
        let delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.iter().map(|(due, ran)| (*ran).min(to).saturating_duration_since((*due).max(from))).sum()
    }

    /// Returns `took` minus the unscheduled time since `began`.
    pub(crate) fn own(&self, began: Instant, took: Duration) -> Duration {
        took.saturating_sub(self.between(began, began.checked_add(took).unwrap_or(began)))
    }
}

impl Drop for StolenTime {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}
