//! Background lookup of the release in use, whose version is part of all cache keys.

use std::sync::Arc;
use std::time::Duration;
use steadfast_repository::Store;
use steadfast_repository::terminology::{InUse, current_release};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Interval of the lookups.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time for which a lookup confirms the release: a lookup may take a second, and the next one may start a second later.
const CONFIRMED_FOR: Duration = Duration::from_secs(3);

/// Maximum time that the first requests wait for the first lookup, which has a shorter deadline itself.
const FIRST_LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// Results of the lookups.
#[derive(Clone, Debug, Default)]
struct Lookups {
    /// True after the first lookup, even if it failed.
    has_tried: bool,
    /// Release in use and start time of the last successful lookup.
    last: Option<(Arc<Option<InUse>>, Instant)>,
}

/// The release of the last successful lookup.
#[derive(Clone, Debug)]
pub(super) struct KnownRelease {
    /// Release in use; `None` before the first import.
    release: Arc<Option<InUse>>,
    /// True if the lookup is recent. Otherwise the database did not respond, and another release may be in use.
    pub(super) is_confirmed: bool,
}

impl KnownRelease {
    /// Returns the part of a cache key that changes whenever another release is put in use.
    pub(super) fn version(&self) -> &str {
        Option::as_ref(&self.release).map_or("none", |release| &release.version)
    }

    /// Returns the number of codes of the release; 0 before the first import.
    pub(super) fn codes(&self) -> usize {
        Option::as_ref(&self.release).map_or(0, |release| release.codes)
    }
}

/// Looks up the release in use in the background, until it is dropped.
#[derive(Debug)]
pub(super) struct Releases {
    lookups: watch::Receiver<Lookups>,
    /// Aborted on drop.
    _task: JoinSet<()>,
}

impl Releases {
    /// Starts the lookups. Panics outside of a Tokio runtime.
    pub(super) fn watch(store: Store) -> Self {
        let (sender, lookups) = watch::channel(Lookups::default());
        let mut task = JoinSet::new();
        task.spawn(look_up_repeatedly(store, sender));
        Self { lookups, _task: task }
    }

    /// Returns the release of the last successful lookup, or `None` if there was none. Waits only for the first lookup.
    pub(super) async fn known(&self) -> Option<KnownRelease> {
        if !self.lookups.borrow().has_tried {
            let mut lookups = self.lookups.clone();
            // After a timeout there is no known release, as after a failed lookup.
            _ = timeout(FIRST_LOOKUP_TIMEOUT, lookups.wait_for(|lookups| lookups.has_tried)).await;
        }
        self.last()
    }

    /// Returns the release of the last successful lookup without waiting.
    pub(super) fn last(&self) -> Option<KnownRelease> {
        let (release, started) = self.lookups.borrow().last.clone()?;
        Some(KnownRelease { release, is_confirmed: started.elapsed() <= CONFIRMED_FOR })
    }
}

async fn look_up_repeatedly(store: Store, sender: watch::Sender<Lookups>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let started = Instant::now();
        // Failures are reported by the requests that need the database, and by the health endpoints.
        let release = current_release(&store).await.ok();
        sender.send_modify(|lookups| {
            lookups.has_tried = true;
            if let Some(release) = release {
                lookups.last = Some((Arc::new(release), started));
            }
        });
    }
}
