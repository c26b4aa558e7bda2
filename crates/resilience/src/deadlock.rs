//! Repeating work that deadlocks, fewer at a time until it does no more.

use crate::{Class, Classify, ContentionGate, Deadline, Refused, Retry};

/// Runs `work` through `gate`, and repeats it whole after a [`Class::Deadlock`] as `retry` allows. Until the deadlocks
/// end, the gate lets one at a time through; no pass is held during a pause. `work` must do all of its unit again.
///
/// # Errors
/// The error of the last attempt, or [`Refused`] as the work's own error when it was not let in by `deadline`.
pub async fn retry_on_deadlock<T, E, F, Fut>(
    gate: &ContentionGate,
    retry: &Retry,
    deadline: Deadline,
    mut work: F,
) -> Result<T, E>
where
    E: Classify + From<Refused>,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let mut attempts = retry.attempts(deadline);
    loop {
        let pass = gate.enter(deadline).await?;
        let error = match work().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        if error.class() == Class::Deadlock {
            pass.contended();
        }
        drop(pass);
        match attempts.delay_after(&error) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return Err(error),
        }
    }
}
