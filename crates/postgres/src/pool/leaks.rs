//! Reports connections that are borrowed for too long, with the name of the borrower.

use super::Inner;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Bounds of the interval between checks. The task outlives its pool by at most the upper bound.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The borrowers of a pool.
#[derive(Debug, Default)]
pub(super) struct Borrowers {
    /// Loans of all open connections. Those of closed connections are removed when the next one registers.
    loans: Mutex<Vec<Weak<Loan>>>,
    watched: AtomicBool,
}

/// A connection that was not returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreturned {
    /// Name of the borrower: the operation of a unit of work.
    pub borrower: &'static str,
    /// Time since it was borrowed.
    pub away: Duration,
}

/// Borrower of one connection. Each connection has its own lock, so that borrowers do not contend.
#[derive(Debug, Default)]
pub(super) struct Loan(Mutex<Option<Borrowed>>);

#[derive(Debug)]
struct Borrowed {
    by: &'static str,
    since: Instant,
    reported: bool,
}

impl Loan {
    /// Records the borrower of the connection from `since` on.
    pub(super) fn begin(&self, by: &'static str, since: Instant) {
        *self.borrowed() = Some(Borrowed { by, since, reported: false });
    }

    /// Records that the connection was returned.
    pub(super) fn end(&self) {
        *self.borrowed() = None;
    }

    /// Returns the borrower and the time if the connection has been borrowed for longer than `limit`. Reports each loan
    /// once.
    fn overdue(&self, limit: Duration) -> Option<(&'static str, Duration)> {
        let mut borrowed = self.borrowed();
        let late = borrowed.as_mut().filter(|loan| !loan.reported && loan.since.elapsed() >= limit)?;
        late.reported = true;
        Some((late.by, late.since.elapsed()))
    }

    /// Returns the current borrower, if any.
    fn unreturned(&self) -> Option<Unreturned> {
        self.borrowed().as_ref().map(|loan| Unreturned { borrower: loan.by, away: loan.since.elapsed() })
    }

    fn borrowed(&self) -> MutexGuard<'_, Option<Borrowed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Borrowers {
    /// Adds a new connection.
    pub(super) fn register(&self) -> Arc<Loan> {
        let loan = Arc::<Loan>::default();
        let mut loans = self.loans();
        loans.retain(|loan| loan.strong_count() > 0);
        loans.push(Arc::downgrade(&loan));
        loan
    }

    /// Returns true on the first call, whose caller must start [`watch`].
    pub(super) fn claim_watch(&self) -> bool {
        !self.watched.load(Relaxed) && !self.watched.swap(true, Relaxed)
    }

    /// Returns the borrowers whose connection has been borrowed for longer than `limit`. Reports each loan once.
    fn overdue(&self, limit: Duration) -> Vec<(&'static str, Duration)> {
        let loans: Vec<_> = self.loans().iter().filter_map(Weak::upgrade).collect();
        loans.iter().filter_map(|loan| loan.overdue(limit)).collect()
    }

    /// Returns the borrowers that have not returned their connections.
    pub(super) fn unreturned(&self) -> Vec<Unreturned> {
        let loans: Vec<_> = self.loans().iter().filter_map(Weak::upgrade).collect();
        loans.iter().filter_map(|loan| loan.unreturned()).collect()
    }

    fn loans(&self) -> MutexGuard<'_, Vec<Weak<Loan>>> {
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports overdue connections until the pool is dropped.
pub(super) async fn watch(pool: Weak<Inner>) {
    while let Some(inner) = pool.upgrade() {
        let limit = inner.settings.leak_after;
        for (borrower, away) in inner.borrowers.overdue(limit) {
            metrics::counter!("db_pool_leaks_total", "operation" => borrower).increment(1);
            tracing::warn!(
                operation = borrower,
                away_s = away.as_secs_f64(),
                "a connection was not returned yet"
            );
        }
        drop(inner);
        tokio::time::sleep((limit / 4).clamp(PAUSE_MIN, PAUSE_MAX)).await;
    }
}
