//! Compares the breaker with a simple model for random sequences of calls and outcomes.

use proptest::prelude::*;
use std::collections::VecDeque;
use std::time::Duration;
use steadfast_resilience::{Breaker, BreakerConfig, BreakerState, Class, CountWindow, Jitter, Permit};

#[derive(Clone, Copy, Debug)]
enum Step {
    Call,
    /// The oldest or newest running call succeeds, fails, fails because of its caller, or is dropped.
    End {
        newest: bool,
        outcome: Outcome,
    },
    Wait {
        seconds: u64,
    },
    Reached,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Succeeds,
    Fails,
    Misuses,
    Leaves,
}

/// Single-threaded model of a breaker, written after its documentation, in whole seconds.
struct Model {
    config: BreakerConfig,
    state: BreakerState,
    phase: u32,
    outcomes: VecDeque<bool>,
    now: u64,
    open_until: u64,
    open_for: u64,
    admitted: u32,
    succeeded: u32,
    cancelled: u64,
    rejected: u64,
    opened: u64,
}

impl Model {
    fn new(config: BreakerConfig) -> Self {
        Self {
            config,
            state: BreakerState::Closed,
            phase: 0,
            outcomes: VecDeque::new(),
            now: 0,
            open_until: 0,
            open_for: config.open_for.as_secs(),
            admitted: 0,
            succeeded: 0,
            cancelled: 0,
            rejected: 0,
            opened: 0,
        }
    }

    fn enter(&mut self, state: BreakerState) {
        (self.state, self.phase, self.admitted, self.succeeded) = (state, self.phase + 1, 0, 0);
        match state {
            BreakerState::Closed => {
                self.outcomes.clear();
                self.open_for = self.config.open_for.as_secs();
            }
            BreakerState::Open => {
                self.opened += 1;
                self.open_until = self.now + self.open_for;
                self.open_for = (self.open_for * 2).min(self.config.max_open_for.as_secs());
            }
            BreakerState::HalfOpen => {}
        }
    }

    fn call(&mut self) -> Option<u32> {
        if self.state == BreakerState::Open && self.now >= self.open_until {
            self.enter(BreakerState::HalfOpen);
        }
        let flows = match self.state {
            BreakerState::Closed => true,
            BreakerState::Open => false,
            BreakerState::HalfOpen => self.admitted < self.config.half_open_permits,
        };
        self.admitted += u32::from(flows);
        self.rejected += u64::from(!flows);
        flows.then_some(self.phase)
    }

    fn end(&mut self, phase: u32, outcome: Outcome) {
        self.cancelled += u64::from(outcome == Outcome::Leaves);
        if phase != self.phase {
            return;
        }
        match (self.state, outcome) {
            (BreakerState::HalfOpen, Outcome::Leaves) => self.admitted -= 1,
            (BreakerState::HalfOpen, Outcome::Fails) => self.enter(BreakerState::Open),
            (BreakerState::HalfOpen, _) => {
                self.succeeded += 1;
                if self.succeeded == self.config.half_open_permits {
                    self.enter(BreakerState::Closed);
                }
            }
            (_, Outcome::Leaves) => {}
            (_, outcome) => self.count(outcome == Outcome::Fails),
        }
    }

    fn count(&mut self, failed: bool) {
        self.outcomes.push_back(failed);
        let opens = match self.config.window {
            Some(window) => {
                if self.outcomes.len() > window.size as usize {
                    self.outcomes.pop_front();
                }
                let calls = self.outcomes.len() as u32;
                calls >= window.minimum_calls && self.failures() * 100 >= calls * window.failure_percent
            }
            None => self.failures() >= self.config.failures,
        };
        if opens {
            self.enter(BreakerState::Open);
        }
    }

    fn failures(&self) -> u32 {
        let failed = self.outcomes.iter().rev();
        match self.config.window {
            Some(_) => failed.filter(|failed| **failed).count() as u32,
            None => failed.take_while(|failed| **failed).count() as u32,
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![
        3 => Just(Outcome::Succeeds),
        4 => Just(Outcome::Fails),
        1 => Just(Outcome::Misuses),
        1 => Just(Outcome::Leaves),
    ];
    let step = prop_oneof![
        6 => Just(Step::Call),
        6 => (any::<bool>(), outcome).prop_map(|(newest, outcome)| Step::End { newest, outcome }),
        2 => (1..6_u64).prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Reached),
    ];
    prop::collection::vec(step, 0..120)
}

fn configs() -> impl Strategy<Value = BreakerConfig> {
    let open_for = Duration::from_secs(3);
    let consecutive = (1..4_u32).prop_map(move |failures| BreakerConfig::consecutive(failures, open_for));
    let sizes = (1..9_u32).prop_flat_map(|size| (Just(size), 1..=size));
    let window = (sizes, 1..101_u32).prop_map(move |((size, minimum_calls), failure_percent)| {
        BreakerConfig::count_window(CountWindow { size, minimum_calls, failure_percent }, open_for)
    });
    (prop_oneof![consecutive, window], 1..4_u32, 3..13_u64).prop_map(|(config, permits, at_most)| {
        let growing = config.growing_to(Duration::from_secs(at_most)).jitter(Jitter::None);
        growing.half_open_permits(permits)
    })
}

async fn take<'a>(
    step: Step,
    breaker: &'a Breaker,
    model: &mut Model,
    running: &mut VecDeque<(Permit<'a>, u32)>,
) -> Result<(), TestCaseError> {
    match step {
        Step::Call => match (breaker.try_acquire(), model.call()) {
            (Ok(permit), Some(phase)) => running.push_back((permit, phase)),
            (Err(rejected), None) => {
                let wait = if model.state == BreakerState::Open { model.open_until - model.now } else { 0 };
                prop_assert_eq!(rejected.retry_after.as_secs(), wait);
            }
            (call, expected) => prop_assert!(false, "{call:?}, but the model says {expected:?}"),
        },
        Step::End { newest, outcome } => {
            let ended = if newest { running.pop_back() } else { running.pop_front() };
            let Some((permit, phase)) = ended else { return Ok(()) };
            match outcome {
                Outcome::Succeeds => permit.record(None),
                Outcome::Fails => permit.record(Some(Class::Unavailable)),
                Outcome::Misuses => permit.record(Some(Class::Caller)),
                Outcome::Leaves => drop(permit),
            }
            model.end(phase, outcome);
        }
        Step::Wait { seconds } => {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            model.now += seconds;
        }
        Step::Reached => {
            breaker.report_reachable();
            if model.state == BreakerState::Open {
                model.enter(BreakerState::HalfOpen);
            }
        }
    }
    Ok(())
}

fn compare(breaker: &Breaker, model: &Model) -> Result<(), TestCaseError> {
    let now = breaker.snapshot();
    prop_assert_eq!(now.state, model.state);
    let counters = (now.cancelled, now.rejected, now.opened);
    prop_assert_eq!(counters, (model.cancelled, model.rejected, model.opened));
    if model.state == BreakerState::Closed {
        prop_assert_eq!(now.failures, model.failures());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn breaker_matches_model(config in configs(), steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(async {
            let (breaker, mut model) = (Breaker::new("depot", config), Model::new(config));
            let mut running = VecDeque::new();
            for step in steps {
                take(step, &breaker, &mut model, &mut running).await?;
                compare(&breaker, &model)?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
