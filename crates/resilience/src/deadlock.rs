//! Repetition of deadlocked work at a lower concurrency.

use crate::{Class, Classify, ContentionGate, Deadline, Refused, Retry};

/// Runs `work` through `gate`, and repeats it as a whole after a [`Class::Deadlock`] as `retry` allows. While deadlocks
/// occur, the gate admits one caller at a time. No pass is held during a pause.
///
/// # Errors
/// Returns the error of the last attempt, or [`Refused`], converted into the error type of the work, if the gate did not
/// admit it by `deadline`.
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
