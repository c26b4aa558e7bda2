//! When the server was last heard: tells a server that is silent from a pool that is merely busy.

use crate::wire::Wire;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
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

/// The moment of the last bytes.
#[derive(Debug)]
pub(crate) struct Heard(AtomicU64);

impl Heard {
    /// Heard just now.
    pub(crate) fn now() -> Self {
        Self(AtomicU64::new(Moment::at(Instant::now()).0))
    }

    /// Bytes have come.
    pub(crate) fn touch(&self, now: Moment) {
        // Perhaps shared by all connections: written once a millisecond, read by all.
        if self.0.load(Relaxed) != now.0 {
            self.0.store(now.0, Relaxed);
        }
    }

    /// How long no bytes have come.
    pub(crate) fn silent_for(&self) -> Duration {
        Duration::from_millis(Moment::at(Instant::now()).0.saturating_sub(self.0.load(Relaxed)))
    }
}

/// What is heard of one server on all connections that share it.
#[derive(Debug)]
pub(crate) struct Server {
    heard: Heard,
    /// Asked only when somebody waited in vain, so that those who are served share no counter.
    wires: Mutex<Vec<Weak<Wire>>>,
}

impl Server {
    /// Heard just now, without connections.
    pub(crate) fn new() -> Self {
        Self { heard: Heard::now(), wires: Mutex::default() }
    }

    /// One more connection shares it, until it is dropped.
    pub(crate) fn enrol(&self, wire: &Arc<Wire>) {
        let mut wires = self.wires();
        wires.retain(|wire| wire.strong_count() > 0);
        wires.push(Arc::downgrade(wire));
    }

    /// Bytes have come on one of them.
    pub(crate) fn touch(&self, now: Moment) {
        self.heard.touch(now);
    }

    /// How long an answer has been owed and no bytes have come on any connection.
    pub(crate) fn owing_for(&self) -> Duration {
        let wires: Vec<_> = self.wires().iter().filter_map(Weak::upgrade).collect();
        let longest = wires.iter().map(|wire| wire.silent_for()).max();
        longest.unwrap_or_default().min(self.heard.silent_for())
    }

    fn wires(&self) -> MutexGuard<'_, Vec<Weak<Wire>>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
