//! Thread interleavings in the breaker and the contention gate, explored by loom.
//!
//! The sources of both are compiled here a second time with loom's locks and atomics in `crate::sync`, so the crate itself
//! needs no feature or flag. Tests with too many interleavings limit the number of preemptions.
#![expect(
    dead_code,
    unreachable_pub,
    reason = "the sources are the crate's, and here only a part of them is used"
)]

#[path = "../src/breaker/config.rs"]
mod config;
#[path = "../src/breaker/machine.rs"]
mod machine;
#[path = "../src/breaker/permit.rs"]
mod permit;
#[path = "../src/gate/queue.rs"]
mod queue;
#[path = "../src/gate/rules.rs"]
mod rules;
#[path = "../src/breaker/window.rs"]
mod window;
#[path = "../src/breaker/word.rs"]
mod word;

mod state {
    pub(crate) use steadfast_resilience::{BreakerState, Control, Rejected, Snapshot, Transition};
}

mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    pub(crate) use loom::sync::{Mutex, MutexGuard};
}

use config::{BreakerConfig, CountWindow};
use loom::sync::Arc;
use machine::Breaker;
use queue::{Entry, Queue};
use rules::ContentionRules;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
pub(crate) use steadfast_resilience::{Backoff, Class, Deadline, Jitter};
use steadfast_resilience::{BreakerState, Control};

/// Explores every interleaving of `scene`, with at most `switches` preemptions if given.
fn explore(name: &str, switches: Option<usize>, scene: impl Fn() + Send + Sync + 'static) {
    let explored = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&explored);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches;
    builder.check(move || {
        counter.fetch_add(1, SeqCst);
        scene();
    });
    println!("{name}: {} interleavings", explored.load(SeqCst));
    assert!(explored.load(SeqCst) > 10, "{name}: too few interleavings");
}

/// Runs each of `scenes` in a separate thread.
fn together<T: 'static>(shared: &Arc<T>, scenes: impl IntoIterator<Item = fn(&T)>) {
    let threads: Vec<_> = scenes
        .into_iter()
        .map(|scene| {
            let shared = Arc::clone(shared);
            loom::thread::spawn(move || scene(&shared))
        })
        .collect();
    threads.into_iter().for_each(|thread| assert!(thread.join().is_ok(), "a thread panicked"));
}

/// Returns an open breaker that may probe immediately, with this number of permits.
fn probing(permits: u32) -> Breaker {
    let breaker =
        Breaker::new("depot", BreakerConfig::consecutive(1, Duration::ZERO).half_open_permits(permits));
    fail(&breaker);
    assert_eq!(breaker.snapshot().state, BreakerState::Open);
    breaker
}

fn succeed(breaker: &Breaker) {
    if let Ok(permit) = breaker.try_acquire() {
        permit.record(None);
    }
}

fn fail(breaker: &Breaker) {
    if let Ok(permit) = breaker.try_acquire() {
        permit.record(Some(Class::Unavailable));
    }
}

fn leave(breaker: &Breaker) {
    drop(breaker.try_acquire());
}

/// Asserts that one success for each permit closes the breaker.
fn assert_no_permit_is_lost(breaker: &Breaker, permits: u32) {
    (0..permits).for_each(|_| succeed(breaker));
    assert_eq!(breaker.snapshot().state, BreakerState::Closed, "a permit was lost");
}

#[test]
fn two_half_open_callers_lose_no_permit() {
    const ENDS: [fn(&Breaker); 3] = [succeed, fail, leave];
    for (at, first) in ENDS.into_iter().enumerate() {
        for second in &ENDS[at..] {
            for permits in [1, 2] {
                let ends = [first, *second];
                explore("half-open, two callers", None, move || {
                    let breaker = Arc::new(probing(permits));
                    together(&breaker, ends);
                    assert_no_permit_is_lost(&breaker, permits);
                });
            }
        }
    }
}

#[test]
fn three_half_open_callers_lose_no_permit() {
    explore("half-open, three callers, at most 2 switches", Some(2), || {
        let breaker = Arc::new(probing(2));
        together(&breaker, [succeed as fn(&Breaker), fail, leave]);
        assert_no_permit_is_lost(&breaker, 2);
    });
}

#[test]
fn half_open_never_admits_more_than_permits() {
    struct Scene {
        breaker: Breaker,
        admitted: AtomicU32,
    }
    fn hold(scene: &Scene) {
        if let Ok(permit) = scene.breaker.try_acquire() {
            scene.admitted.fetch_add(1, SeqCst);
            // The call never ends, so that the breaker decides nothing before all threads have arrived.
            std::mem::forget(permit);
        }
    }
    for permits in [1, 2] {
        explore("half-open, three arrivals, at most 3 switches", Some(3), move || {
            let scene = Arc::new(Scene { breaker: probing(permits), admitted: AtomicU32::new(0) });
            together(&scene, [hold as fn(&Scene); 3]);
            assert_eq!(scene.admitted.load(SeqCst), permits);
        });
    }
}

#[test]
fn concurrent_failures_open_breaker_once() {
    let window = CountWindow { size: 2, minimum_calls: 2, failure_percent: 100 };
    let hour = Duration::from_secs(3_600);
    for config in [BreakerConfig::consecutive(2, hour), BreakerConfig::count_window(window, hour)] {
        explore("closed, two failures", None, move || {
            let breaker = Arc::new(Breaker::new("depot", config));
            together(&breaker, [fail as fn(&Breaker); 2]);
            let now = breaker.snapshot();
            assert_eq!((now.state, now.opened), (BreakerState::Open, 1));
        });
    }
}

