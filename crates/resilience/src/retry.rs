//! Repeating a failed piece of work: how often, for which classes, and never past the deadline.

use crate::{Backoff, Class, Classify, Deadline};
use std::time::Duration;

/// A retry policy: how many repetitions, how far apart, and for which classes of failure.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    retries: u32,
    backoff: Backoff,
    on: fn(Class) -> bool,
}

impl Retry {
    /// At most `retries` repetitions after the first attempt, only for [`Class::Deadlock`].
    pub const fn new(retries: u32, backoff: Backoff) -> Self {
        Self { retries, backoff, on: |class| matches!(class, Class::Deadlock) }
    }

    /// Never repeats.
    pub const fn none() -> Self {
        Self::new(0, Backoff::exponential(Duration::ZERO, Duration::ZERO))
    }

    /// The same policy for the classes that `on` accepts.
    #[must_use]
    pub const fn on(self, on: fn(Class) -> bool) -> Self {
        Self { on, ..self }
    }

    /// Starts counting the attempts of one piece of work that has to end by `deadline`.
    pub fn attempts(self, deadline: Deadline) -> Attempts {
        Attempts { policy: self, deadline, failed: 0 }
    }

    /// Runs `work` until it succeeds, fails for good, or the policy is exhausted; then the last error is returned.
    /// No repetition starts that would begin after `deadline`.
    pub async fn run<T, E, F, Fut>(self, deadline: Deadline, mut work: F) -> Result<T, E>
    where
        E: Classify,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut attempts = self.attempts(deadline);
        loop {
            let error = match work().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match attempts.delay_after(&error) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error),
            }
        }
    }
}

/// The attempts of one piece of work under a [`Retry`] policy.
#[derive(Debug)]
pub struct Attempts {
    policy: Retry,
    deadline: Deadline,
    failed: u32,
}

impl Attempts {
    /// The pause before the next attempt, or `None` when `error` is final: its class is not repeated, the
    /// repetitions are used up, or the pause would end after the deadline.
    ///
    /// A dependency that asked to be left alone for longer than the pause is left alone for that long.
    pub fn delay_after(&mut self, error: &impl Classify) -> Option<Duration> {
        if self.failed >= self.policy.retries || !(self.policy.on)(error.class()) {
            return None;
        }
        let delay = self.policy.backoff.delay(self.failed).max(error.retry_after().unwrap_or_default());
        self.failed += 1;
        (delay < self.deadline.remaining()).then_some(delay)
    }

    /// How many repetitions were granted so far.
    pub fn repeated(&self) -> u32 {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Jitter;
    use std::cell::Cell;
    use tokio::time::Instant;

    #[derive(Debug, PartialEq)]
    struct Failed(Class);
    impl Classify for Failed {
        fn class(&self) -> Class {
            self.0
        }
    }

    const DOCUMENTED: Retry = Retry::new(
        3,
        Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1)).jitter(Jitter::None),
    );

    async fn attempts_until_final(policy: Retry, limit: Duration, class: Class) -> (u32, Duration) {
        let (calls, start) = (Cell::new(0), Instant::now());
        let outcome: Result<(), Failed> = policy
            .run(Deadline::after(limit), || {
                calls.set(calls.get() + 1);
                async move { Err(Failed(class)) }
            })
            .await;
        assert_eq!(outcome, Err(Failed(class)));
        (calls.get(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadlock_is_repeated_three_times_at_growing_distance() {
        let (calls, took) = attempts_until_final(DOCUMENTED, Duration::from_secs(30), Class::Deadlock).await;
        assert_eq!(calls, 4);
        assert_eq!(took, Duration::from_millis(100 + 200 + 400));
    }

    #[tokio::test(start_paused = true)]
    async fn a_duplicate_is_never_repeated() {
        let (calls, took) = attempts_until_final(DOCUMENTED, Duration::from_secs(30), Class::Duplicate).await;
        assert_eq!((calls, took), (1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_starts_after_the_deadline() {
        let (calls, took) =
            attempts_until_final(DOCUMENTED, Duration::from_millis(250), Class::Deadlock).await;
        assert_eq!(calls, 2, "100 ms fits, the next 200 ms do not");
        assert!(took < Duration::from_millis(250));
    }
}
