//! The circuit breaker: after failures in a row it rejects calls for a while, then lets a few through to find out.
//!
//! Closed costs one atomic load a call and no clock. A permit is a guard: a caller that leaves without an outcome
//! gives it back and is counted as cancelled, so a dropped future can neither open nor wedge the breaker.

use crate::Class;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When a [`Breaker`] opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it rejects before it lets the first call through again.
    pub open_for: Duration,
    /// Calls that may be under way at once while half-open; as many successes close it.
    pub half_open_permits: u32,
}

impl BreakerConfig {
    /// Opens after `failures` in a row (at least one), for `open_for`, and probes with one call at a time.
    pub const fn consecutive(failures: u32, open_for: Duration) -> Self {
        let failures = if failures == 0 { 1 } else { failures };
        Self { failures, open_for, half_open_permits: 1 }
    }
}

/// Whether calls flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// Calls flow.
    Closed,
    /// Calls are rejected.
    Open,
    /// A few calls are let through to find out.
    HalfOpen,
}

impl BreakerState {
    /// The state as a log field and in health answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A call that was not made because the breaker is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{breaker} is unavailable: circuit breaker open, next attempt in {:.1} s", retry_after.as_secs_f64())]
pub struct Rejected {
    /// The name that the breaker was given.
    pub breaker: &'static str,
    /// When a call may be let through again; zero while half-open probes are under way.
    pub retry_after: Duration,
}

/// What a breaker looks like at one moment, for health answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether calls flow.
    pub state: BreakerState,
    /// Failures in a row so far.
    pub failures: u32,
    /// Calls whose caller left before an outcome, since the start.
    pub cancelled: u64,
    /// Calls rejected since the start.
    pub rejected: u64,
    /// How often it opened since the start.
    pub opened: u64,
}

/// A circuit breaker of the consecutive kind. Share it by reference or in an `Arc`.
#[derive(Debug)]
pub struct Breaker {
    name: &'static str,
    config: BreakerConfig,
    /// Changes with every transition: an outcome of an earlier phase must not count in a later one.
    /// Even numbers are closed phases, so that the closed path is this one load.
    phase: AtomicU64,
    failures: AtomicU32,
    cancelled: AtomicU64,
    rejected: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    open_until: Instant,
    probing: u32,
    probed: u32,
    opened: u64,
}

/// Leave for one call. Give it its outcome with [`Permit::record`]; dropped without one, the call counts as cancelled.
#[derive(Debug)]
#[must_use = "a permit that is dropped counts its call as cancelled"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    phase: u64,
    recorded: bool,
}

impl Breaker {
    /// A closed breaker. `name` appears in errors and logs: what the callers depend on.
    pub fn new(name: &'static str, config: BreakerConfig) -> Self {
        Self {
            name,
            config,
            phase: AtomicU64::new(0),
            failures: AtomicU32::new(0),
            cancelled: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                state: BreakerState::Closed,
                open_until: Instant::now(),
                probing: 0,
                probed: 0,
                opened: 0,
            }),
        }
    }

    /// The name that it was given.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Leave for one call.
    ///
    /// # Errors
    /// [`Rejected`] while open, and while half-open with all permits out.
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let phase = self.phase.load(Ordering::Acquire);
        if is_closed(phase) {
            return Ok(Permit { breaker: self, phase, recorded: false });
        }
        self.try_probe()
    }

    /// The dependency was reached by other means: an open breaker lets calls through at once, as if its time were over.
    pub fn reached(&self) {
        let mut inner = self.lock();
        if inner.state == BreakerState::Open {
            self.half_open(&mut inner);
        }
    }

    /// What it looks like now.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        Snapshot {
            state: inner.state,
            failures: self.failures.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            opened: inner.opened,
        }
    }

    #[cold]
    fn try_probe(&self) -> Result<Permit<'_>, Rejected> {
        let mut inner = self.lock();
        if inner.state == BreakerState::Open {
            let retry_after = inner.open_until.saturating_duration_since(Instant::now());
            if !retry_after.is_zero() {
                return Err(self.reject(retry_after));
            }
            self.half_open(&mut inner);
        }
        if inner.state == BreakerState::HalfOpen {
            if inner.probing >= self.config.half_open_permits {
                return Err(self.reject(Duration::ZERO));
            }
            inner.probing += 1;
        }
        Ok(Permit { breaker: self, phase: self.phase.load(Ordering::Acquire), recorded: false })
    }

    fn reject(&self, retry_after: Duration) -> Rejected {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Rejected { breaker: self.name, retry_after }
    }

    fn record(&self, phase: u64, failed: bool) {
        if is_closed(phase) { self.record_closed(phase, failed) } else { self.record_probe(phase, failed) }
    }

    fn record_closed(&self, phase: u64, failed: bool) {
        if !failed {
            if self.failures.load(Ordering::Relaxed) != 0 && self.phase.load(Ordering::Acquire) == phase {
                self.failures.store(0, Ordering::Relaxed);
            }
            return;
        }
        let mut inner = self.lock();
        if self.phase.load(Ordering::Acquire) != phase {
            return;
        }
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= self.config.failures {
            self.open(&mut inner);
        }
    }

    fn record_probe(&self, phase: u64, failed: bool) {
        let mut inner = self.lock();
        if self.phase.load(Ordering::Acquire) != phase {
            return;
        }
        if failed {
            return self.open(&mut inner);
        }
        inner.probing -= 1;
        inner.probed += 1;
        if inner.probed >= self.config.half_open_permits {
            self.close(&mut inner);
        }
    }

    fn cancel(&self, phase: u64) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
        if is_closed(phase) {
            return;
        }
        let mut inner = self.lock();
        if self.phase.load(Ordering::Acquire) == phase {
            inner.probing -= 1;
        }
    }

    fn open(&self, inner: &mut Inner) {
        inner.open_until = Instant::now() + self.config.open_for;
        inner.opened += 1;
        self.enter(inner, BreakerState::Open);
        tracing::warn!(
            breaker = self.name,
            open_for_s = self.config.open_for.as_secs_f64(),
            "circuit breaker open"
        );
    }

    fn half_open(&self, inner: &mut Inner) {
        self.enter(inner, BreakerState::HalfOpen);
        tracing::info!(breaker = self.name, "circuit breaker half-open");
    }

    fn close(&self, inner: &mut Inner) {
        self.failures.store(0, Ordering::Relaxed);
        self.enter(inner, BreakerState::Closed);
        tracing::info!(breaker = self.name, "circuit breaker closed");
    }

    fn enter(&self, inner: &mut Inner, state: BreakerState) {
        inner.state = state;
        (inner.probing, inner.probed) = (0, 0);
        let phase = self.phase.load(Ordering::Acquire);
        let step = if is_closed(phase) == (state == BreakerState::Closed) { 2 } else { 1 };
        self.phase.store(phase + step, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_closed(phase: u64) -> bool {
    phase.is_multiple_of(2)
}

impl Permit<'_> {
    /// The outcome of the call: `None` for success, else the class of its failure.
    /// Only [`Class::Unavailable`] is a failure of the dependency; every other class proves that it answers.
    pub fn record(mut self, failure: Option<Class>) {
        self.recorded = true;
        self.breaker.record(self.phase, failure == Some(Class::Unavailable));
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.recorded {
            self.breaker.cancel(self.phase);
        }
    }
}

#[cfg(test)]
mod tests;
