//! A reusable timer for the deadlines of consecutive units of work on one connection.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Timer that is reused by consecutive units of work. Registering and cancelling a timer is expensive compared with the
/// rest of a checkout, and deadlines rarely expire. So the timer is reset only if it fires before the current deadline
/// or would fire after it.
#[derive(Debug)]
pub(crate) struct DeadlineTimer(Pin<Box<Sleep>>);

impl DeadlineTimer {
    /// Creates a timer that was not set yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Box::pin(sleep_until(now)))
    }

    /// Returns the output of `work`, or `None` if it is not ready by `deadline`. Work that is ready immediately needs
    /// no timer.
    ///
    /// `work` is pinned because passing it by value would store it twice in the caller's future.
    pub(crate) async fn limit<F: Future>(
        &mut self,
        deadline: Instant,
        mut work: Pin<&mut F>,
    ) -> Option<F::Output> {
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll(deadline, cx).map(|()| None),
        })
        .await
    }

    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.deadline() > deadline {
            self.0.as_mut().reset(deadline);
        }
        loop {
            std::task::ready!(self.0.as_mut().poll(cx));
            if self.0.deadline() >= deadline {
                return Poll::Ready(());
            }
            self.0.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::pin::pin;
    use std::time::Duration;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn work_ends_at_its_own_deadline() {
        let began = Instant::now();
        let mut timer = DeadlineTimer::new(began);
        for limit in [3, 30, 1, 1, 7] {
            let deadline = Instant::now() + limit * SECOND;
            assert_eq!(timer.limit(deadline, pin!(pending::<()>())).await, None);
            // Timers fire up to a millisecond late.
            assert!(Instant::now() - deadline <= Duration::from_millis(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_of_earlier_work_does_not_end_later_work() {
        let mut timer = DeadlineTimer::new(Instant::now());
        let work = timer.limit(Instant::now() + 2 * SECOND, pin!(sleep(SECOND))).await;
        assert_eq!(work, Some(()));
        sleep(5 * SECOND).await;
        assert_eq!(timer.limit(Instant::now() + 2 * SECOND, pin!(sleep(SECOND))).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn ready_work_completes_after_its_deadline() {
        let mut timer = DeadlineTimer::new(Instant::now());
        let passed = Instant::now();
        sleep(SECOND).await;
        assert_eq!(timer.limit(passed, pin!(async { 7 })).await, Some(7));
        assert_eq!(timer.limit(passed, pin!(pending::<()>())).await, None);
    }
}
