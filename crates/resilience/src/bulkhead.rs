//! The bulkhead: so many at a time, so many in line, and everybody else is turned away at once.

use crate::{Deadline, Refused};
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// How much a [`Bulkhead`] lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadConfig {
    /// How many may be inside at once: at least one.
    pub concurrency: usize,
    /// How many may wait for a place. With 0 nobody waits.
    pub queue: usize,
}

/// Bounds how many calls are under way, so that one slow dependency cannot take every task and connection.
/// Who waits is served in order of arrival.
#[derive(Debug)]
pub struct Bulkhead {
    name: &'static str,
    config: BulkheadConfig,
    places: Semaphore,
    waiting: AtomicUsize,
}

/// A place inside a [`Bulkhead`]; dropped, it is free again.
#[derive(Debug)]
#[must_use = "a place that is dropped is free again"]
pub struct Place<'a> {
    _permit: SemaphorePermit<'a>,
}

impl Bulkhead {
    /// An empty bulkhead. `name` appears in errors: what the callers depend on.
    pub fn new(name: &'static str, config: BulkheadConfig) -> Self {
        let concurrency = config.concurrency.clamp(1, Semaphore::MAX_PERMITS);
        let config = BulkheadConfig { concurrency, ..config };
        Self { name, config, places: Semaphore::new(concurrency), waiting: AtomicUsize::new(0) }
    }

    /// A place inside, waiting for it in line until `deadline` at most. Dropping the future leaves the line.
    ///
    /// # Errors
    /// [`Refused::Full`] at once when the line is full; [`Refused::TooLate`] when the deadline passes.
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

    /// How many are inside.
    pub fn inside(&self) -> usize {
        self.config.concurrency - self.places.available_permits()
    }

    /// How many wait in line.
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

/// One of those who wait, however the wait ends.
struct InLine<'a>(&'a AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
