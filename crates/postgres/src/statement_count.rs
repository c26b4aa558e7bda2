//! Counts the statements of several units of work, which reveals loops over operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

tokio::task_local! {
    static CURRENT: StatementCount;
}

/// Number of statements that the units of work within a scope have sent. Cheap to clone; clones share the number.
///
/// A unit of work is counted when it ends, with the statements of all its attempts. One that its caller drops is not
/// counted. Work that is spawned on another task leaves the scope; pass the scope on with [`StatementCount::current`]:
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
    /// Returns the count of the current scope, or a new one outside of any scope.
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs `work` and counts the statements of its units of work. A nested scope is not included.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// Returns the number of statements so far.
    pub fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// Adds `statements` to the current scope, if any.
pub(crate) fn add(statements: u32) {
    // Statements outside of any scope are not counted.
    _ = CURRENT.try_with(|count| count.0.fetch_add(statements, Relaxed));
}