#[test]
fn outcomes_never_count_in_later_phase() {
    explore("closed, a late success and a late failure", Some(3), || {
        let hour = Duration::from_secs(3_600);
        let breaker = Arc::new(Breaker::new("depot", BreakerConfig::consecutive(2, hour)));
        fail(&breaker);
        let (late, other) = (Arc::clone(&breaker), Arc::clone(&breaker));
        let late = loom::thread::spawn(move || succeed(&late));
        let opener = loom::thread::spawn(move || {
            (0..2).for_each(|_| fail(&other));
            other.report_reachable();
            succeed(&other);
            fail(&other);
        });
        late.join().expect("a thread does not panic");
        opener.join().expect("a thread does not panic");
        let now = breaker.snapshot();
        let expected = if now.opened == 0 { 3 } else { 1 };
        assert!(now.state != BreakerState::Closed || now.failures <= expected, "{now:?}");
    });
}

#[test]
fn failures_never_count_in_window_of_later_phase() {
    explore("closed, a late failure in a window", None, || {
        let window = CountWindow { size: 4, minimum_calls: 4, failure_percent: 100 };
        let config = BreakerConfig::count_window(window, Duration::from_secs(3_600));
        // A permit borrows its breaker while its thread runs.
        let breaker: &'static Breaker = Box::leak(Box::new(Breaker::new("depot", config)));
        let permit = breaker.try_acquire().expect("closed");
        let late = loom::thread::spawn(move || permit.record(Some(Class::Unavailable)));
        let operator = loom::thread::spawn(move || {
            breaker.set_control(Control::Disabled);
            breaker.set_control(Control::Automatic);
        });
        late.join().expect("a thread does not panic");
        operator.join().expect("a thread does not panic");
        assert_eq!(breaker.snapshot().failures, 0);
    });
}

/// Returns a gate that stays limited to one caller during the test.
fn limited() -> Queue {
    let hour = Duration::from_secs(3_600);
    let queue = Queue::new(ContentionRules { raise_every: hour, open_after: hour, queue: 8 });
    queue.contended();
    queue
}

struct Gate {
    queue: Queue,
    inside: AtomicU32,
}

/// Waits to enter, asserts that no other thread is inside, and leaves.
fn pass(gate: &Gate) {
    if !gate.queue.try_pass() {
        match gate.queue.enter_or_wait() {
            Entry::Inside => {}
            Entry::Full(_) => unreachable!("fewer threads than queue slots"),
            Entry::Waiting(mut waiting) => loom::future::block_on(waiting.turn()),
        }
    }
    assert_eq!(gate.inside.fetch_add(1, SeqCst), 0, "two threads are inside a gate limited to one");
    loom::thread::yield_now();
    gate.inside.fetch_sub(1, SeqCst);
    gate.queue.leave();
}

/// Joins the queue and leaves it, with or without a slot.
fn give_up(gate: &Gate) {
    match gate.queue.enter_or_wait() {
        Entry::Inside => gate.queue.leave(),
        Entry::Full(_) => unreachable!("fewer threads than queue slots"),
        Entry::Waiting(waiting) => {
            loom::thread::yield_now();
            drop(waiting);
        }
    }
}

fn explore_limited(
    name: &str,
    switches: Option<usize>,
    scenes: impl IntoIterator<Item = fn(&Gate)> + Clone + Send + Sync + 'static,
) {
    explore(name, switches, move || {
        let gate = Arc::new(Gate { queue: limited(), inside: AtomicU32::new(0) });
        together(&gate, scenes.clone());
        let now = gate.queue.snapshot();
        assert_eq!((now.inside, now.waiting), (0, 0), "a slot was lost");
    });
}

#[test]
fn limited_gate_admits_one_at_a_time() {
    explore_limited("limited gate, two callers", None, [pass as fn(&Gate); 2]);
    explore_limited("limited gate, one of two gives up", None, [pass as fn(&Gate), give_up]);
}

#[test]
fn slots_of_cancelled_callers_are_not_lost() {
    let scenes = [pass as fn(&Gate), give_up, give_up];
    explore_limited("limited gate, two of three give up, at most 2 switches", Some(2), scenes);
}

#[test]
fn closing_gate_loses_no_slot() {
    fn come_and_go(gate: &Gate) {
        if !gate.queue.try_pass() {
            return give_up(gate);
        }
        gate.queue.leave();
    }
    fn contend(gate: &Gate) {
        if gate.queue.try_pass() {
            gate.queue.contended();
            gate.queue.leave();
        }
    }
    explore("closing gate, three callers, at most 2 switches", Some(2), || {
        let hour = Duration::from_secs(3_600);
        let rules = ContentionRules { raise_every: hour, open_after: hour, queue: 8 };
        let gate = Arc::new(Gate { queue: Queue::new(rules), inside: AtomicU32::new(0) });
        together(&gate, [come_and_go as fn(&Gate), come_and_go, contend]);
        let now = gate.queue.snapshot();
        assert_eq!((now.inside, now.waiting, now.limit), (0, 0, Some(1)));
    });
}
