//! The bulkhead: a limit on concurrent and on waiting callers.

use crate::{Deadline, Refused};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Limits of a [`Bulkhead`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadConfig {
    /// Maximum number of callers inside: at least one.
    pub concurrency: usize,
    /// Maximum number of waiting callers. With 0, callers are refused instead of waiting.
    pub queue: usize,
}

/// Limit on concurrent calls, so that one slow dependency cannot occupy every task and connection. Waiting callers are
/// served in order of arrival.
#[derive(Debug)]
pub struct Bulkhead {
    name: &'static str,
    config: BulkheadConfig,
    places: Semaphore,
    waiting: AtomicUsize,
}

/// Place inside a [`Bulkhead`]. Dropping it frees the place.
#[derive(Debug)]
#[must_use = "dropping a place frees it"]
pub struct Place<'a> {
    _permit: SemaphorePermit<'a>,
}

impl Bulkhead {
    /// Returns an empty bulkhead. `name` is what the callers depend on; it appears in errors.
    pub fn new(name: &'static str, config: BulkheadConfig) -> Self {
        let concurrency = config.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let config = BulkheadConfig { concurrency, ..config };
        Self { name, config, places: Semaphore::new(concurrency), waiting: AtomicUsize::new(0) }
    }

    /// Returns a place inside, after waiting for one until `deadline` at most. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// Returns [`Refused::Full`] at once if the queue is full, and [`Refused::TooLate`] if the deadline passes.
    pub async fn enter(&self, deadline: Deadline) -> Result<Place<'_>, Refused> {
        if let Ok(permit) = self.places.try_acquire() {
            return Ok(Place { _permit: permit });
        }
        let began = Instant::now();
        let _in_line = self.line_up()?;
        match tokio::time::timeout_at(deadline.instant(), self.places.acquire()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Refused::TooLate { name: self.name, waited: began.elapsed() }),
        }
    }

    /// Returns the number of callers inside.
    pub fn inside(&self) -> usize {
        self.config.concurrency - self.places.available_permits()
    }

    /// Returns the number of waiting callers.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn line_up(&self) -> Result<InLine<'_>, Refused> {
        let joined = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < self.config.queue).then_some(waiting + 1)
        });
        match joined {
            Ok(_) => Ok(InLine(&self.waiting)),
            Err(waiting) => Err(Refused::Full { name: self.name, waiting }),
        }
    }
}

/// A caller in the queue. Dropping it leaves the queue, however the wait ended.
struct InLine<'a>(&'a AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
