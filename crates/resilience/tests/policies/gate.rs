//! The contention gate: order and limits of admission.

use super::log::logged_by;
use super::poll_once;
use std::time::Duration;
use steadfast_resilience::{Class, Classify, ContentionGate, ContentionRules, Deadline, Pass, Refused};

const SECOND: Duration = Duration::from_secs(1);

fn gate() -> ContentionGate {
    ContentionGate::new("replant", ContentionRules::default())
}

fn soon() -> Deadline {
    Deadline::after(60 * SECOND)
}

async fn inside(gate: &ContentionGate) -> Pass<'_> {
    gate.enter(soon()).await.expect("room")
}

/// Returns a gate that has just been limited, without callers inside.
async fn limited() -> ContentionGate {
    let gate = gate();
    inside(&gate).await.contended();
    gate
}

#[tokio::test(start_paused = true)]
async fn open_gate_admits_everyone_immediately() {
    let gate = gate();
    let mut passes = Vec::new();
    for _ in 0..1_000 {
        let std::task::Poll::Ready(Ok(pass)) = poll_once(std::pin::pin!(gate.enter(soon()))) else {
            panic!("an open gate made a caller wait");
        };
        passes.push(pass);
    }
    assert_eq!((gate.snapshot().inside, gate.snapshot().limit), (1_000, None));
    passes.clear();
    assert_eq!(gate.snapshot().inside, 0);
}

#[tokio::test(start_paused = true)]
async fn closing_keeps_current_callers_inside() {
    let gate = gate();
    let (first, second) = (inside(&gate).await, inside(&gate).await);
    first.contended();
    let mut third = Box::pin(gate.enter(soon()));
    assert!(poll_once(third.as_mut()).is_pending());
    drop(first);
    assert!(poll_once(third.as_mut()).is_pending(), "one caller is still inside");
    drop(second);
    assert!(poll_once(third.as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn waiting_callers_are_admitted_in_order_of_arrival() {
    let gate = limited().await;
    let holder = inside(&gate).await;
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(gate.enter(soon()))).collect();
    waiting.iter_mut().for_each(|one| assert!(poll_once(one.as_mut()).is_pending()));
    drop(waiting.remove(0));
    drop(holder);
    assert!(poll_once(waiting[1].as_mut()).is_pending(), "the second is before the third");
    let second = waiting[0].as_mut().await.expect("its turn");
    assert!(poll_once(waiting[1].as_mut()).is_pending());
    drop(second);
    assert!(poll_once(waiting[1].as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn slot_of_cancelled_caller_goes_to_next() {
    let gate = limited().await;
    let holder = inside(&gate).await;
    let (mut first, mut second) = (Box::pin(gate.enter(soon())), Box::pin(gate.enter(soon())));
    assert!(poll_once(first.as_mut()).is_pending() && poll_once(second.as_mut()).is_pending());
    drop(holder);
    drop(first);
    assert!(poll_once(second.as_mut()).is_ready());
}

#[tokio::test(start_paused = true)]
async fn limit_rises_each_quiet_second_until_open() {
    let gate = limited().await;
    let mut passes = vec![inside(&gate).await];
    for second in 1..=3 {
        let began = tokio::time::Instant::now();
        passes.push(inside(&gate).await);
        assert_eq!(began.elapsed(), SECOND, "slot {second} opens one second after the previous one");
    }
    assert_eq!(gate.snapshot().limit, Some(4));
    tokio::time::advance(27 * SECOND).await;
    assert_eq!(gate.snapshot().limit, None);
}

#[tokio::test(start_paused = true)]
async fn contention_restarts_quiet_time() {
    let gate = limited().await;
    tokio::time::advance(10 * SECOND).await;
    assert_eq!(gate.snapshot().limit, Some(11));
    inside(&gate).await.contended();
    assert_eq!((gate.snapshot().limit, gate.snapshot().contentions), (Some(1), 2));
}

#[tokio::test(start_paused = true)]
async fn refuses_callers_at_deadline_or_full_queue() {
    let gate = ContentionGate::new("replant", ContentionRules { queue: 1, ..ContentionRules::default() });
    inside(&gate).await.contended();
    let _holder = inside(&gate).await;
    let half = SECOND / 2;
    let mut waiting = Box::pin(gate.enter(Deadline::after(half)));
    assert!(poll_once(waiting.as_mut()).is_pending());
    let refused = gate.enter(soon()).await.expect_err("one waits already");
    assert_eq!(refused, Refused::Full { name: "replant", waiting: 1 });
    let refused = waiting.await.expect_err("the holder stays");
    assert_eq!(refused, Refused::TooLate { name: "replant", waited: half });
    assert_eq!((refused.class(), gate.snapshot().waiting), (Class::Overload, 0));
}

#[tokio::test(start_paused = true)]
async fn logs_contention_count() {
    let gate = limited().await;
    let pass = inside(&gate).await;
    let logged = logged_by(|| pass.contended());
    let text = "message=contention: admitting one caller at a time gate=replant contentions=2 ".to_owned();
    assert_eq!(logged, [(tracing::Level::DEBUG, text)]);
}
