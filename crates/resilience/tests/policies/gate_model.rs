//! Compares the gate with a simple model for random sequences of arrivals, departures, contentions and delays.

use super::poll_once;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use steadfast_resilience::{ContentionGate, ContentionRules, Deadline, Pass, Refused};

const RULES: ContentionRules = ContentionRules {
    raise_every: Duration::from_secs(1),
    open_after: Duration::from_secs(5),
    queue: usize::MAX,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive,
    /// The caller inside that the number selects leaves, with or without contention.
    Leave {
        who: usize,
        contended: bool,
    },
    /// A waiting caller is cancelled.
    GiveUp {
        who: usize,
    },
    Wait {
        seconds: u64,
    },
}

type Arrival<'a> = Pin<Box<dyn Future<Output = Result<Pass<'a>, Refused>> + 'a>>;

#[derive(Default)]
struct Model {
    now: u64,
    contended_at: Option<u64>,
    inside: u64,
    /// Numbers of the waiting callers in order of arrival.
    waiting: VecDeque<usize>,
}

impl Model {
    /// Admits callers by the rules and returns their numbers.
    fn admit(&mut self) -> Vec<usize> {
        self.contended_at = self.contended_at.filter(|at| self.now - at < RULES.open_after.as_secs());
        let limit = self.contended_at.map_or(u64::MAX, |at| 1 + self.now - at);
        let places = usize::try_from(limit.saturating_sub(self.inside)).unwrap_or(usize::MAX);
        let admitted: Vec<usize> = self.waiting.drain(..places.min(self.waiting.len())).collect();
        self.inside += admitted.len() as u64;
        admitted
    }
}

#[derive(Default)]
struct Scene<'a> {
    arrivals: usize,
    waiting: Vec<(usize, Arrival<'a>)>,
    inside: Vec<Pass<'a>>,
    model: Model,
}

impl<'a> Scene<'a> {
    async fn take(&mut self, step: Step, gate: &'a ContentionGate) {
        match step {
            Step::Arrive => {
                let deadline = Deadline::after(Duration::from_secs(100_000));
                self.waiting.push((self.arrivals, Box::pin(gate.enter(deadline))));
                self.model.waiting.push_back(self.arrivals);
                self.arrivals += 1;
            }
            Step::Leave { who, contended } if !self.inside.is_empty() => {
                let pass = self.inside.swap_remove(who % self.inside.len());
                if contended {
                    pass.contended();
                    self.model.contended_at = Some(self.model.now);
                }
                self.model.inside -= 1;
            }
            Step::GiveUp { who } if !self.waiting.is_empty() => {
                let (name, arrival) = self.waiting.remove(who % self.waiting.len());
                drop(arrival);
                self.model.waiting.retain(|waiting| *waiting != name);
            }
            Step::Wait { seconds } => {
                tokio::time::advance(Duration::from_secs(seconds)).await;
                self.model.now += seconds;
            }
            Step::Leave { .. } | Step::GiveUp { .. } => {}
        }
    }

    /// Polls all waiting callers twice, because the first one that notices the elapsed time admits others.
    fn let_in(&mut self) -> Vec<usize> {
        let mut admitted = self.poll_all();
        admitted.extend(self.poll_all());
        admitted.sort_unstable();
        admitted
    }

    fn poll_all(&mut self) -> Vec<usize> {
        let mut admitted = Vec::new();
        for (name, mut arrival) in std::mem::take(&mut self.waiting) {
            match poll_once(arrival.as_mut()) {
                Poll::Ready(pass) => {
                    self.inside.push(pass.expect("neither queue nor deadline ends"));
                    admitted.push(name);
                }
                Poll::Pending => self.waiting.push((name, arrival)),
            }
        }
        admitted
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => Just(Step::Arrive),
        4 => (any::<usize>(), prop::bool::weighted(0.3))
            .prop_map(|(who, contended)| Step::Leave { who, contended }),
        1 => any::<usize>().prop_map(|who| Step::GiveUp { who }),
        1 => (1..4_u64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn gate_matches_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        runtime.block_on(async {
            let gate = ContentionGate::new("replant", RULES);
            let mut scene = Scene::default();
            for step in steps {
                scene.take(step, &gate).await;
                let admitted = scene.let_in();
                prop_assert_eq!(admitted, scene.model.admit());
                let now = gate.snapshot();
                prop_assert_eq!((now.inside, now.waiting), (scene.model.inside, scene.model.waiting.len()));
            }
            drop(scene);
            prop_assert_eq!((gate.snapshot().inside, gate.snapshot().waiting), (0, 0));
            Ok::<(), TestCaseError>(())
        })?;
    }
}
