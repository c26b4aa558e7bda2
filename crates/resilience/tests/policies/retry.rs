//! Retry: number, delays, deadline and budget.

use super::Failed;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Backoff, BudgetRules, Class, Classify, Deadline, Jitter, Retry, RetryBudget};
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(30);

fn documented() -> Retry {
    let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(1));
    Retry::new(3, backoff.jitter(Jitter::None))
}

fn at_once(retries: u32) -> Retry {
    let backoff = Backoff::exponential(Duration::ZERO, Duration::ZERO);
    Retry::new(retries, backoff).on(|class| class == Class::Unavailable)
}

/// Returns how often and for how long the policy calls work that always fails.
async fn calls_until_final(policy: &Retry, limit: Duration, class: Class) -> (u32, Duration) {
    let (calls, start) = (Cell::new(0), Instant::now());
    let outcome: Result<(), Failed> = policy
        .run(Deadline::after(limit), || {
            calls.set(calls.get() + 1);
            async move { Err(Failed(class)) }
        })
        .await;
    assert_eq!(outcome, Err(Failed(class)));
    (calls.get(), start.elapsed())
}

/// Returns the number of attempts that the policy makes for this number of failing calls.
async fn load(policy: &Retry, pieces: u32) -> u32 {
    let mut load = 0;
    for _ in 0..pieces {
        load += calls_until_final(policy, LIMIT, Class::Unavailable).await.0;
    }
    load
}

