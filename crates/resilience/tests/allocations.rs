//! Successful calls do not allocate memory.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;
use steadfast_resilience::{
    Breaker, BreakerConfig, Bulkhead, BulkheadConfig, Class, ContentionGate, ContentionRules, CountWindow,
    Deadline, RetryBudget,
};

const OPEN_FOR: Duration = Duration::from_secs(30);
const CALLS: usize = 10_000;

/// Returns the number of allocations of [`CALLS`] runs.
fn allocations(mut run: impl FnMut()) -> u64 {
    allocation_counter::measure(|| (0..CALLS).for_each(|_| run())).count_total
}

fn succeed(breaker: &Breaker) {
    breaker.try_acquire().expect("closed").record(None);
}

#[test]
fn closed_breaker_does_not_allocate() {
    let window = CountWindow { size: 100, minimum_calls: 10, failure_percent: 50 };
    for config in [BreakerConfig::consecutive(3, OPEN_FOR), BreakerConfig::count_window(window, OPEN_FOR)] {
        let breaker = Breaker::new("depot", config);
        assert_eq!(allocations(|| succeed(&breaker)), 0);
        let failing = || breaker.try_acquire().expect("closed").record(Some(Class::Unavailable));
        let mixed = allocations(|| {
            failing();
            (0..4).for_each(|_| succeed(&breaker));
        });
        assert_eq!(mixed, 0, "failures that do not open the breaker do not allocate either");
    }
}

#[test]
fn open_gate_bulkhead_and_budget_do_not_allocate() {
    let gate = ContentionGate::new("replant", ContentionRules::default());
    let bulkhead = Bulkhead::new("orchard", BulkheadConfig { concurrency: 1, queue: 0 });
    let (budget, deadline) = (RetryBudget::default(), Deadline::after(OPEN_FOR));
    let counted = allocations(|| {
        budget.deposit();
        let entered = std::pin::pin!(async {
            let _permit = bulkhead.enter(deadline).await.expect("free");
            let _pass = gate.enter(deadline).await.expect("open");
        });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(entered.poll(&mut context).is_ready());
    });
    assert_eq!(counted, 0);
}

#[test]
fn allocation_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), CALLS as u64);
}
