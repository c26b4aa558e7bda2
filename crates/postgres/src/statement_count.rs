//! Statements of a piece of work, counted over all its units of work: a loop over operations shows nowhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

tokio::task_local! {
    static CURRENT: StatementCount;
}

/// Number of statements that the units of work within a scope have sent. Cheap to clone; clones share the number.
///
/// A unit of work counts when it ends, with all statements of its last attempt and of those before. One that its caller
/// drops does not count. Work that is handed to another task leaves the scope; hand it over with
/// [`StatementCount::current`]:
///
/// ```
/// use steadfast_postgres::StatementCount;
///
/// # async fn work() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tokio::task::JoinError> {
/// let count = StatementCount::default();
/// let request = async { tokio::spawn(StatementCount::current().scope(work())).await };
/// count.clone().scope(request).await?;
/// assert_eq!(count.get(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StatementCount(Arc<AtomicU32>);

impl StatementCount {
    /// Returns the count of the scope that the caller runs in, or a new one outside of any.
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs `work` and adds the statements of its units of work. A scope within another one counts for itself.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Returns the number of statements so far.
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// Adds `statements` to the scope that the caller runs in, if there is one.
pub(crate) fn add(statements: u32) {
    // Outside of any scope nobody counts.
    _ = CURRENT.try_with(|count| count.0.fetch_add(statements, Relaxed));
}
