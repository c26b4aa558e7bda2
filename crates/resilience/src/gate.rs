//! The contention gate: admits deadlocking work one caller at a time until the deadlocks end.
//!
//! Delays alone do not end a storm of deadlocks, since the delayed callers collide again. Lower concurrency does.

mod queue;
mod rules;

use crate::{Deadline, Refused};
use queue::{Entry, Queue};
use tokio::time::Instant;

pub use rules::{ContentionRules, ContentionSnapshot};

/// Gate that limits the concurrency of one kind of work after a deadlock.
///
/// While open, it costs one atomic operation on entry and one on exit. After [`Pass::contended`] it admits one caller at
/// a time, in order of arrival, then one more each second, and after a quiet time it opens again. Callers that are
/// already inside continue undisturbed.
///
/// Use one gate for each kind of work, and enter it before acquiring a connection, so that waiting callers hold no
/// resources.
#[derive(Debug)]
pub struct ContentionGate {
    name: &'static str,
    queue: Queue,
}

/// Permission to be inside a [`ContentionGate`]. Dropping it admits the next caller.
#[derive(Debug)]
#[must_use = "dropping a pass admits the next caller"]
pub struct Pass<'a> {
    gate: &'a ContentionGate,
}

impl ContentionGate {
    /// Returns an open gate. `name` describes the work behind it and appears in errors.
    pub fn new(name: &'static str, rules: ContentionRules) -> Self {
        Self { name, queue: Queue::new(rules) }
    }

    /// Enters the gate, immediately while it is open and otherwise in order of arrival. Dropping the future leaves the
    /// queue.
    ///
    /// # Errors
    /// Returns [`Refused::Full`] immediately if the queue is full, and [`Refused::TooLate`] if `deadline` passes while
    /// the caller waits.
    #[inline]
    pub async fn enter(&self, deadline: Deadline) -> Result<Pass<'_>, Refused> {
        if !self.queue.try_pass() {
            self.wait(deadline).await?;
        }
        Ok(Pass { gate: self })
    }

    /// Returns true while contention limits the number of passes. Costs one atomic load.
    pub fn is_limited(&self) -> bool {
        self.queue.is_limited()
    }

    /// Returns a snapshot of the gate.
    pub fn snapshot(&self) -> ContentionSnapshot {
        self.queue.snapshot()
    }

    /// Waits until the queue has taken a slot for this caller.
    async fn wait(&self, deadline: Deadline) -> Result<(), Refused> {
        let began = Instant::now();
        let mut waiting = match self.queue.enter_or_wait() {
            Entry::Inside => return Ok(()),
            Entry::Full(waiting) => return Err(Refused::Full { name: self.name, waiting }),
            Entry::Waiting(waiting) => waiting,
        };
        while !deadline.has_passed() {
            // The queue advances when a caller leaves or the limit rises. Only waiting callers check the time.
            let until = self.queue.next_raise().min(deadline.instant());
            if tokio::time::timeout_at(until, waiting.turn()).await.is_ok() {
                return Ok(());
            }
            self.queue.raise();
        }
        Err(Refused::TooLate { name: self.name, waited: began.elapsed() })
    }
}

impl Pass<'_> {
    /// Reports that the work deadlocked. From now on the gate admits one caller at a time.
    pub fn contended(&self) {
        let contentions = self.gate.queue.contended();
        tracing::debug!(gate = self.gate.name, contentions, "contention: admitting one caller at a time");
    }
}

impl Drop for Pass<'_> {
    #[inline]
    fn drop(&mut self) {
        self.gate.queue.leave();
    }
}
