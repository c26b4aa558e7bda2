//! Single flight: those who miss the same value at the same time wait for one load.

use crate::memory::Name;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What is loaded, and as which type: two callers that expect different types do not wait for each other.
type FlightName = (Name, TypeId);
/// The outcome of a load, of the type that the flight is named by.
type Outcome = Arc<dyn Any + Send + Sync>;

/// One load under way. It belongs to those who wait: when the last of them leaves, it is given up.
pub(crate) struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    task: AbortHandle,
}

impl Flight {
    /// What came of it.
    pub(crate) async fn outcome<R: Clone + 'static>(&self) -> R {
        let mut outcome = self.outcome.clone();
        let known = outcome.wait_for(Option::is_some).await;
        let result = known.ok().and_then(|known| known.as_ref()?.downcast_ref::<R>().cloned());
        // Nobody else could say what came of it. A panic of the load is a panic of those who asked for it.
        result.unwrap_or_else(|| std::panic::resume_unwind(Box::new("the load of a cached value panicked")))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Without effect on one that has ended.
        self.task.abort();
    }
}

/// All loads under way: as many as there are values waited for.
#[derive(Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<FlightName, (u64, Weak<Flight>)>>,
    next: AtomicU64,
}

impl Flights {
    /// The flight that loads `name`, which is begun with `work` when there is none. Says whether it was.
    pub(crate) fn join<R, W>(self: &Arc<Self>, name: Name, work: impl FnOnce() -> W) -> (Arc<Flight>, bool)
    where
        R: Send + Sync + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let name = (name, TypeId::of::<R>());
        let mut under_way = self.lock();
        if let Some(flight) = under_way.get(&name).and_then(|(_, flight)| flight.upgrade()) {
            return (flight, false);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, outcome) = watch::channel(None);
        let (work, entry) = (work(), Entry { flights: Arc::clone(self), name, number });
        let task = tokio::spawn(async move {
            let result = work.await;
            // Whoever comes from here on finds what was kept.
            drop(entry);
            tell.send_replace(Some(Arc::new(result) as Outcome));
        });
        let flight = Arc::new(Flight { outcome, task: task.abort_handle() });
        under_way.insert(name, (number, Arc::downgrade(&flight)));
        (flight, true)
    }

    /// How many loads are under way.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlightName, (u64, Weak<Flight>)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flight's place in the table, given back however the flight ends.
struct Entry {
    flights: Arc<Flights>,
    name: FlightName,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut under_way = self.flights.lock();
        // One that was given up may have been followed by another already.
        if under_way.get(&self.name).is_some_and(|(number, _)| *number == self.number) {
            under_way.remove(&self.name);
        }
    }
}
