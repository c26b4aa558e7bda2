//! The contention gate: admits deadlocking work one caller at a time until the deadlocks end.
//!
//! A delay does not end a storm of deadlocks, since those who come back meet again. Lower concurrency does.

mod line;
mod rules;

use crate::{Deadline, Refused};
use line::{Entry, Line};
use tokio::time::Instant;

pub use rules::{ContentionRules, ContentionSnapshot};

/// A gate before one kind of work. While open, it costs one atomic operation on entry and one on exit. After
/// [`Pass::contended`] it admits one caller at a time, in order of arrival, then one more each second, and after a quiet
/// time it is open again. Callers that are inside when it closes are not disturbed.
///
/// Use one gate for each kind of work, and enter it before taking a connection: a waiting caller should hold nothing.
#[derive(Debug)]
pub struct ContentionGate {
    name: &'static str,
    line: Line,
}

/// Permission to be inside a [`ContentionGate`]. Dropping it admits the next caller.
#[derive(Debug)]
#[must_use = "dropping a pass admits the next caller"]
pub struct Pass<'a> {
    gate: &'a ContentionGate,
}

impl ContentionGate {
    /// Returns an open gate. `name` is the work behind it; it appears in errors.
    pub fn new(name: &'static str, rules: ContentionRules) -> Self {
        Self { name, line: Line::new(rules) }
    }

    /// Enters the gate: at once while it is open, else in order of arrival. Dropping the future leaves the queue.
    ///
    /// # Errors
    /// Returns [`Refused::Full`] at once if the queue is full, and [`Refused::TooLate`] if `deadline` passes in it.
    #[inline]
    pub async fn enter(&self, deadline: Deadline) -> Result<Pass<'_>, Refused> {
        if !self.line.try_pass() {
            self.wait(deadline).await?;
        }
        Ok(Pass { gate: self })
    }

    /// Returns true if the number of passes is limited after a contention. Costs one atomic load.
    pub fn is_limited(&self) -> bool {
        self.line.is_limited()
    }

    /// Returns a snapshot of the gate.
    pub fn snapshot(&self) -> ContentionSnapshot {
        self.line.snapshot()
    }

    /// Waits until a place is taken for this caller, who then makes the pass.
    async fn wait(&self, deadline: Deadline) -> Result<(), Refused> {
        let began = Instant::now();
        let mut waiting = match self.line.line_up() {
            Entry::Inside => return Ok(()),
            Entry::Full(waiting) => return Err(Refused::Full { name: self.name, waiting }),
            Entry::Waiting(waiting) => waiting,
        };
        while !deadline.has_passed() {
            // The queue moves when a caller leaves and when time has raised the limit. Only waiting callers check the time.
            let until = self.line.next_raise().min(deadline.instant());
            if tokio::time::timeout_at(until, waiting.turn()).await.is_ok() {
                return Ok(());
            }
            self.line.raise();
        }
        Err(Refused::TooLate { name: self.name, waited: began.elapsed() })
    }
}

impl Pass<'_> {
    /// Reports that the work deadlocked. The gate admits one caller at a time from now on.
    pub fn contended(&self) {
        let contentions = self.gate.line.contended();
        tracing::debug!(gate = self.gate.name, contentions, "contention: one at a time");
    }
}

impl Drop for Pass<'_> {
    #[inline]
    fn drop(&mut self) {
        self.gate.line.leave();
    }
}
