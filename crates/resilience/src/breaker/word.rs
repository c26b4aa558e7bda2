//! The packed state that every call reads: flow, consecutive failures and phase.

/// Admission mode of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// All calls are admitted and their outcomes count.
    Counted,
    /// All calls are admitted and their outcomes do not count.
    Uncounted,
    /// Calls are admitted under the lock, if at all.
    Gated,
}

const FLOW: u64 = 0b11;
const FAILURES_SHIFT: u32 = 2;
const FAILURES: u64 = 0x00ff_ffff << FAILURES_SHIFT;
const PHASE_SHIFT: u32 = 26;

/// Packed state. From the lowest bit: 2 bits of flow, 24 of consecutive failures, 38 of the phase number.
///
/// The phase changes with every transition, so that outcomes of an earlier phase do not count in a later one. Phase and
/// failures share one word so that both are read and replaced atomically.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// Largest number of failures that fits.
    pub(super) const FAILURES_MAX: u32 = 0x00ff_ffff;

    /// Returns the first phase, without failures.
    pub(super) const fn first() -> Self {
        Self(1 << PHASE_SHIFT)
    }

    /// Returns the phase after this one, without failures.
    pub(super) const fn next(self, flow: Flow) -> Self {
        let flow = match flow {
            Flow::Counted => 0,
            Flow::Uncounted => 1,
            Flow::Gated => 2,
        };
        let phase = (self.0 >> PHASE_SHIFT).wrapping_add(1);
        Self(phase << PHASE_SHIFT | flow)
    }

    #[inline]
    pub(super) const fn flow(self) -> Flow {
        match self.0 & FLOW {
            0 => Flow::Counted,
            1 => Flow::Uncounted,
            _ => Flow::Gated,
        }
    }

    /// Returns a mark of the phase, which is never zero. Marks repeat after two billion phases.
    #[inline]
    pub(super) const fn mark(self) -> u32 {
        (self.0 >> PHASE_SHIFT) as u32 | 1 << 31
    }

    #[inline]
    pub(super) const fn is_phase_of(self, other: Self) -> bool {
        (self.0 ^ other.0) & !FAILURES == 0
    }

    #[inline]
    pub(super) const fn failures(self) -> u32 {
        ((self.0 & FAILURES) >> FAILURES_SHIFT) as u32
    }

    /// Returns the same phase with one more failure, up to [`Word::FAILURES_MAX`].
    pub(super) const fn failed(self) -> Self {
        if self.failures() == Self::FAILURES_MAX { self } else { Self(self.0 + (1 << FAILURES_SHIFT)) }
    }

    /// Returns the same phase without failures.
    pub(super) const fn succeeded(self) -> Self {
        Self(self.0 & !FAILURES)
    }
}
