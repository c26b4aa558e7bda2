//! The state machine. While calls flow one word decides; every transition is made under the lock.

use super::config::BreakerConfig;
use super::permit::Permit;
use super::state::{BreakerState, Control, Rejected, Snapshot, Transition};
use super::window::Window;
use super::word::{Flow, Word};
use crate::Backoff;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::time::Instant;

/// Transitions that a slow reader of [`Breaker::transitions`] may be behind before it loses the oldest.
const TRANSITIONS_KEPT: usize = 16;

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
    /// Set while open by its own decision.
    open_until: Option<Instant>,
    /// Failures and calls that opened it.
    opened_by: (u32, u32),
    /// Probes that failed since it was closed: how far the open time has grown.
    regressions: u32,
    probing: u32,
    probed: u32,
    opened: u64,
}

impl Breaker {
    /// A closed breaker. `name` appears in errors and logs: what the callers depend on.
    pub fn new(name: &'static str, config: BreakerConfig) -> Self {
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
            transitions: broadcast::Sender::new(TRANSITIONS_KEPT),
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
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let phase = self.load();
        if phase.flow() == Flow::Gated {
            return self.try_probe();
        }
        Ok(Permit::new(self, phase))
    }

    /// The dependency was reached by other means: an open breaker lets calls through at once, as if its time were over.
    /// One that an operator opened stays open.
    pub fn reached(&self) {
        let mut inner = self.lock();
        if inner.state == BreakerState::Open && inner.control == Control::Automatic {
            self.enter(&mut inner, BreakerState::HalfOpen);
        }
    }

    /// An operator decides, or lets the outcomes decide again: one that was forced open is then half-open, to find
    /// out; every other begins closed, without failures.
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

    /// Every transition from now on, in order.
    ///
    /// A channel and not a callback, so that no reader can hold up a call; bounded, and who falls more than 16
    /// transitions behind is told how many were missed.
    pub fn transitions(&self) -> broadcast::Receiver<Transition> {
        self.transitions.subscribe()
    }

    /// What it looks like now.
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

    #[cold]
    fn try_probe(&self) -> Result<Permit<'_>, Rejected> {
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
            // Those that came back well count too: no more calls than permits before it is decided.
            if inner.probing + inner.probed >= self.config.half_open_permits {
                return Err(self.reject(Duration::ZERO));
            }
            inner.probing += 1;
        }
        Ok(Permit::new(self, self.load()))
    }

    fn reject(&self, retry_after: Duration) -> Rejected {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        Rejected { breaker: self.name, retry_after }
    }

    /// Opens because of outcomes of the phase, unless that is over or an operator decides.
    #[cold]
    pub(super) fn open_from(&self, phase: Word, counts: (u32, u32)) {
        let mut inner = self.lock();
        if self.load().is_phase_of(phase) && inner.control == Control::Automatic {
            inner.opened_by = counts;
            self.enter(&mut inner, BreakerState::Open);
        }
    }

    /// Counts the outcome of a call that was let through to find out.
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

    /// Takes a permit back whose caller left.
    #[cold]
    pub(super) fn give_back(&self, phase: Word) {
        let mut inner = self.lock();
        if self.load().is_phase_of(phase) {
            inner.probing -= 1;
        }
    }

    /// Begins the next phase. All outcomes of earlier ones are void from here on.
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
        self.tell(inner, from);
    }

    fn begin_closed(&self, inner: &mut Inner) {
        inner.regressions = 0;
        self.window.iter().for_each(Window::clear);
    }

    fn begin_open(&self, inner: &mut Inner) {
        inner.opened += 1;
        if inner.control == Control::Automatic {
            let times = Backoff::exponential(self.config.open_for, self.config.open_for_at_most);
            let open_for = times.jitter(self.config.jitter).delay(inner.regressions);
            inner.open_until = Some(Instant::now() + open_for);
        }
    }

    fn tell(&self, inner: &Inner, from: BreakerState) {
        let transition = Transition { breaker: self.name, from, to: inner.state, control: inner.control };
        // Nobody has to listen.
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
