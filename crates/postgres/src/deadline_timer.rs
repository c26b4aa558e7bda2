//! The clock of a connection: ends work at its deadline without a new timer for each piece of it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer that serves unit of work after unit of work. Setting a timer and taking it back costs more than most of what
/// the pool does, and nearly no deadline is ever reached. So this one stays as it was set, and is set anew only when it
/// rings too early for the work at hand, or would ring too late.
#[derive(Debug)]
pub(crate) struct DeadlineTimer(Pin<Box<Sleep>>);

impl DeadlineTimer {
    /// An timer that was not set yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Box::pin(sleep_until(now)))
    }

    /// What `work` gives, `None` when it has not ended by `deadline`. Work that is ready at once needs no timer.
    ///
    /// It comes pinned: handed over by value it would be stored twice in the caller's future.
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
    async fn each_piece_of_work_ends_at_its_own_deadline_whatever_the_last_one_was() {
        let began = Instant::now();
        let mut timer = DeadlineTimer::new(began);
        for limit in [3, 30, 1, 1, 7] {
            let deadline = Instant::now() + limit * SECOND;
            assert_eq!(timer.limit(deadline, pin!(pending::<()>())).await, None);
            // A timer rings up to a millisecond late.
            assert!(Instant::now() - deadline <= Duration::from_millis(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_passed_between_two_pieces_of_work_does_not_end_the_second_one() {
        let mut timer = DeadlineTimer::new(Instant::now());
        let work = timer.limit(Instant::now() + 2 * SECOND, pin!(sleep(SECOND))).await;
        assert_eq!(work, Some(()));
        sleep(5 * SECOND).await;
        assert_eq!(timer.limit(Instant::now() + 2 * SECOND, pin!(sleep(SECOND))).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_ready_is_done_even_when_its_time_is_over() {
        let mut timer = DeadlineTimer::new(Instant::now());
        let passed = Instant::now();
        sleep(SECOND).await;
        assert_eq!(timer.limit(passed, pin!(async { 7 })).await, Some(7));
        assert_eq!(timer.limit(passed, pin!(pending::<()>())).await, None);
    }
}
