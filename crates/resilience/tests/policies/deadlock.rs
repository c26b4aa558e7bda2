//! A deadlock storm: fifty workers that take two locks in opposite orders.

use super::Failed;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use steadfast_resilience::{
    Backoff, Class, ContentionGate, ContentionRules, Deadline, Jitter, Retry, retry_on_deadlock,
};
use tokio::sync::Mutex;

/// Two trees that are locked in order of arrival, like rows of a database: a worker that survives a deadlock waits behind
/// others for its second tree and deadlocks again.
#[derive(Default)]
struct Orchard {
    trees: [Mutex<()>; 2],
    attempts: Cell<u32>,
}

impl Orchard {
    /// Locks both trees. Even workers begin with the first one, odd workers with the second.
    async fn replant(&self, worker: usize) -> Result<(), Failed> {
        self.attempts.set(self.attempts.get() + 1);
        let _first = self.trees[worker % 2].lock().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        let second =
            tokio::time::timeout(Duration::from_millis(10), self.trees[(worker + 1) % 2].lock()).await;
        let _second = second.map_err(|_| Failed(Class::Deadlock))?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }
}

async fn storm(rules: ContentionRules) -> (usize, u32) {
    let (orchard, gate) = (Rc::new(Orchard::default()), Rc::new(ContentionGate::new("replant", rules)));
    let backoff = Backoff::exponential(Duration::from_millis(10), Duration::from_millis(40));
    let retry = Retry::new(3, backoff.jitter(Jitter::Full));
    let tasks = tokio::task::LocalSet::new();
    let workers: Vec<_> = (0..50)
        .map(|worker| {
            let (orchard, gate, retry) = (Rc::clone(&orchard), Rc::clone(&gate), retry.clone());
            tasks.spawn_local(async move {
                let mut failed = 0;
                for _ in 0..4 {
                    let deadline = Deadline::after(Duration::from_secs(60));
                    let done = retry_on_deadlock(&gate, &retry, deadline, || orchard.replant(worker)).await;
                    failed += usize::from(done.is_err());
                }
                failed
            })
        })
        .collect();
    let mut failed = 0;
    tasks
        .run_until(async {
            for worker in workers {
                failed += worker.await.expect("a worker does not panic");
            }
        })
        .await;
    (failed, orchard.attempts.get())
}

#[tokio::test(start_paused = true)]
async fn gate_ends_deadlock_storm() {
    let (failed, attempts) = storm(ContentionRules::default()).await;
    assert_eq!(failed, 0);
    assert!((200..=260).contains(&attempts), "{attempts} attempts for 200 units of work");
}

#[tokio::test(start_paused = true)]
async fn delays_alone_do_not_end_deadlock_storm() {
    // The gate reopens immediately, which leaves only the retries.
    let (failed, _) =
        storm(ContentionRules { open_after: Duration::ZERO, ..ContentionRules::default() }).await;
    assert!(failed > 0, "without failures the test proves nothing about the gate");
}

#[tokio::test(start_paused = true)]
async fn only_deadlocks_close_gate() {
    let gate = ContentionGate::new("replant", ContentionRules::default());
    let deadline = Deadline::after(Duration::from_secs(1));
    let conflict = async || Err::<(), _>(Failed(Class::Conflict));
    assert!(retry_on_deadlock(&gate, &Retry::none(), deadline, conflict).await.is_err());
    assert_eq!((gate.snapshot().limit, gate.snapshot().inside), (None, 0));
}
