//! The retry budget: repetitions are paid for by first attempts, so that a dependency in trouble does not get several
//! times the load just then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a repetition costs, in the budget's smallest unit.
const REPETITION: u64 = 100;

/// How many repetitions a [`RetryBudget`] grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetRules {
    /// What each first attempt adds, in hundredths of a repetition. Default 10: one repetition for ten first attempts.
    pub percent: u32,
    /// The most that first attempts can save up, in repetitions. Default 100.
    pub saved_at_most: u32,
    /// Repetitions granted in each `floor_period` however few first attempts there are. Default 10, so that a quiet
    /// program repeats as it wants to.
    pub floor: u32,
    /// In what time the floor is filled up again. Default 10 s.
    pub floor_period: Duration,
}

impl Default for BudgetRules {
    fn default() -> Self {
        Self { percent: 10, saved_at_most: 100, floor: 10, floor_period: Duration::from_secs(10) }
    }
}

/// What a budget holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSnapshot {
    /// Whole repetitions that it would grant now.
    pub available: u64,
    /// Repetitions granted since the start.
    pub granted: u64,
    /// Repetitions denied since the start.
    pub denied: u64,
}

/// Bounds the repetitions of all callers together. Policies that repeat the same dependency share one in an `Arc`.
///
/// In any time the repetitions are at most `percent` of the first attempts, plus `floor` at once, plus `floor` for each
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
    /// A budget with its floor full and nothing saved.
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

    /// Counts a first attempt. One atomic operation, no clock.
    pub fn deposit(&self) {
        // When several deposit at once the limit is passed by one deposit each at most.
        if self.saved.load(Ordering::Relaxed) < u64::from(self.rules.saved_at_most) * REPETITION {
            self.saved.fetch_add(self.rules.percent.into(), Ordering::Relaxed);
        }
    }

    /// Pays for one repetition; false when it may not be made.
    #[must_use = "false says that there must be no repetition"]
    pub fn withdraw(&self) -> bool {
        let granted = self.withdraw_saved() || self.withdraw_floor();
        let counter = if granted { &self.granted } else { &self.denied };
        counter.fetch_add(1, Ordering::Relaxed);
        granted
    }

    /// What it holds now.
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
        let full = u64::from(self.rules.floor) * REPETITION;
        // The time of one unit, so that what is left of the passed time is not lost by rounding.
        let unit_time = self.rules.floor_period.as_nanos() / u128::from(full.max(1));
        let passed = Instant::now().saturating_duration_since(floor.filled_until);
        let units = u64::try_from(passed.as_nanos() / unit_time.max(1)).unwrap_or(u64::MAX).min(full);
        if units == 0 {
            return floor;
        }
        floor.units = floor.units.saturating_add(units).min(full);
        floor.filled_until = match floor.units == full {
            true => Instant::now(),
            false => floor.filled_until + nanos(u128::from(units) * unit_time),
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
