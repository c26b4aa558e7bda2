//! The retry budget. First attempts pay for retries, so that retries cannot multiply the load on a failing dependency.

use crate::Deadline;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Cost of a retry in the smallest unit of the budget.
const RETRY_COST: u64 = 100;

/// Rules by which a [`RetryBudget`] grants retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetRules {
    /// Hundredths of a retry that each first attempt adds. Defaults to 10: one retry for ten first attempts.
    pub percent: u32,
    /// Maximum number of retries that first attempts can save up. Defaults to 100.
    pub max_saved: u32,
    /// Number of retries granted in each `floor_period`, regardless of the number of first attempts. Defaults to 10, which
    /// is no limit in practice for a program with few calls.
    pub floor: u32,
    /// Time in which the floor refills. Defaults to 10 s; `Duration::MAX` means never.
    pub floor_period: Duration,
}

impl Default for BudgetRules {
    fn default() -> Self {
        Self { percent: 10, max_saved: 100, floor: 10, floor_period: Duration::from_secs(10) }
    }
}

/// Snapshot of a budget's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSnapshot {
    /// Number of retries that the budget would grant now.
    pub available: u64,
    /// Number of retries granted since the start.
    pub granted: u64,
    /// Number of retries denied since the start.
    pub denied: u64,
}

/// Limit on the retries of all callers together. Policies that call the same dependency share one in an `Arc`.
///
/// Over any time it grants at most `percent` of the first attempts, plus `floor` immediately, plus `floor` for each
/// elapsed `floor_period`, plus the retries saved before.
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
    /// Creates a budget with a full floor and no saved retries.
    pub fn new(rules: BudgetRules) -> Self {
        let floor = Floor { units: u64::from(rules.floor) * RETRY_COST, filled_until: Instant::now() };
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
        // Concurrent callers can exceed the limit by at most one deposit each.
        if self.saved.load(Ordering::Relaxed) < u64::from(self.rules.max_saved) * RETRY_COST {
            self.saved.fetch_add(self.rules.percent.into(), Ordering::Relaxed);
        }
    }

    /// Pays for one retry. Returns false if the budget is exhausted and the retry must not be made.
    #[must_use = "false means that the retry must not be made"]
    pub fn withdraw(&self) -> bool {
        let granted = self.withdraw_saved() || self.withdraw_floor();
        let counter = if granted { &self.granted } else { &self.denied };
        counter.fetch_add(1, Ordering::Relaxed);
        granted
    }

    /// Returns a snapshot of the budget's state.
    pub fn snapshot(&self) -> BudgetSnapshot {
        let floor = self.filled_floor().units;
        BudgetSnapshot {
            available: self.saved.load(Ordering::Relaxed) / RETRY_COST + floor / RETRY_COST,
            granted: self.granted.load(Ordering::Relaxed),
            denied: self.denied.load(Ordering::Relaxed),
        }
    }

    fn withdraw_saved(&self) -> bool {
        let paid = |saved: u64| saved.checked_sub(RETRY_COST);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }

    fn withdraw_floor(&self) -> bool {
        let mut floor = self.filled_floor();
        match floor.units.checked_sub(RETRY_COST) {
            Some(left) => {
                floor.units = left;
                true
            }
            None => false,
        }
    }

    fn filled_floor(&self) -> MutexGuard<'_, Floor> {
        let mut floor = self.floor.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, full) = (Instant::now(), u64::from(self.rules.floor) * RETRY_COST);
        let period = self.rules.floor_period.min(Deadline::LONGEST).as_nanos().max(1);
        let passed = now.saturating_duration_since(floor.filled_until).as_nanos().min(period);
        let units = passed * u128::from(full) / period;
        if units == 0 {
            return floor;
        }
        floor.units = floor.units.saturating_add(u64::try_from(units).unwrap_or(u64::MAX)).min(full);
        floor.filled_until = match floor.units == full {
            true => now,
            // Advances by the time of whole units only, so that rounding loses no time.
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
