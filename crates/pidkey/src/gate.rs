//! Admission of requests: the pause after a 429, the circuit breaker, and the rate limit.

use crate::Error;
use crate::pause::Pause;
use crate::rate::Slots;
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, Deadline, Permit, Snapshot};

/// Pause, circuit breaker and rate limit.
#[derive(Debug)]
pub(crate) struct Gate {
    pause: Pause,
    breaker: Breaker,
    slots: Slots,
}

impl Gate {
    pub(crate) fn new(breaker: BreakerConfig, per_second: NonZeroU32) -> Self {
        Self {
            pause: Pause::default(),
            breaker: Breaker::new("PIDKey.com", breaker),
            slots: Slots::new(per_second),
        }
    }

    /// Admits one request, waiting at most until `deadline`.
    ///
    /// Pause and breaker are checked at the head of the queue before a slot is used, so that all waiting callers fail at
    /// once when either starts. The pause is checked again after waiting for the slot.
    pub(crate) async fn pass(&self, deadline: Deadline) -> Result<Permit<'_>, Error> {
        self.pause.check()?;
        let turn = self.slots.turn(deadline).await?;
        self.pause.check()?;
        let permit = self.breaker.try_acquire().map_err(Error::Open)?;
        turn.slot(deadline).await?;
        self.pause.check()?;
        Ok(permit)
    }

    /// Admits no requests for `duration`.
    pub(crate) fn pause(&self, duration: Duration) {
        self.pause.extend(duration);
    }

    pub(crate) fn breaker(&self) -> Snapshot {
        self.breaker.snapshot()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use steadfast_resilience::Class;
    use tokio::time::Instant;

    const MINUTE: Duration = Duration::from_secs(60);

    fn gate() -> Arc<Gate> {
        let one = NonZeroU32::MIN;
        Arc::new(Gate::new(BreakerConfig::consecutive(1, MINUTE), one))
    }

    /// Returns when and how ten callers stop waiting, at one slot per second, after `action` runs.
    async fn line(gate: &Arc<Gate>, action: impl FnOnce()) -> Vec<(Duration, Result<(), Error>)> {
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let gate = Arc::clone(gate);
            tasks.spawn(async move {
                let passed = gate.pass(Deadline::after(MINUTE)).await.map(|permit| permit.record(None));
                (start.elapsed(), passed)
            });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        action();
        tasks.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_reject_all_waiting_callers() {
        let gate = gate();
        let outcomes = line(&gate, || gate.pause(MINUTE)).await;
        let limited = outcomes.iter().filter(|(at, outcome)| {
            matches!(outcome, Err(Error::RateLimited { .. })) && *at < Duration::from_millis(1_100)
        });
        assert_eq!(limited.count(), 9, "{outcomes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn open_breakers_reject_all_waiting_callers() {
        let gate = gate();
        let failing = gate.breaker.try_acquire().unwrap();
        let outcomes = line(&gate, || failing.record(Some(Class::Unavailable))).await;
        let rejected = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Err(Error::Open(_))));
        assert_eq!(rejected.count(), 8, "one passed before, one was at the head of the queue: {outcomes:?}");
        assert!(outcomes.iter().all(|(at, _)| *at < Duration::from_millis(1_100)), "{outcomes:?}");
    }
}
