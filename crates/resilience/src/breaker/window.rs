//! The last outcomes of a breaker in a ring that needs no lock.
//!
//! A slot holds the mark of the phase in which it failed, or zero. So a success that follows a success writes nothing
//! but the position, and an old phase's failures count no more without being cleared.

use super::config::CountWindow;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The ring. Outcomes that arrive at the same instant stand in it in any order.
#[derive(Debug)]
pub(super) struct Window {
    rule: CountWindow,
    /// A power of two that is at least the window, so that a slot is found without a division.
    slots: Box<[AtomicU32]>,
    /// Outcomes since the phase began: where the next one goes.
    next: AtomicU64,
}

impl Window {
    pub(super) fn new(rule: CountWindow) -> Self {
        let slots = (0..rule.size.next_power_of_two()).map(|_| AtomicU32::new(0)).collect();
        Self { rule, slots, next: AtomicU64::new(0) }
    }

    /// Counts a success of the phase with this mark. True when the breaker has to open.
    #[inline]
    pub(super) fn succeeded(&self, mark: u32) -> bool {
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = self.slot(position);
        if slot.load(Ordering::Relaxed) != 0 {
            slot.store(0, Ordering::Relaxed);
        }
        // Of all successes only the one that completes the minimum can make it open.
        position + 1 == u64::from(self.rule.minimum_calls) && self.is_over(mark)
    }

    /// Counts a failure of the phase with this mark. True when the breaker has to open.
    pub(super) fn failed(&self, mark: u32) -> bool {
        self.slot(self.next.fetch_add(1, Ordering::Relaxed)).store(mark, Ordering::Relaxed);
        self.is_over(mark)
    }

    /// Forgets the phase's outcomes. The next phase's mark must differ.
    pub(super) fn clear(&self) {
        self.next.store(0, Ordering::Relaxed);
    }

    /// Failures and outcomes that the window holds of the phase with this mark.
    pub(super) fn count(&self, mark: u32) -> (u32, u32) {
        let next = self.next.load(Ordering::Relaxed);
        let calls = next.min(u64::from(self.rule.size));
        let failed = |position: &u64| self.slot(*position).load(Ordering::Relaxed) == mark;
        let failures = (next - calls..next).filter(failed).count();
        (u32::try_from(failures).unwrap_or(u32::MAX), u32::try_from(calls).unwrap_or(u32::MAX))
    }

    #[cold]
    fn is_over(&self, mark: u32) -> bool {
        // Of two failures at the same instant at least one has to see both.
        fence(Ordering::SeqCst);
        let (failures, calls) = self.count(mark);
        calls >= self.rule.minimum_calls
            && u64::from(failures) * 100 >= u64::from(calls) * u64::from(self.rule.failure_percent)
    }

    #[inline]
    fn slot(&self, position: u64) -> &AtomicU32 {
        // The length is a power of two, so the mask keeps the index inside.
        &self.slots[position as usize & (self.slots.len() - 1)]
    }
}
