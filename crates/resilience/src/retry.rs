//! Repeating a failed piece of work: how often, for which classes, paid by what, and never past the deadline.

use crate::{Backoff, Class, Classify, Deadline, RetryBudget};
use std::sync::Arc;
use std::time::Duration;

/// A retry policy: how many repetitions, how far apart, and for which classes of failure.
///
/// Each policy has a [`RetryBudget`] unless it is told otherwise, and its clones share it: keep the policy as long as
/// the dependency, or its budget starts anew each time. The budget pays for repetitions of [`Class::Unavailable`] and
/// [`Class::Overload`], which add load where there is too much. Other classes are bounded by their count.
#[derive(Clone, Debug)]
pub struct Retry {
    retries: u32,
    backoff: Backoff,
    max_elapsed: Option<Duration>,
    on: fn(Class) -> bool,
    budget: Option<Arc<RetryBudget>>,
}

impl Retry {
    /// At most `retries` repetitions after the first attempt, only for [`Class::Deadlock`], with a budget of its own.
    pub fn new(retries: u32, backoff: Backoff) -> Self {
        let budget = Some(Arc::new(RetryBudget::default()));
        Self { budget, ..Self::unbudgeted(retries, backoff) }
    }

    /// Never repeats.
    pub const fn none() -> Self {
        Self::unbudgeted(0, Backoff::exponential(Duration::ZERO, Duration::ZERO))
    }

    const fn unbudgeted(retries: u32, backoff: Backoff) -> Self {
        Self {
            retries,
            backoff,
            max_elapsed: None,
            on: |class| matches!(class, Class::Deadlock),
            budget: None,
        }
    }

    /// The same policy for the classes that `on` accepts.
    #[must_use]
    pub fn on(self, on: fn(Class) -> bool) -> Self {
        Self { on, ..self }
    }

    /// The same policy, but no repetition starts later than `max_elapsed` after the first attempt did.
    #[must_use]
    pub fn max_elapsed(self, max_elapsed: Duration) -> Self {
        Self { max_elapsed: Some(max_elapsed), ..self }
    }

    /// The same policy, paying from `budget`; share it with every policy that repeats the same dependency.
    #[must_use]
    pub fn budget(self, budget: Arc<RetryBudget>) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// The same policy, bounded by its count alone: with every call failing it multiplies the load.
    #[must_use]
    pub fn without_budget(self) -> Self {
        Self { budget: None, ..self }
    }

    /// Starts counting the attempts of one piece of work that has to end by `deadline`.
    pub fn attempts(&self, deadline: Deadline) -> Attempts<'_> {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        let deadline = self.max_elapsed.map_or(deadline, |limit| deadline.at_most(limit));
        Attempts { policy: self, deadline, failed: 0 }
    }

    /// Runs `work` until it succeeds, fails for good, or the policy is exhausted; then the last error is returned.
    /// No repetition starts that would begin after `deadline`.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn run<T, E, F, Fut>(&self, deadline: Deadline, mut work: F) -> Result<T, E>
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
pub struct Attempts<'a> {
    policy: &'a Retry,
    deadline: Deadline,
    failed: u32,
}

impl Attempts<'_> {
    /// The pause before the next attempt, or `None` when `error` is final: its class is not repeated, the
    /// repetitions are used up, the pause would end after the deadline, or the budget does not pay.
    ///
    /// A dependency that asked to be left alone for longer than the pause is left alone for that long.
    pub fn delay_after(&mut self, error: &impl Classify) -> Option<Duration> {
        let class = error.class();
        if self.failed >= self.policy.retries || !(self.policy.on)(class) {
            return None;
        }
        let delay = self.policy.backoff.delay(self.failed).max(error.retry_after().unwrap_or_default());
        if delay >= self.deadline.remaining() || !self.is_paid(class) {
            return None;
        }
        self.failed += 1;
        Some(delay)
    }

    /// How many repetitions were granted so far.
    pub fn repeated(&self) -> u32 {
        self.failed
    }

    fn is_paid(&self, class: Class) -> bool {
        let adds_load = matches!(class, Class::Unavailable | Class::Overload);
        !adds_load || self.policy.budget.as_ref().is_none_or(|budget| budget.withdraw())
    }
}
