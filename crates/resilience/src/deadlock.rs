//! Retries of deadlocked work at lower concurrency.

use crate::{Class, Classify, ContentionGate, Deadline, Refused, Retry};

/// Runs `work` through `gate`, and runs it again after a [`Class::Deadlock`] as `retry` allows. While deadlocks occur, the
/// gate admits one caller at a time. Callers hold no pass during a delay.
///
/// # Errors
/// Returns the error of the last attempt, or [`Refused`], converted into the error type of the work, if the gate does not
/// admit the caller before `deadline`.
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
