//! Retries of failed work, limited by number, failure class, budget and deadline.

use crate::{Backoff, Class, Classify, Deadline, RetryBudget};
use std::sync::Arc;
use std::time::Duration;

/// A retry policy: number of retries, delays between them, and the classes of failure that are retried.
///
/// Each policy has a [`RetryBudget`], which its clones share. Create the policy once for each dependency, since a new
/// policy starts with a new budget. The budget pays for every retry except those of [`Class::Deadlock`], which are limited
/// by number only.
///
/// [`Class::Ambiguous`] is never retried, regardless of the policy: the work may have taken effect, and only the caller
/// can check.
#[derive(Clone, Debug)]
pub struct Retry {
    retries: u32,
    backoff: Backoff,
    max_elapsed: Option<Duration>,
    on: fn(Class) -> bool,
    budget: Option<Arc<RetryBudget>>,
}

impl Retry {
    /// Returns a policy of at most `retries` retries after the first attempt, with a new budget.
    ///
    /// Retries transient failures: [`Class::Unavailable`], [`Class::Timeout`], [`Class::Overload`] and
    /// [`Class::Deadlock`]. All others are returned immediately.
    pub fn new(retries: u32, backoff: Backoff) -> Self {
        let budget = Some(Arc::new(RetryBudget::default()));
        Self { budget, ..Self::unbudgeted(retries, backoff) }
    }

    /// Returns a policy that never retries.
    pub const fn none() -> Self {
        Self::unbudgeted(0, Backoff::exponential(Duration::ZERO, Duration::ZERO))
    }

    const fn unbudgeted(retries: u32, backoff: Backoff) -> Self {
        Self {
            retries,
            backoff,
            max_elapsed: None,
            on: |class| {
                matches!(class, Class::Unavailable | Class::Timeout | Class::Overload | Class::Deadlock)
            },
            budget: None,
        }
    }

    /// Retries the classes that `on` accepts instead of the default ones. [`Class::Ambiguous`] is never retried, even if
    /// `on` accepts it.
    #[must_use]
    pub fn on(self, on: fn(Class) -> bool) -> Self {
        Self { on, ..self }
    }

    /// Starts no retry later than `max_elapsed` after the first attempt. Unlimited by default.
    #[must_use]
    pub fn max_elapsed(self, max_elapsed: Duration) -> Self {
        Self { max_elapsed: Some(max_elapsed), ..self }
    }

    /// Replaces the budget. Share one among all policies that call the same dependency.
    #[must_use]
    pub fn budget(self, budget: Arc<RetryBudget>) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// Removes the budget. If every call fails, the policy then multiplies the load on the dependency.
    #[must_use]
    pub fn without_budget(self) -> Self {
        Self { budget: None, ..self }
    }

    /// Starts counting the attempts of one call that must end by `deadline`.
    pub fn attempts(&self, deadline: Deadline) -> Attempts<'_> {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        let deadline = self.max_elapsed.map_or(deadline, |limit| deadline.at_most(limit));
        Attempts { policy: self, deadline, failed: 0 }
    }

    /// Runs `work` until it succeeds, fails with an error that is not retried, or the policy is exhausted. Starts no
    /// retry after `deadline`.
    ///
    /// # Errors
    /// Returns the error of the last attempt.
    pub async fn run<T, E, F, Fut>(&self, deadline: Deadline, work: F) -> Result<T, E>
    where
        E: Classify,
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.repeat(deadline, |error| (error.class(), error.retry_after()), work).await
    }

    /// Runs `work` like [`Retry::run`], for errors of any type. `class_of` classifies the errors.
    ///
    /// # Errors
    /// Returns the error of the last attempt.
    pub async fn run_with<T, E, F, Fut>(
        &self,
        deadline: Deadline,
        class_of: impl Fn(&E) -> Class,
        work: F,
    ) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.repeat(deadline, |error| (class_of(error), None), work).await
    }

    async fn repeat<T, E, F, Fut>(
        &self,
        deadline: Deadline,
        classify: impl Fn(&E) -> (Class, Option<Duration>),
        mut work: F,
    ) -> Result<T, E>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut attempts = self.attempts(deadline);
        loop {
            let error = match work().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let (class, retry_after) = classify(&error);
            match attempts.delay(class, retry_after) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return Err(error),
            }
        }
    }
}

/// The attempts of one call under a [`Retry`] policy.
#[derive(Debug)]
pub struct Attempts<'a> {
    policy: &'a Retry,
    deadline: Deadline,
    failed: u32,
}

impl Attempts<'_> {
    /// Returns the delay before the next attempt, or `None` if `error` is final: its class is not retried, no retries are
    /// left, the delay would end after the deadline, or the budget is exhausted.
    ///
    /// The delay is at least as long as [`Classify::retry_after`] of the error.
    pub fn delay_after(&mut self, error: &impl Classify) -> Option<Duration> {
        self.delay(error.class(), error.retry_after())
    }

    fn delay(&mut self, class: Class, retry_after: Option<Duration>) -> Option<Duration> {
        let is_retried = class != Class::Ambiguous && (self.policy.on)(class);
        if self.failed >= self.policy.retries || !is_retried {
            return None;
        }
        let delay = self.policy.backoff.delay(self.failed).max(retry_after.unwrap_or_default());
        if delay >= self.deadline.remaining() || !self.pay(class) {
            return None;
        }
        self.failed += 1;
        Some(delay)
    }

    /// Returns the number of retries granted so far.
    pub fn retries(&self) -> u32 {
        self.failed
    }

    fn pay(&self, class: Class) -> bool {
        // Deadlocks indicate contention between callers, not a failing dependency.
        class == Class::Deadlock || self.policy.budget.as_ref().is_none_or(|budget| budget.withdraw())
    }
}
