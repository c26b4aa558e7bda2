//! A whole call through a breaker.

use super::{Breaker, Rejected};
use crate::Classify;

impl Breaker {
    /// Makes the call that `work` begins, and records its outcome. When the returned future is dropped on the way,
    /// the call counts as cancelled.
    ///
    /// # Errors
    /// [`Rejected`], turned into the call's own error, when calls do not flow; else what the call returned.
    pub async fn call<T, E, F, Fut>(&self, work: F) -> Result<T, E>
    where
        E: Classify + From<Rejected>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let permit = self.try_acquire()?;
        let result = work().await;
        permit.record(result.as_ref().err().map(Classify::class));
        result
    }
}
