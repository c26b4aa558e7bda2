//! Extreme durations: no policy panics, and `Duration::MAX` means never.

use super::{Failed, poll_once};
use proptest::prelude::*;
use std::time::Duration;
use steadfast_resilience::{
    Backoff, Breaker, BreakerConfig, BreakerState, BudgetRules, Bulkhead, BulkheadConfig, Class, Classify,
    ContentionGate, ContentionRules, Control, Deadline, Jitter, Retry, RetryBudget,
};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Generates zero, tiny, ordinary and maximum durations.
fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        Just(Duration::from_micros(300)),
        Just(Duration::from_secs(30)),
        Just(30 * DAY),
        Just(Duration::from_secs(u32::MAX.into())),
        Just(Duration::from_secs(i64::MAX as u64)),
        Just(Duration::from_secs(u64::MAX)),
        Just(Duration::MAX),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
    ]
}

fn jitters() -> impl Strategy<Value = Jitter> {
    prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Half)]
}

/// Runs `test` on a new paused clock.
fn paused(test: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    runtime.block_on(test)
}

/// Error with a `retry_after`.
struct Busy(Class, Duration);

impl Classify for Busy {
    fn class(&self) -> Class {
        self.0
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.1)
    }
}

proptest! {
    #[test]
    fn deadline_remaining_equals_limit(limit in durations(), other in durations()) {
        paused(async {
            let deadline = Deadline::after(limit);
            prop_assert_eq!(deadline.has_passed(), limit.is_zero());
            prop_assert!(deadline.remaining() <= limit);
            prop_assert!(limit > 365 * DAY || deadline.remaining() == limit);
            prop_assert!(limit <= 365 * DAY || deadline.remaining() > 365 * DAY);
            prop_assert_eq!(deadline.at_most(other), deadline.min(Deadline::after(other)));
            prop_assert!(deadline.earlier_by(other) <= deadline);
            tokio::time::timeout_at(deadline.instant(), std::future::ready(())).await.ok();
            Ok(())
        })?;
    }

    #[test]
    fn delays_grow_to_cap(
        first in durations(),
        cap in durations(),
        jitter in jitters(),
        n in prop_oneof![0..200_u32, Just(u32::MAX)],
    ) {
        let backoff = Backoff::exponential(first, cap).jitter(jitter);
        prop_assert_eq!(backoff.ceiling(0), first.min(cap));
        prop_assert!(backoff.ceiling(n) <= cap);
        prop_assert!(backoff.ceiling(n) <= backoff.ceiling(n.saturating_add(1)));
        prop_assert!(first.is_zero() || backoff.ceiling(100) == cap);
        let least = if jitter == Jitter::Full { Duration::ZERO } else { backoff.ceiling(n) / 2 };
        prop_assert!((least..=backoff.ceiling(n)).contains(&backoff.delay(n)));
    }

    #[test]
    fn open_breaker_rejects_calls_until_open_time_ends(
        open_for in durations(),
        at_most in durations(),
        jitter in jitters(),
    ) {
        paused(async {
            let config = BreakerConfig::consecutive(1, open_for).growing_to(at_most).jitter(jitter);
            let breaker = Breaker::new("depot", config);
            for failed in 0..3 {
                breaker.try_acquire()?.record(Some(Class::Unavailable));
                let now = breaker.snapshot();
                prop_assert_eq!(now.state, BreakerState::Open);
                let wait = now.next_probe_in.unwrap_or_default();
                let ceiling = Backoff::exponential(open_for, at_most).ceiling(failed);
                prop_assert!(jitter != Jitter::None || wait == ceiling || ceiling > 365 * DAY);
                prop_assert!(jitter == Jitter::Full || ceiling <= 365 * DAY || wait > 100 * DAY);
                if !wait.is_zero() {
                    let rejected = breaker.try_acquire().map(drop).expect_err("the breaker is open");
                    prop_assert_eq!(rejected.retry_after, wait);
                    prop_assert!(Instant::now().checked_add(wait).is_some(), "callers may count on from now");
                }
                if wait > 100 * DAY {
                    tokio::time::advance(DAY).await;
                    prop_assert!(breaker.try_acquire().is_err());
                    return Ok(());
                }
                tokio::time::advance(wait).await;
            }
            breaker.set_control(Control::ForcedOpen);
            let wait = breaker.try_acquire().map(drop).expect_err("forced open").retry_after;
            prop_assert!(Instant::now().checked_add(wait).is_some());
            Ok(())
        })?;
    }

    #[test]
    fn no_retry_starts_after_deadline(
        first in durations(),
        limit in durations(),
        elapsed in durations(),
        retry_after in durations(),
    ) {
        paused(async {
            let policy = Retry::new(5, Backoff::exponential(first, first).jitter(Jitter::None)).max_elapsed(elapsed);
            let mut attempts = policy.attempts(Deadline::after(limit));
            match attempts.delay_after(&Busy(Class::Deadlock, retry_after)) {
                Some(delay) => prop_assert!(delay == first.max(retry_after) && delay < limit.min(elapsed)),
                None => prop_assert!(first.max(retry_after) >= limit.min(elapsed).min(365 * DAY)),
            }
            Ok(())
        })?;
    }

    #[test]
    fn budget_grants_its_floor(floor in any::<u32>(), floor_period in durations(), passes in durations()) {
        paused(async {
            let rules = BudgetRules { percent: u32::MAX, max_saved: u32::MAX, floor, floor_period };
            let budget = RetryBudget::new(rules);
            prop_assert_eq!(budget.snapshot().available, u64::from(floor));
            prop_assert_eq!(budget.withdraw(), floor > 0);
            tokio::time::advance(passes.min(365 * DAY)).await;
            let now = budget.snapshot().available;
            prop_assert!(now <= u64::from(floor));
            prop_assert!(passes < floor_period || passes > 365 * DAY || passes.is_zero() || now == u64::from(floor));
            budget.deposit();
            prop_assert!(budget.withdraw());
            Ok(())
        })?;
    }

    #[test]
    fn gate_admits_or_refuses_callers_by_deadline(
        raise_every in durations(),
        open_after in durations(),
        limit in durations(),
    ) {
        paused(async {
            let gate = ContentionGate::new("replant", ContentionRules { raise_every, open_after, queue: 1 });
            let holder = gate.enter(Deadline::after(HOUR)).await.expect("an open gate");
            holder.contended();
            let began = Instant::now();
            let entered = gate.enter(Deadline::after(limit.min(HOUR))).await;
            // Timers have a resolution of a millisecond.
            let rule = raise_every.min(open_after).saturating_add(Duration::from_millis(2));
            prop_assert!(entered.is_ok() || rule >= limit.min(HOUR), "refused after {:?}", began.elapsed());
            prop_assert!(began.elapsed() <= rule.min(limit.min(HOUR) + Duration::from_millis(2)));
            drop((holder, entered));
            prop_assert_eq!(gate.snapshot().inside, 0);
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn infinite_deadline_never_refuses_callers() {
    let never = Deadline::after(Duration::MAX);
    let bulkhead = Bulkhead::new("orchard", BulkheadConfig { concurrency: 1, queue: 1 });
    let permit = bulkhead.enter(never).await.expect("a permit");
    let mut waiting = Box::pin(bulkhead.enter(never));
    assert!(poll_once(waiting.as_mut()).is_pending());
    tokio::time::advance(365 * DAY).await;
    assert!(poll_once(waiting.as_mut()).is_pending());
    drop(permit);
    assert!(waiting.await.is_ok());

    let policy = Retry::new(1, Backoff::exponential(HOUR, HOUR)).max_elapsed(Duration::MAX);
    assert!(policy.attempts(never).delay_after(&Failed(Class::Deadlock)).is_some());
}
