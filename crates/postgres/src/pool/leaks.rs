//! Who has a connection, and for how long: a connection that is away for too long is reported with its borrower.

use super::Inner;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// The borrowers of a pool.
#[derive(Debug, Default)]
pub(super) struct Borrowers(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    next: u64,
    out: HashMap<u64, Loan>,
    watched: bool,
}

#[derive(Debug)]
struct Loan {
    borrower: &'static str,
    since: Instant,
    reported: bool,
}

impl Borrowers {
    /// Notes a loan; its number, and whether it is the first one ever, so that somebody has to start watching.
    pub(super) fn lend(&self, borrower: &'static str) -> (u64, bool) {
        let mut book = self.book();
        let number = book.next;
        book.next += 1;
        book.out.insert(number, Loan { borrower, since: Instant::now(), reported: false });
        (number, !std::mem::replace(&mut book.watched, true))
    }

    /// Notes that the connection came back.
    pub(super) fn take_back(&self, number: u64) {
        self.book().out.remove(&number);
    }

    /// The borrowers whose connection is away for longer than `limit`, each told once, with the time.
    fn overdue(&self, limit: Duration) -> Vec<(&'static str, Duration)> {
        let mut book = self.book();
        let late = book.out.values_mut().filter(|loan| !loan.reported && loan.since.elapsed() >= limit);
        late.map(|loan| {
            loan.reported = true;
            (loan.borrower, loan.since.elapsed())
        })
        .collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        tokio::time::sleep(limit / 4).await;
    }
}
