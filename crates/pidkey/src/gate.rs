//! What every request has to pass before it is sent: the silence of a 429, the breaker, the own limit.

use crate::Error;
use crate::rate::Slots;
use crate::silence::Silence;
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, Deadline, Permit, Snapshot};

/// The three reasons not to send, in one place.
#[derive(Debug)]
pub(crate) struct Gate {
    silence: Silence,
    breaker: Breaker,
    slots: Slots,
}

impl Gate {
    pub(crate) fn new(breaker: BreakerConfig, per_second: NonZeroU32) -> Self {
        Self {
            silence: Silence::default(),
            breaker: Breaker::new("PIDKey.com", breaker),
            slots: Slots::new(per_second),
        }
    }

    /// Leave to send one request, waiting for it until `deadline` at most.
    ///
    /// Silence and breaker are asked at the head of the line, before a slot is used: when either begins, the whole
    /// line is told at once instead of one a slot. The silence is asked again after the wait for the slot.
    pub(crate) async fn pass(&self, deadline: Deadline) -> Result<Permit<'_>, Error> {
        self.silence.check()?;
        let turn = self.slots.turn(deadline).await?;
        self.silence.check()?;
        let permit = self.breaker.try_acquire().map_err(Error::Open)?;
        turn.slot(deadline).await?;
        self.silence.check()?;
        Ok(permit)
    }

    /// Nobody passes for `duration`.
    pub(crate) fn keep_silence(&self, duration: Duration) {
        self.silence.keep(duration);
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

    /// Ten callers wait in line at one slot a second; says when each was done with waiting, and how.
    async fn line(gate: &Arc<Gate>, meanwhile: impl FnOnce()) -> Vec<(Duration, Result<(), Error>)> {
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
        meanwhile();
        tasks.join_all().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_that_begins_empties_the_line_within_a_slot() {
        let gate = gate();
        let outcomes = line(&gate, || gate.keep_silence(MINUTE)).await;
        let limited = outcomes.iter().filter(|(at, outcome)| {
            matches!(outcome, Err(Error::RateLimited { .. })) && *at < Duration::from_millis(1_100)
        });
        assert_eq!(limited.count(), 9, "{outcomes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_breaker_that_opens_empties_the_line_within_a_slot() {
        let gate = gate();
        let failing = gate.breaker.try_acquire().unwrap();
        let outcomes = line(&gate, || failing.record(Some(Class::Unavailable))).await;
        let rejected = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Err(Error::Open(_))));
        assert_eq!(rejected.count(), 8, "one passed before, one stood at the head: {outcomes:?}");
        assert!(outcomes.iter().all(|(at, _)| *at < Duration::from_millis(1_100)), "{outcomes:?}");
    }
}
