//! Permits for calls. Recording an outcome takes no lock while calls flow, unless it opens the breaker.

use super::machine::Breaker;
use super::state::Rejected;
use super::word::{Flow, Word};
use crate::Class;
use crate::sync::Ordering;

/// Permit for one call. Report the outcome with [`Permit::record`]. A call whose permit is dropped without an outcome
/// counts as cancelled.
#[derive(Debug)]
#[must_use = "dropping a permit counts its call as cancelled"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    phase: Word,
}

impl Breaker {
    /// Returns a permit for one call.
    ///
    /// # Errors
    /// Returns [`Rejected`] while the breaker is open, and while it is half-open with no permit left.
    #[inline]
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let phase = self.load();
        let phase = if phase.flow() == Flow::Gated { self.try_probe()? } else { phase };
        Ok(Permit { breaker: self, phase })
    }

    #[inline]
    fn record(&self, phase: Word, failed: bool) {
        match &self.window {
            None if !failed && phase.flow() == Flow::Counted => {
                if self.load().failures() != 0 {
                    self.count_success(phase);
                }
            }
            Some(window) if !failed && phase.flow() == Flow::Counted => {
                if self.load().is_phase_of(phase) && window.succeeded(phase.mark()) {
                    self.open_from(phase, window.count(phase.mark()));
                }
            }
            _ => self.record_slow(phase, failed),
        }
    }

    /// Records every outcome except a success while calls flow and count.
    #[cold]
    fn record_slow(&self, phase: Word, failed: bool) {
        match (phase.flow(), &self.window) {
            (Flow::Counted, None) => self.count_failure(phase),
            (Flow::Counted, Some(window)) => {
                if self.load().is_phase_of(phase) && window.failed(phase.mark()) {
                    self.open_from(phase, window.count(phase.mark()));
                }
            }
            (Flow::Uncounted, _) => {}
            (Flow::Gated, _) => self.record_probe(phase, failed),
        }
    }

    #[cold]
    fn count_success(&self, phase: Word) {
        let mut now = self.load();
        while now.failures() != 0 && now.is_phase_of(phase) {
            match self.replace(now, now.succeeded()) {
                Ok(()) => return,
                Err(changed) => now = changed,
            }
        }
    }

    #[cold]
    fn count_failure(&self, phase: Word) {
        let threshold = self.config.failures.min(Word::FAILURES_MAX);
        let mut now = self.load();
        while now.is_phase_of(phase) {
            match self.replace(now, now.failed()) {
                Ok(()) if now.failed().failures() >= threshold => {
                    return self.open_from(phase, (now.failed().failures(), now.failed().failures()));
                }
                Ok(()) => return,
                Err(changed) => now = changed,
            }
        }
    }

    #[cold]
    fn cancel(&self, phase: Word) {
        if phase.flow() == Flow::Uncounted {
            return;
        }
        self.cancelled.fetch_add(1, Ordering::Relaxed);
        if phase.flow() == Flow::Gated {
            self.return_permit(phase);
        }
    }

    fn replace(&self, old: Word, new: Word) -> Result<(), Word> {
        let replaced = self.word.compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Acquire);
        replaced.map(drop).map_err(Word)
    }
}

impl Permit<'_> {
    /// Records the outcome of the call: `None` for success, else the class of its failure. Only [`Class::Unavailable`]
    /// counts as a failure of the dependency, since any other class proves that it responds.
    #[inline]
    pub fn record(self, failure: Option<Class>) {
        let (breaker, phase) = (self.breaker, self.phase);
        // The call has its outcome, so dropping the permit must not count as a cancellation.
        std::mem::forget(self);
        breaker.record(phase, failure == Some(Class::Unavailable));
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.breaker.cancel(self.phase);
    }
}
