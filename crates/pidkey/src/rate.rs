//! The rate limit: callers queue for slots, and fail at once if the queue is too long for their deadline.

use crate::Error;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use steadfast_resilience::Deadline;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

/// tokio's clock for governor, so that the limiter and its sleeps use the same clock, also when tests pause it.
#[derive(Clone, Debug)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Slots for requests: a number per second, which is also the maximum burst.
#[derive(Debug)]
pub(crate) struct Slots {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    per_second: NonZeroU32,
    /// Serves callers in order; with governor alone all waiters would race for each slot.
    turn: Mutex<()>,
    waiting: AtomicU32,
}

/// The right to take the next slot; passes to the next caller when dropped.
pub(crate) struct Turn<'a> {
    slots: &'a Slots,
    _waiting: Waiting<'a>,
    _first: MutexGuard<'a, ()>,
}

/// Counts a waiting caller until dropped.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        let clock = SinceStart(Instant::now());
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(per_second), clock.clone());
        Self { limiter, clock, per_second, turn: Mutex::new(()), waiting: AtomicU32::new(0) }
    }

    /// Waits for the head of the queue.
    ///
    /// Returns [`Error::Busy`] without waiting if the queue cannot be served by `deadline`, which also bounds its length,
    /// or when `deadline` passes.
    pub(crate) async fn turn(&self, deadline: Deadline) -> Result<Turn<'_>, Error> {
        let ahead = self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(&self.waiting);
        let wait = self.time_for(ahead.saturating_sub(self.per_second.get()));
        if wait > deadline.remaining() {
            return Err(Error::Busy { retry_after: wait });
        }
        match tokio::time::timeout_at(deadline.instant(), self.turn.lock()).await {
            Ok(first) => Ok(Turn { slots: self, _waiting: waiting, _first: first }),
            Err(_) => Err(self.busy()),
        }
    }

    fn time_for(&self, requests: u32) -> Duration {
        Duration::from_secs(1) * requests / self.per_second.get()
    }

    fn busy(&self) -> Error {
        Error::Busy { retry_after: self.time_for(self.waiting.load(Ordering::Relaxed)) }
    }
}

impl Turn<'_> {
    /// Waits for a slot and takes it. Returns [`Error::Busy`] at once if the slot would be after `deadline`.
    pub(crate) async fn slot(self, deadline: Deadline) -> Result<(), Error> {
        while let Err(not_until) = self.slots.limiter.check() {
            let wait = not_until.wait_time_from(self.slots.clock.now());
            if wait >= deadline.remaining() {
                return Err(self.slots.busy());
            }
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SECOND: Duration = Duration::from_secs(1);

    fn slots(per_second: u32) -> Slots {
        Slots::new(NonZeroU32::new(per_second).unwrap())
    }

    async fn pass(slots: &Slots, limit: Duration) -> Result<(), Error> {
        let deadline = Deadline::after(limit);
        slots.turn(deadline).await?.slot(deadline).await
    }

    #[tokio::test(start_paused = true)]
    async fn bursts_pass_and_further_requests_are_spaced() {
        let (slots, start) = (slots(4), Instant::now());
        for _ in 0..4 {
            pass(&slots, SECOND).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..8 {
            pass(&slots, SECOND).await.unwrap();
        }
        let took = start.elapsed();
        assert!(took >= 2 * SECOND && took < Duration::from_millis(2_100), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn callers_without_time_fail_at_once() {
        let (slots, start) = (slots(1), Instant::now());
        pass(&slots, SECOND).await.unwrap();
        let refused = pass(&slots, SECOND / 2).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn queue_is_served_in_order_and_bounded_by_the_deadline() {
        let slots = Arc::new(slots(1));
        let calls = (0..20).map(|number| {
            let slots = Arc::clone(&slots);
            async move { pass(&slots, Duration::from_millis(4_500)).await.map(|()| (Instant::now(), number)) }
        });
        let mut tasks = tokio::task::JoinSet::new();
        calls.for_each(|call| drop(tasks.spawn(call)));
        let outcomes = tasks.join_all().await;
        let mut passed: Vec<_> = outcomes.iter().flatten().copied().collect();
        passed.sort();
        let order: Vec<i32> = passed.iter().map(|&(_, number)| number).collect();
        assert_eq!(order, [0, 1, 2, 3, 4], "one at once, four in as many seconds");
        assert_eq!(slots.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_callers_do_not_block_the_queue() {
        let slots = slots(1);
        pass(&slots, SECOND).await.unwrap();
        let left = tokio::time::timeout(SECOND / 4, pass(&slots, 10 * SECOND)).await;
        assert!(left.is_err(), "it was still waiting");
        assert_eq!(slots.waiting.load(Ordering::Relaxed), 0);
        pass(&slots, SECOND).await.unwrap();
    }
}
