//! The pause after a 429, which all clones of a client share.

use crate::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Time until which no requests are sent.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<Option<Instant>>);

impl Pause {
    /// Returns [`Error::RateLimited`] during the pause.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let left =
            self.lock().map(|until| until.saturating_duration_since(Instant::now())).unwrap_or_default();
        if left.is_zero() { Ok(()) } else { Err(Error::RateLimited { retry_after: left }) }
    }

    /// Extends the pause to at least `duration` from now. It is never shortened, because the responses of concurrent
    /// requests can arrive in any order.
    pub(crate) fn extend(&self, duration: Duration) {
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

    fn left(pause: &Pause) -> Option<Duration> {
        match pause.check() {
            Err(Error::RateLimited { retry_after }) => Some(retry_after),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pause_ends_after_its_duration() {
        let pause = Pause::default();
        assert_eq!(left(&pause), None);
        pause.extend(Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(left(&pause), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(left(&pause), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pause_is_never_shortened() {
        let pause = Pause::default();
        pause.extend(Duration::from_secs(60));
        pause.extend(Duration::from_secs(5));
        assert_eq!(left(&pause), Some(Duration::from_secs(60)));
    }
}
