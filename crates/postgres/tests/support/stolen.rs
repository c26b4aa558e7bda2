//! Time that the machine took from a test.
//!
//! Bounds on waits are bounds on the pool. On a machine that runs other work beside, each step takes longer, whoever
//! makes it. What a task loses that does nothing but sleep is measured here, and added to the bounds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

const TICK: Duration = Duration::from_millis(2);

/// Timers are exact to a millisecond, and a tick that is this late is nobody's fault.
const USUAL: Duration = Duration::from_micros(1_500);

/// Delays of a task that only sleeps: when it should have run, and when it ran.
pub(crate) struct StolenTime {
    delays: Arc<Mutex<Vec<(Instant, Instant)>>>,
    ticker: AbortHandle,
}

impl StolenTime {
    /// Starts to measure.
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

    /// Returns how much of the time between the two moments was taken.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Duration {
        let delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner);
        delays.iter().map(|(due, ran)| (*ran).min(to).saturating_duration_since((*due).max(from))).sum()
    }

    /// Returns `took` without what was taken from it, for something that began at `began`.
    pub(crate) fn own(&self, began: Instant, took: Duration) -> Duration {
        took.saturating_sub(self.between(began, began.checked_add(took).unwrap_or(began)))
    }
}

impl Drop for StolenTime {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}
