//! The silence that a 429 imposes on everybody who shares the client.

use crate::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Until when nothing may be sent.
#[derive(Debug, Default)]
pub(crate) struct Silence(Mutex<Option<Instant>>);

impl Silence {
    /// Fails with [`Error::RateLimited`] while the silence lasts.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let left =
            self.lock().map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if left.is_zero() { Ok(()) } else { Err(Error::RateLimited { retry_after: left }) }
    }

    /// Nothing is sent for `duration` from now. A silence that lasts longer already is not shortened: of two requests
    /// under way together, the one that was told less may be the last to hear it.
    pub(crate) fn keep(&self, duration: Duration) {
        let mut until = self.lock();
        *until = (*until).max(Some(Instant::now() + duration));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(silence: &Silence) -> Option<Duration> {
        match silence.check() {
            Err(Error::RateLimited { retry_after }) => Some(retry_after),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_lasts_as_long_as_told_and_no_longer() {
        let silence = Silence::default();
        assert_eq!(left(&silence), None);
        silence.keep(Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(left(&silence), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(left(&silence), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_one_does_not_end_a_longer_one() {
        let silence = Silence::default();
        silence.keep(Duration::from_secs(60));
        silence.keep(Duration::from_secs(5));
        assert_eq!(left(&silence), Some(Duration::from_secs(60)));
    }
}
