//! The bulkhead: limits concurrent and waiting callers.

use crate::{Deadline, Refused};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Limits of a [`Bulkhead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadConfig {
    /// Maximum number of concurrent calls; at least one.
    pub concurrency: usize,
    /// Maximum number of waiting callers. With 0, callers never wait.
    pub queue: usize,
}

/// Limits concurrent calls, so that one slow dependency cannot occupy every task and connection. Waiting callers are
/// served in order of arrival.
#[derive(Debug)]
pub struct Bulkhead {
    name: &'static str,
    config: BulkheadConfig,
    permits: Semaphore,
    waiting: AtomicUsize,
}

/// Permit for one call. Dropping it returns it to the [`Bulkhead`].
#[derive(Debug)]
#[must_use = "dropping the permit returns it"]
pub struct BulkheadPermit<'a> {
    _permit: SemaphorePermit<'a>,
}

impl Bulkhead {
    /// Creates a bulkhead. `name` describes the dependency and appears in errors.
    pub fn new(name: &'static str, config: BulkheadConfig) -> Self {
        let concurrency = config.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let config = BulkheadConfig { concurrency, ..config };
        Self { name, config, permits: Semaphore::new(concurrency), waiting: AtomicUsize::new(0) }
    }

    /// Acquires a permit, waiting until `deadline` at most. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// Returns [`Refused::Full`] immediately if the queue is full, and [`Refused::TooLate`] if the deadline passes.
    pub async fn enter(&self, deadline: Deadline) -> Result<BulkheadPermit<'_>, Refused> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(BulkheadPermit { _permit: permit });
        }
        let began = Instant::now();
        let _waiting = self.join_queue()?;
        match tokio::time::timeout_at(deadline.instant(), self.permits.acquire()).await {
            Ok(Ok(permit)) => Ok(BulkheadPermit { _permit: permit }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Refused::TooLate { name: self.name, waited: began.elapsed() }),
        }
    }

    /// Returns the number of permits in use.
    pub fn inside(&self) -> usize {
        self.config.concurrency - self.permits.available_permits()
    }

    /// Returns the number of waiting callers.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn join_queue(&self) -> Result<Waiting<'_>, Refused> {
        let joined = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < self.config.queue).then_some(waiting + 1)
        });
        match joined {
            Ok(_) => Ok(Waiting(&self.waiting)),
            Err(waiting) => Err(Refused::Full { name: self.name, waiting }),
        }
    }
}

/// A caller in the queue. Dropping it leaves the queue.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
