//! The contention gate: work that deadlocks is let through one at a time, until it does so no more.
//!
//! A delay does not end a storm of deadlocks: those who come back meet again. Fewer at a time does.

mod line;
mod rules;

use crate::{Deadline, Refused};
use line::{Entry, Line};
use tokio::time::Instant;

pub use rules::{ContentionRules, ContentionSnapshot};

/// A gate before one kind of work. Open, it costs an atomic operation on the way in and one on the way out. After
/// [`Pass::contended`] it lets in one at a time, in order of arrival, then one more each second, and after a quiet time
/// it is open again. Who is inside when it closes is not disturbed.
///
/// Have one for each kind of work, before any pool: who waits here should hold nothing.
#[derive(Debug)]
pub struct ContentionGate {
    name: &'static str,
    line: Line,
}

/// Leave to be inside a [`ContentionGate`]; dropped, the next one may come in.
#[derive(Debug)]
#[must_use = "a pass that is dropped lets the next one in"]
pub struct Pass<'a> {
    gate: &'a ContentionGate,
}

impl ContentionGate {
    /// An open gate. `name` appears in errors: the work that it stands before.
    pub fn new(name: &'static str, rules: ContentionRules) -> Self {
        Self { name, line: Line::new(rules) }
    }

    /// Comes in: at once while open, else when it is this caller's turn. Dropping the future leaves the line.
    ///
    /// # Errors
    /// [`Refused::Full`] at once when the line is full; [`Refused::TooLate`] when `deadline` passes in it.
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

    /// What it looks like now.
    pub fn snapshot(&self) -> ContentionSnapshot {
        self.line.snapshot()
    }

    /// Returns with a place taken, for which the caller makes the pass.
    async fn wait(&self, deadline: Deadline) -> Result<(), Refused> {
        let began = Instant::now();
        let mut waiting = match self.line.line_up() {
            Entry::Inside => return Ok(()),
            Entry::Full(waiting) => return Err(Refused::Full { name: self.name, waiting }),
            Entry::Waiting(waiting) => waiting,
        };
        while !deadline.has_passed() {
            // The line moves when somebody leaves, and when time has raised the limit: nobody else watches that.
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
    /// The work deadlocked: from now on one at a time.
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
