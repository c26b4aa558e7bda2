//! Timeouts that count only time in which this process was scheduled.
//!
//! On an overloaded machine, an answer may stay unread for seconds, which proves nothing about the server.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Length of one step. A step that takes more than twice as long is not counted.
const STEP: Duration = Duration::from_millis(50);

/// Upper bound of the wait in real time, as a multiple of the limit, for a process that is never scheduled in time.
const REAL_TIME_MAX: u32 = 10;

/// Timeout that counts only scheduled time.
#[derive(Debug, Default)]
pub(super) struct ScheduledTimeout {
    spent: Duration,
}

impl ScheduledTimeout {
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

    /// Returns the scheduled time of the last wait.
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
    async fn wait_ends_at_limit() {
        let (began, mut scheduled_timeout) = (Instant::now(), ScheduledTimeout::default());
        assert_eq!(scheduled_timeout.wait(LIMIT, pin!(pending::<()>())).await, None);
        assert!((LIMIT..LIMIT + 2 * STEP).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!(scheduled_timeout.spent(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn unscheduled_time_does_not_count() {
        let (mut scheduled_timeout, mut work) = (ScheduledTimeout::default(), pin!(pending::<()>()));
        let mut waiting = pin!(scheduled_timeout.wait(LIMIT, work.as_mut()));
        for _ in 0..3 {
            assert_eq!(waiting.as_mut().now_or_never(), None);
            advance(Duration::from_secs(3)).await;
        }
        assert_eq!(waiting.as_mut().now_or_never(), None, "none of the nine seconds counts");
        advance(LIMIT * REAL_TIME_MAX).await;
        assert_eq!(waiting.await, None, "a process that is never scheduled gives up too");
    }
}
