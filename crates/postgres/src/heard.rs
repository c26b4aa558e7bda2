//! When the server was last heard: tells a server that is silent from a pool that is merely busy.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the first moment that anybody asked for; a clock of the real time, since the server does not live in
/// a paused one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

impl Moment {
    /// The moment that the clock showed as `now`.
    pub(crate) fn at(now: Instant) -> Self {
        Self(now.saturating_duration_since(*START).as_millis() as u64)
    }
}

/// The moment of the last bytes from the server, on any of the connections that share it.
#[derive(Debug)]
pub(crate) struct Heard {
    last: AtomicU64,
    /// Connections that wait for an answer.
    owing: AtomicU32,
}

impl Heard {
    /// Heard just now.
    pub(crate) fn now() -> Self {
        Self { last: AtomicU64::new(Moment::at(Instant::now()).0), owing: AtomicU32::new(0) }
    }

    /// Bytes have come.
    pub(crate) fn touch(&self, now: Moment) {
        // Shared by all connections: written once a millisecond, read by all.
        if self.last.load(Relaxed) != now.0 {
            self.last.store(now.0, Relaxed);
        }
    }

    /// One more connection waits for an answer. Only from then on is silence the server's.
    pub(crate) fn owe(&self, now: Moment) {
        if self.owing.fetch_add(1, Relaxed) == 0 {
            self.touch(now);
        }
    }

    /// It has its answer, or none is waited for any more.
    pub(crate) fn owe_no_more(&self) {
        self.owing.fetch_sub(1, Relaxed);
    }

    /// How long an answer has been owed and no bytes have come on any connection.
    pub(crate) fn owing_for(&self) -> Duration {
        if self.owing.load(Relaxed) == 0 { Duration::ZERO } else { self.silent_for() }
    }

    /// How long no bytes have come.
    pub(crate) fn silent_for(&self) -> Duration {
        Duration::from_millis(Moment::at(Instant::now()).0.saturating_sub(self.last.load(Relaxed)))
    }
}
