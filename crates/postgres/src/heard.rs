//! When the server was last heard: tells a server that is silent from a pool that is merely busy.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The moment of the last bytes from the server, on any of the connections that share it.
#[derive(Debug)]
pub(crate) struct Heard(AtomicU64);

impl Heard {
    /// Heard just now.
    pub(crate) fn now() -> Self {
        Self(AtomicU64::new(since_start()))
    }

    /// Bytes have come.
    pub(crate) fn touch(&self) {
        self.0.store(since_start(), Relaxed);
    }

    /// How long no bytes have come.
    pub(crate) fn silent_for(&self) -> Duration {
        Duration::from_millis(since_start().saturating_sub(self.0.load(Relaxed)))
    }
}

/// Milliseconds since the first call; a clock of the real time, since the server does not live in a paused one.
fn since_start() -> u64 {
    START.elapsed().as_millis() as u64
}