#[tokio::test(start_paused = true)]
async fn deadlocks_are_retried_with_growing_delays() {
    let (calls, took) = calls_until_final(&documented(), LIMIT, Class::Deadlock).await;
    assert_eq!(calls, 4);
    assert_eq!(took, Duration::from_millis(100 + 200 + 400));
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_never_retried() {
    let (calls, took) = calls_until_final(&documented(), LIMIT, Class::Duplicate).await;
    assert_eq!((calls, took), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn default_policy_retries_only_transient_failures() {
    for (class, calls) in [
        (Class::Unavailable, 4),
        (Class::Timeout, 4),
        (Class::Overload, 4),
        (Class::Deadlock, 4),
        (Class::Duplicate, 1),
        (Class::Conflict, 1),
        (Class::Ambiguous, 1),
        (Class::Caller, 1),
        (Class::Fault, 1),
    ] {
        assert_eq!(calls_until_final(&documented(), LIMIT, class).await.0, calls, "{class}");
        assert_eq!(calls_until_final(&Retry::none(), LIMIT, class).await.0, 1, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn budget_pays_for_every_class_except_deadlocks() {
    for (class, granted) in [
        (Class::Unavailable, 3),
        (Class::Timeout, 3),
        (Class::Overload, 3),
        (Class::Conflict, 3),
        (Class::Fault, 3),
        (Class::Deadlock, 0),
    ] {
        let budget = Arc::new(RetryBudget::default());
        let policy = documented().on(|_| true).budget(Arc::clone(&budget));
        calls_until_final(&policy, LIMIT, class).await;
        assert_eq!(budget.snapshot().granted, granted, "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn ambiguous_failures_are_never_retried() {
    for policy in [documented().on(|_| true), documented().on(|class| class == Class::Ambiguous)] {
        let (calls, took) = calls_until_final(&policy.without_budget(), LIMIT, Class::Ambiguous).await;
        assert_eq!((calls, took), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_after_deadline() {
    let (calls, took) = calls_until_final(&documented(), Duration::from_millis(250), Class::Deadlock).await;
    assert_eq!(calls, 2, "100 ms fits, the next 200 ms do not");
    assert!(took < Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn no_attempt_starts_after_max_elapsed() {
    let policy = documented().max_elapsed(Duration::from_millis(350));
    let (calls, took) = calls_until_final(&policy, LIMIT, Class::Deadlock).await;
    assert_eq!((calls, took), (3, Duration::from_millis(300)));
}

#[tokio::test(start_paused = true)]
async fn delay_respects_retry_after() {
    struct Busy;
    impl Classify for Busy {
        fn class(&self) -> Class {
            Class::Deadlock
        }
        fn retry_after(&self) -> Option<Duration> {
            Some(Duration::from_secs(7))
        }
    }
    let delay = |limit| documented().attempts(Deadline::after(limit)).delay_after(&Busy);
    assert_eq!(delay(LIMIT), Some(Duration::from_secs(7)));
    assert_eq!(delay(Duration::from_secs(7)), None, "the retry would start after the deadline");
}

#[tokio::test(start_paused = true)]
async fn budget_bounds_load_when_every_call_fails() {
    let load = load(&at_once(3), 10_000).await;
    assert!(load <= 10_000 + 1_000 + 10, "{load} attempts for 10,000 calls");
    assert!(load >= 10_000 + 1_000, "{load}: the budget pays less than documented");
}

#[tokio::test(start_paused = true)]
async fn load_quadruples_without_budget() {
    assert_eq!(load(&at_once(3).without_budget(), 1_000).await, 4_000);
}

#[tokio::test(start_paused = true)]
async fn deadlock_retries_are_free() {
    let policy = documented();
    for _ in 0..100 {
        assert_eq!(calls_until_final(&policy, LIMIT, Class::Deadlock).await.0, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn policies_can_share_budget() {
    let budget = Arc::new(RetryBudget::new(BudgetRules { percent: 0, ..BudgetRules::default() }));
    let policies = [at_once(3).budget(Arc::clone(&budget)), at_once(8).budget(Arc::clone(&budget)).clone()];
    let mut calls = 0;
    for policy in &policies {
        calls += load(policy, 10).await;
    }
    assert_eq!(calls, 20 + 10);
    let now = budget.snapshot();
    assert_eq!((now.available, now.granted, now.denied), (0, 10, 17));
}

#[tokio::test(start_paused = true)]
async fn floor_refills_with_time_up_to_limit() {
    let budget = RetryBudget::default();
    while budget.withdraw() {}
    tokio::time::advance(Duration::from_millis(2_500)).await;
    assert_eq!(budget.snapshot().available, 2);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(budget.snapshot().available, 3);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(budget.snapshot().available, 10);
}

#[tokio::test(start_paused = true)]
async fn first_attempts_save_retries() {
    let budget = RetryBudget::default();
    (0..100_000).for_each(|_| budget.deposit());
    assert_eq!(budget.snapshot().available, 100 + 10);
}

#[tokio::test(start_paused = true)]
async fn savings_are_capped() {
    let rules = BudgetRules { percent: 100, max_saved: 2, floor: 0, ..BudgetRules::default() };
    let budget = RetryBudget::new(rules);
    (0..5).for_each(|_| budget.deposit());
    assert_eq!(budget.snapshot().available, 2);
    let granted = (0..5).filter(|_| budget.withdraw()).count();
    assert_eq!((granted, budget.snapshot().denied), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn floor_refill_loses_no_time_to_rounding() {
    let budget = RetryBudget::default();
    while budget.withdraw() {}
    // A hundredth of a retry takes 10 ms, so each snapshot leaves a remainder of half a unit.
    for _ in 0..100 {
        tokio::time::advance(Duration::from_millis(15)).await;
        budget.snapshot();
    }
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(budget.snapshot().available, 2);
}

#[tokio::test(start_paused = true)]
async fn full_floor_does_not_accumulate() {
    let budget = RetryBudget::default();
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!((0..100).filter(|_| budget.withdraw()).count(), 10);
    assert_eq!(budget.snapshot().available, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(budget.snapshot().available, 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_count_retries() {
    let policy = documented();
    let mut attempts = policy.attempts(Deadline::after(LIMIT));
    assert_eq!(attempts.retries(), 0);
    for (granted, repeated) in [(true, 1), (true, 2), (true, 3), (false, 3)] {
        assert_eq!(attempts.delay_after(&Failed(Class::Deadlock)).is_some(), granted);
        assert_eq!(attempts.retries(), repeated);
    }
}
