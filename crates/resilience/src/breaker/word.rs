//! All that a call has to know while calls flow, in one word: how they flow, failures in a row, which phase.

/// How calls flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Freely, and their outcomes count.
    Counted,
    /// Freely, and nothing counts.
    Uncounted,
    /// By permits alone, or not at all: the lock knows.
    Gated,
}

const FLOW: u64 = 0b11;
const FAILURES_SHIFT: u32 = 2;
const FAILURES: u64 = 0x00ff_ffff << FAILURES_SHIFT;
const PHASE_SHIFT: u32 = 26;

/// From the lowest bit: two bits of flow, 24 of failures in a row, 38 of the phase's number.
///
/// The phase changes with every transition: an outcome of an earlier phase must not count in a later one. Being
/// one word with the failures, neither can be changed under the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(pub(super) u64);

impl Word {
    /// The largest number of failures that it holds.
    pub(super) const FAILURES_MAX: u32 = 0x00ff_ffff;

    /// The first phase, with no failures.
    pub(super) const fn first() -> Self {
        Self(1 << PHASE_SHIFT)
    }

    /// The phase after this one, with no failures.
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

    /// A mark of the phase that is never zero. Repeats after two thousand million phases.
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

    /// The same phase with one failure more, up to [`Word::FAILURES_MAX`].
    pub(super) const fn failed(self) -> Self {
        if self.failures() == Self::FAILURES_MAX { self } else { Self(self.0 + (1 << FAILURES_SHIFT)) }
    }

    /// The same phase without failures.
    pub(super) const fn succeeded(self) -> Self {
        Self(self.0 & !FAILURES)
    }
}
