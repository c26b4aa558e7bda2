//! A lock-free ring buffer with the last outcomes of a breaker.
//!
//! A slot holds the mark of the phase in which a call failed, or zero for a success. So a success that overwrites a success
//! writes only the position, and failures of an old phase no longer count without being cleared.

use super::config::CountWindow;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The ring buffer. Concurrent outcomes are stored in any order.
#[derive(Debug)]
pub(super) struct Window {
    rule: CountWindow,
    /// Slots of the ring. Their number is a power of two, at least the window, so that indexing needs no division.
    slots: Box<[AtomicU32]>,
    /// Number of outcomes since the phase began, which is the position of the next one.
    next: AtomicU64,
}

impl Window {
    pub(super) fn new(rule: CountWindow) -> Self {
        let slots = (0..rule.size.next_power_of_two()).map(|_| AtomicU32::new(0)).collect();
        Self { rule, slots, next: AtomicU64::new(0) }
    }

    /// Counts a success of the phase with this mark. Returns true if the breaker must open.
    #[inline]
    pub(super) fn succeeded(&self, mark: u32) -> bool {
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        let slot = self.slot(position);
        if slot.load(Ordering::Relaxed) != 0 {
            slot.store(0, Ordering::Relaxed);
        }
        // Only the success that completes the minimum number of calls can open the breaker.
        position + 1 == u64::from(self.rule.minimum_calls) && self.is_over(mark)
    }

    /// Counts a failure of the phase with this mark. Returns true if the breaker must open.
    pub(super) fn failed(&self, mark: u32) -> bool {
        self.slot(self.next.fetch_add(1, Ordering::Relaxed)).store(mark, Ordering::Relaxed);
        self.is_over(mark)
    }

    /// Forgets the outcomes of the phase. The next phase must have a different mark.
    pub(super) fn clear(&self) {
        self.next.store(0, Ordering::Relaxed);
    }

    /// Returns the numbers of failures and outcomes in the window of the phase with this mark.
    pub(super) fn count(&self, mark: u32) -> (u32, u32) {
        let next = self.next.load(Ordering::Relaxed);
        let calls = next.min(u64::from(self.rule.size));
        let failed = |position: &u64| self.slot(*position).load(Ordering::Relaxed) == mark;
        let failures = (next - calls..next).filter(failed).count();
        (u32::try_from(failures).unwrap_or(u32::MAX), u32::try_from(calls).unwrap_or(u32::MAX))
    }

    #[cold]
    fn is_over(&self, mark: u32) -> bool {
        // Of two concurrent failures, at least one must see both.
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
