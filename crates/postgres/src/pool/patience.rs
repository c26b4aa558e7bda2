//! Waiting for the server in time in which this process runs.
//!
//! On a machine without processor time to spare, an answer can lie unread for seconds. That says nothing about the
//! server, so the limits by which it is judged count only time in which the process was scheduled.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Length of one step. A step that ends later than its double is not counted.
const STEP: Duration = Duration::from_millis(50);

/// Bound of the wait in real time, as a multiple of the limit: a process that is never scheduled in time gives up too.
const REAL_TIME_MAX: u32 = 10;

/// Counts how long an answer is awaited.
#[derive(Debug, Default)]
pub(super) struct Patience {
    spent: Duration,
}

impl Patience {
    /// Returns the output of `work`, or `None` if it is not ready after `limit`.
    pub(super) async fn wait<F: Future>(
        &mut self,
        limit: Duration,
        mut work: Pin<&mut F>,
    ) -> Option<F::Output> {
        let began = Instant::now();
        self.spent = Duration::ZERO;
        while self.spent < limit && began.elapsed() < limit * REAL_TIME_MAX {
            let until = Instant::now() + STEP;
            tokio::select! {
                biased;
                output = work.as_mut() => return Some(output),
                () = sleep_until(until) => {}
            }
            if until.elapsed() < STEP {
                self.spent += STEP;
            }
        }
        None
    }

    /// Returns how long the last wait took, in time that counts.
    pub(super) fn spent(&self) -> Duration {
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::pending;
    use std::pin::pin;
    use tokio::time::advance;

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn patience_ends_at_its_limit() {
        let (began, mut patience) = (Instant::now(), Patience::default());
        assert_eq!(patience.wait(LIMIT, pin!(pending::<()>())).await, None);
        assert!((LIMIT..LIMIT + 2 * STEP).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!(patience.spent(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_the_processor_does_not_count() {
        let (mut patience, mut work) = (Patience::default(), pin!(pending::<()>()));
        let mut waiting = pin!(patience.wait(LIMIT, work.as_mut()));
        for _ in 0..3 {
            assert_eq!(waiting.as_mut().now_or_never(), None);
            advance(Duration::from_secs(3)).await;
        }
        assert_eq!(waiting.as_mut().now_or_never(), None, "none of the nine seconds counts");
        advance(LIMIT * REAL_TIME_MAX).await;
        assert_eq!(waiting.await, None, "a process that never runs gives up too");
    }
}
