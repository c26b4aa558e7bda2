//! The state machine. While calls flow, one atomic word decides. Every transition takes the lock.

use super::config::BreakerConfig;
use super::state::{BreakerState, Control, Rejected, Snapshot, Transition};
use super::window::Window;
use super::word::{Flow, Word};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use crate::{Backoff, Deadline};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Number of transitions by which a receiver of [`Breaker::transitions`] may lag before it loses the oldest.
const TRANSITIONS_BUFFERED: usize = 16;

/// A circuit breaker. Share it by reference or in an `Arc`.
#[derive(Debug)]
pub struct Breaker {
    name: &'static str,
    pub(super) config: BreakerConfig,
    pub(super) word: AtomicU64,
    pub(super) window: Option<Window>,
    pub(super) cancelled: AtomicU64,
    rejected: AtomicU64,
    inner: Mutex<Inner>,
    transitions: broadcast::Sender<Transition>,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    control: Control,
    /// End of the open time; `None` unless outcomes opened the breaker.
    open_until: Option<Instant>,
    /// Failures and calls that opened the breaker.
    opened_by: (u32, u32),
    /// Number of failed probes since the breaker was closed. The open time doubles with each.
    regressions: u32,
    probing: u32,
    probed: u32,
    opened: u64,
}

impl Breaker {
    /// Returns a closed breaker. `name` describes the dependency and appears in errors and logs.
    pub fn new(name: &'static str, config: BreakerConfig) -> Self {
        let config = config.within_range();
        let inner = Inner {
            state: BreakerState::Closed,
            control: Control::Automatic,
            open_until: None,
            opened_by: (0, 0),
            regressions: 0,
            probing: 0,
            probed: 0,
            opened: 0,
        };
        Self {
            name,
            config,
            word: AtomicU64::new(Word::first().0),
            window: config.window.map(Window::new),
            cancelled: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            inner: Mutex::new(inner),
            transitions: broadcast::Sender::new(TRANSITIONS_BUFFERED),
        }
    }

    /// Returns the name of the breaker.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Reports that the dependency was reached by other means, such as a health check. An open breaker becomes half-open
    /// immediately, unless an operator opened it.
    pub fn report_reachable(&self) {
        let mut inner = self.lock();
        if inner.state == BreakerState::Open && inner.control == Control::Automatic {
            self.enter(&mut inner, BreakerState::HalfOpen);
        }
    }

    /// Lets an operator override the breaker, or makes it automatic again. A breaker that was forced open becomes
    /// half-open; any other starts closed and without failures.
    pub fn set_control(&self, control: Control) {
        let mut inner = self.lock();
        if inner.control == control {
            return;
        }
        let before = std::mem::replace(&mut inner.control, control);
        let state = match (before, control) {
            (_, Control::ForcedOpen) => BreakerState::Open,
            (Control::ForcedOpen, Control::Automatic) => BreakerState::HalfOpen,
            _ => BreakerState::Closed,
        };
        inner.opened_by = self.count();
        self.enter(&mut inner, state);
    }

    /// Subscribes to all transitions from now on, in order.
    ///
    /// This is a channel instead of a callback, so that no receiver can delay a call. It is bounded: a receiver that lags
    /// by more than 16 transitions learns how many it missed.
    pub fn transitions(&self) -> broadcast::Receiver<Transition> {
        self.transitions.subscribe()
    }

