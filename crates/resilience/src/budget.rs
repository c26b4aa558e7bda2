//! The retry budget. First attempts pay for repetitions, so that a dependency in trouble does not receive several times
//! its usual load.

use crate::Deadline;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Cost of a repetition in the smallest unit of the budget.
const REPETITION: u64 = 100;

/// Rules by which a [`RetryBudget`] grants repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetRules {
    /// Hundredths of a repetition that each first attempt adds. Defaults to 10: one repetition for ten first attempts.
    pub percent: u32,
    /// Maximum number of repetitions that first attempts can save up. Defaults to 100.
    pub saved_at_most: u32,
    /// Number of repetitions granted in each `floor_period`, however few first attempts there are. Defaults to 10, which
    /// leaves a quiet program unlimited in practice.
    pub floor: u32,
    /// Time in which the floor is filled up again. Defaults to 10 s; `Duration::MAX` means that it never is.
    pub floor_period: Duration,
}

impl Default for BudgetRules {
    fn default() -> Self {
        Self { percent: 10, saved_at_most: 100, floor: 10, floor_period: Duration::from_secs(10) }
    }
}

/// Snapshot of a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSnapshot {
    /// Number of whole repetitions that the budget would grant now.
    pub available: u64,
    /// Number of repetitions granted since the start.
    pub granted: u64,
    /// Number of repetitions denied since the start.
    pub denied: u64,
}

/// Limit on the repetitions of all callers together. Policies that call the same dependency share one in an `Arc`.
///
/// Over any time it grants at most `percent` of the first attempts, plus `floor` at once, plus `floor` for each
/// `floor_period` that passes, plus what was saved up before.
#[derive(Debug)]
pub struct RetryBudget {
    rules: BudgetRules,
    saved: AtomicU64,
    granted: AtomicU64,
    denied: AtomicU64,
    floor: Mutex<Floor>,
}

#[derive(Debug)]
struct Floor {
    units: u64,
    filled_until: Instant,
}

impl RetryBudget {
    /// Returns a budget with a full floor and nothing saved.
    pub fn new(rules: BudgetRules) -> Self {
        let floor = Floor { units: u64::from(rules.floor) * REPETITION, filled_until: Instant::now() };
        Self {
            rules,
            saved: AtomicU64::new(0),
            granted: AtomicU64::new(0),
            denied: AtomicU64::new(0),
            floor: Mutex::new(floor),
        }
    }

    /// Counts a first attempt. Costs one or two atomic operations and reads no clock.
    pub fn deposit(&self) {
        // When several deposit at once the limit is passed by one deposit each at most.
        if self.saved.load(Ordering::Relaxed) < u64::from(self.rules.saved_at_most) * REPETITION {
            self.saved.fetch_add(self.rules.percent.into(), Ordering::Relaxed);
        }
    }

    /// Pays for one repetition. Returns false if the budget is exhausted and the repetition must not be made.
    #[must_use = "false means that the repetition must not be made"]
    pub fn withdraw(&self) -> bool {
        let granted = self.withdraw_saved() || self.withdraw_floor();
        let counter = if granted { &self.granted } else { &self.denied };
        counter.fetch_add(1, Ordering::Relaxed);
        granted
    }

    /// Returns a snapshot of the budget.
    pub fn snapshot(&self) -> BudgetSnapshot {
        let floor = self.filled_floor().units;
        BudgetSnapshot {
            available: self.saved.load(Ordering::Relaxed) / REPETITION + floor / REPETITION,
            granted: self.granted.load(Ordering::Relaxed),
            denied: self.denied.load(Ordering::Relaxed),
        }
    }

    fn withdraw_saved(&self) -> bool {
        let paid = |saved: u64| saved.checked_sub(REPETITION);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }

    fn withdraw_floor(&self) -> bool {
        let mut floor = self.filled_floor();
        match floor.units.checked_sub(REPETITION) {
            Some(left) => {
                floor.units = left;
                true
            }
            None => false,
        }
    }

    fn filled_floor(&self) -> MutexGuard<'_, Floor> {
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, full) = (Instant::now(), u64::from(self.rules.floor) * REPETITION);
        let period = self.rules.floor_period.min(Deadline::LONGEST).as_nanos().max(1);
        let passed = now.saturating_duration_since(floor.filled_until).as_nanos().min(period);
        let units = passed * u128::from(full) / period;
        if units == 0 {
            return floor;
        }
        floor.units = floor.units.saturating_add(u64::try_from(units).unwrap_or(u64::MAX)).min(full);
        floor.filled_until = match floor.units == full {
            true => now,
            // Only the time of whole units, so that what is left of the passed time is not lost by rounding.
            false => floor.filled_until + nanos(units * period / u128::from(full)),
        };
        floor
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(BudgetRules::default())
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
