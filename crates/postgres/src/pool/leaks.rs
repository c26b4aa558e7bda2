//! Who has a connection, and for how long: a connection that is away for too long is reported with its borrower.

use super::Inner;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// The borrowers of a pool.
#[derive(Debug, Default)]
pub(super) struct Borrowers(Mutex<Book>);

/// A loan's number is its place in the list, free again when the connection came back.
#[derive(Debug, Default)]
struct Book {
    out: Vec<Option<Loan>>,
    free: Vec<usize>,
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
    pub(super) fn lend(&self, borrower: &'static str) -> (usize, bool) {
        let loan = Some(Loan { borrower, since: Instant::now(), reported: false });
        let mut book = self.book();
        let number = match book.free.pop() {
            Some(number) => {
                book.out[number] = loan;
                number
            }
            None => {
                book.out.push(loan);
                book.out.len() - 1
            }
        };
        (number, !std::mem::replace(&mut book.watched, true))
    }

    /// Notes that the connection came back.
    pub(super) fn take_back(&self, number: usize) {
        let mut book = self.book();
        book.out[number] = None;
        book.free.push(number);
    }

    /// The borrowers whose connection is away for longer than `limit`, each told once, with the time.
    fn overdue(&self, limit: Duration) -> Vec<(&'static str, Duration)> {
        let mut book = self.book();
        let late =
            book.out.iter_mut().flatten().filter(|loan| !loan.reported && loan.since.elapsed() >= limit);
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
