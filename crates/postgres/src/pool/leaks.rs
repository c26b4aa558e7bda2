//! Who has a connection, and for how long: a connection that is away for too long is reported with its borrower.

use super::Inner;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Bounds of the pause between two looks at the borrowers. The task outlives its pool by the longer one at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The borrowers of a pool.
#[derive(Debug, Default)]
pub(super) struct Borrowers {
    /// Of the connections there are; those of closed ones are dropped when the next one enrols.
    loans: Mutex<Vec<Weak<Loan>>>,
    watched: AtomicBool,
}

/// A connection that was not returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreturned {
    /// Name of its borrower: the operation of a unit of work.
    pub borrower: &'static str,
    /// How long ago it was borrowed.
    pub away: Duration,
}

/// Who has one connection. Each has its own, so that borrowers of different ones do not meet here.
#[derive(Debug, Default)]
pub(super) struct Loan(Mutex<Option<Borrowed>>);

#[derive(Debug)]
struct Borrowed {
    by: &'static str,
    since: Instant,
    reported: bool,
}

impl Loan {
    /// Notes who has the connection from `since` on.
    pub(super) fn lend(&self, by: &'static str, since: Instant) {
        *self.borrowed() = Some(Borrowed { by, since, reported: false });
    }

    /// Notes that the connection came back.
    pub(super) fn take_back(&self) {
        *self.borrowed() = None;
    }

    /// Its borrower when the connection is away for longer than `limit`, told once, with the time.
    fn overdue(&self, limit: Duration) -> Option<(&'static str, Duration)> {
        let mut borrowed = self.borrowed();
        let late = borrowed.as_mut().filter(|loan| !loan.reported && loan.since.elapsed() >= limit)?;
        late.reported = true;
        Some((late.by, late.since.elapsed()))
    }

    /// Returns its borrower, if it has one, and for how long it has been away.
    fn away(&self) -> Option<Unreturned> {
        self.borrowed().as_ref().map(|loan| Unreturned { borrower: loan.by, away: loan.since.elapsed() })
    }

    fn borrowed(&self) -> MutexGuard<'_, Option<Borrowed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Borrowers {
    /// The book page of a new connection.
    pub(super) fn enrol(&self) -> Arc<Loan> {
        let loan = Arc::<Loan>::default();
        let mut loans = self.loans();
        loans.retain(|loan| loan.strong_count() > 0);
        loans.push(Arc::downgrade(&loan));
        loan
    }

    /// Whether nobody watches yet; from now on somebody has to.
    pub(super) fn is_unwatched(&self) -> bool {
        !self.watched.load(Relaxed) && !self.watched.swap(true, Relaxed)
    }

    /// The borrowers whose connection is away for longer than `limit`, each told once, with the time.
    fn overdue(&self, limit: Duration) -> Vec<(&'static str, Duration)> {
        let loans: Vec<_> = self.loans().iter().filter_map(Weak::upgrade).collect();
        loans.iter().filter_map(|loan| loan.overdue(limit)).collect()
    }

    /// Returns the borrowers that have not returned their connections.
    pub(super) fn unreturned(&self) -> Vec<Unreturned> {
        let loans: Vec<_> = self.loans().iter().filter_map(Weak::upgrade).collect();
        loans.iter().filter_map(|loan| loan.away()).collect()
    }

    fn loans(&self) -> MutexGuard<'_, Vec<Weak<Loan>>> {
        self.loans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports overdue connections until the pool is gone.
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
