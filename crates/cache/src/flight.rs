//! Single flight: concurrent misses of a value wait for one load.

use crate::memory::Name;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Name and type of the loaded value: callers that expect different types do not share a load.
type FlightName = (Name, TypeId);
/// Outcome of a load, of the type in the flight's name.
type Outcome = Arc<dyn Any + Send + Sync>;

/// A running load. Owned by its waiting callers, and aborted when the last of them is gone.
pub(crate) struct Flight {
    outcome: watch::Receiver<Option<Outcome>>,
    task: AbortHandle,
}

impl Flight {
    /// Waits for the outcome of the load.
    pub(crate) async fn outcome<R: Clone + 'static>(&self) -> R {
        let mut outcome = self.outcome.clone();
        let known = outcome.wait_for(Option::is_some).await;
        let result = known.ok().and_then(|known| known.as_ref()?.downcast_ref::<R>().cloned());
        // The sender is gone without an outcome only if the load panicked, and its panic is propagated to the callers.
        result.unwrap_or_else(|| std::panic::resume_unwind(Box::new("the load of a cached value panicked")))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // Has no effect on a finished task.
        self.task.abort();
    }
}

/// The running loads.
#[derive(Default)]
pub(crate) struct Flights {
    running: Mutex<HashMap<FlightName, (u64, Weak<Flight>)>>,
    next: AtomicU64,
}

impl Flights {
    /// Returns the flight that loads `name`. Starts it with `work` if there is none, and returns true in this case.
    pub(crate) fn join<R, W>(self: &Arc<Self>, name: Name, work: impl FnOnce() -> W) -> (Arc<Flight>, bool)
    where
        R: Send + Sync + 'static,
        W: Future<Output = R> + Send + 'static,
    {
        let name = (name, TypeId::of::<R>());
        let mut running = self.lock();
        if let Some(flight) = running.get(&name).and_then(|(_, flight)| flight.upgrade()) {
            return (flight, false);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, outcome) = watch::channel(None);
        let (work, entry) = (work(), Entry { flights: Arc::clone(self), name, number });
        let task = tokio::spawn(async move {
            let result = work.await;
            // Later callers find the stored value.
            drop(entry);
            sender.send_replace(Some(Arc::new(result) as Outcome));
        });
        let flight = Arc::new(Flight { outcome, task: task.abort_handle() });
        running.insert(name, (number, Arc::downgrade(&flight)));
        (flight, true)
    }

    /// Returns the number of running loads.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlightName, (u64, Weak<Flight>)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a flight from the table when it ends for any reason.
struct Entry {
    flights: Arc<Flights>,
    name: FlightName,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut running = self.flights.lock();
        // An aborted flight may have been replaced by another one.
        if running.get(&self.name).is_some_and(|(number, _)| *number == self.number) {
            running.remove(&self.name);
        }
    }
}