    /// Returns a snapshot of the breaker's state.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        let (failures, calls) =
            if inner.state == BreakerState::Closed { self.count() } else { inner.opened_by };
        Snapshot {
            state: inner.state,
            control: inner.control,
            failures,
            calls,
            cancelled: self.cancelled.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            opened: inner.opened,
            next_probe_in: inner.open_until.map(|until| until.saturating_duration_since(Instant::now())),
        }
    }

    /// Admits a call while calls do not flow freely. Returns the phase that its outcome belongs to.
    #[cold]
    pub(super) fn try_probe(&self) -> Result<Word, Rejected> {
        let mut inner = self.lock();
        if inner.control == Control::ForcedOpen {
            return Err(self.reject(self.config.open_for));
        }
        if let Some(until) = inner.open_until {
            let retry_after = until.saturating_duration_since(Instant::now());
            if !retry_after.is_zero() {
                return Err(self.reject(retry_after));
            }
            self.enter(&mut inner, BreakerState::HalfOpen);
        }
        if inner.state == BreakerState::HalfOpen {
            // Successful probes count too, so that no more calls than permits go through before the decision.
            if inner.probing + inner.probed >= self.config.half_open_permits {
                return Err(self.reject(Duration::ZERO));
            }
            inner.probing += 1;
        }
        Ok(self.load())
    }

    fn reject(&self, retry_after: Duration) -> Rejected {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Rejected { breaker: self.name, retry_after }
    }

    /// Opens because of outcomes of `phase`, unless that phase is over or an operator overrides the breaker.
    #[cold]
    pub(super) fn open_from(&self, phase: Word, counts: (u32, u32)) {
        let mut inner = self.lock();
        if self.load().is_phase_of(phase) && inner.control == Control::Automatic {
            inner.opened_by = counts;
            self.enter(&mut inner, BreakerState::Open);
        }
    }

    /// Counts the outcome of a probe.
    #[cold]
    pub(super) fn record_probe(&self, phase: Word, failed: bool) {
        let mut inner = self.lock();
        if !self.load().is_phase_of(phase) {
            return;
        }
        if failed {
            inner.regressions = inner.regressions.saturating_add(1);
            return self.enter(&mut inner, BreakerState::Open);
        }
        inner.probing -= 1;
        inner.probed += 1;
        if inner.probed >= self.config.half_open_permits {
            self.enter(&mut inner, BreakerState::Closed);
        }
    }

    /// Returns the permit of a cancelled probe.
    #[cold]
    pub(super) fn return_permit(&self, phase: Word) {
        let mut inner = self.lock();
        if self.load().is_phase_of(phase) {
            inner.probing -= 1;
        }
    }

    /// Starts the next phase. Outcomes of earlier phases no longer count.
    fn enter(&self, inner: &mut Inner, to: BreakerState) {
        let from = std::mem::replace(&mut inner.state, to);
        (inner.probing, inner.probed, inner.open_until) = (0, 0, None);
        match to {
            BreakerState::Closed => self.begin_closed(inner),
            BreakerState::Open => self.begin_open(inner),
            BreakerState::HalfOpen => {}
        }
        let flow = match (to, inner.control) {
            (_, Control::Disabled) => Flow::Uncounted,
            (BreakerState::Closed, _) => Flow::Counted,
            _ => Flow::Gated,
        };
        self.word.store(self.load().next(flow).0, Ordering::Release);
        self.publish(inner, from);
    }

    fn begin_closed(&self, inner: &mut Inner) {
        inner.regressions = 0;
        self.window.iter().for_each(Window::clear);
    }

    fn begin_open(&self, inner: &mut Inner) {
        inner.opened += 1;
        if inner.control == Control::Automatic {
            let times = Backoff::exponential(self.config.open_for, self.config.max_open_for);
            let open_for = times.jitter(self.config.jitter).delay(inner.regressions);
            inner.open_until = Some(Deadline::after(open_for).instant());
        }
    }

    fn publish(&self, inner: &Inner, from: BreakerState) {
        let transition = Transition { breaker: self.name, from, to: inner.state, control: inner.control };
        // Sending fails if there is no receiver, which is fine.
        let _ = self.transitions.send(transition);
        let (state, control) = (inner.state.as_str(), inner.control.as_str());
        if inner.state == BreakerState::Open {
            let (failures, calls) = inner.opened_by;
            tracing::warn!(breaker = self.name, state, control, failures, calls, "circuit breaker open");
        } else {
            tracing::info!(breaker = self.name, state, control, "circuit breaker changed");
        }
    }

    fn count(&self) -> (u32, u32) {
        let now = self.load();
        self.window.as_ref().map_or((now.failures(), now.failures()), |window| window.count(now.mark()))
    }

    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
