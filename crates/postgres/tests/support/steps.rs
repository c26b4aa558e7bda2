//! Drops work at its k-th step.

use anyhow::{Result, bail};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use steadfast_postgres::Error;

/// Outcome of a unit of work that is dropped at its k-th step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Completed successfully.
    Finished,
    Dropped,
    /// Dropped while it waited for another session, so there is no later step.
    DroppedStuck,
}

/// Polls `work` until it was pending `steps` times, or until `stuck` returns true because it can make no step, then
/// drops it.
pub(crate) async fn drop_at<T>(
    steps: usize,
    work: impl Future<Output = Result<T, Error>>,
    stuck: impl Future<Output = Result<()>> + Send + 'static,
) -> Result<End> {
    // Waits separately, so that its wake-ups are not counted as steps.
    let mut stuck = tokio::spawn(stuck);
    let (mut work, mut left) = (pin!(work), steps);
    let stepping = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(outcome.map(|_| End::Finished)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(Ok(End::Dropped)) } else { Poll::Pending }
        }
    });
    let end = tokio::select! {
        biased;
        end = stepping => end?,
        said = &mut stuck => said?.map(|()| End::DroppedStuck)?,
    };
    stuck.abort();
    Ok(end)
}

/// Fails after the time without a step after which the work counts as hanging.
pub(crate) async fn never_stuck() -> Result<()> {
    tokio::time::sleep(Duration::from_secs(10)).await;
    bail!("no step for ten seconds")
}
