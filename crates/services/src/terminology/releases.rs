//! Which release of the codes is in use, looked at every second, so that no request has to: what is kept is named by it.

use std::sync::Arc;
use std::time::Duration;
use steadfast_repository::Store;
use steadfast_repository::terminology::{InUse, current_release};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// For how long what was seen counts as what is in use: a look may take a second, and the next one may come a second after.
const SURE_FOR: Duration = Duration::from_secs(3);

/// How long the first requests wait for the first look. It has a shorter deadline of its own.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(2);

/// What the last looks have shown.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Whether anybody looked yet, with or without success.
    is_tried: bool,
    /// What was in use and when that was asked.
    last: Option<(Arc<Sighting>, Instant)>,
}

/// What was in use at one moment; nothing before the first import.
type Sighting = Option<InUse>;

/// The release that answers are of.
#[derive(Clone, Debug)]
pub(super) struct Known {
    release: Arc<Sighting>,
    /// Whether it was in use within the last seconds. If not, the database did not say, and there may be another.
    pub(super) is_sure: bool,
}

impl Known {
    /// The part of a key that changes whenever another release is put in use.
    pub(super) fn version(&self) -> &str {
        Option::as_ref(&self.release).map_or("none", |release| &release.version)
    }

    /// The codes of the release; none before the first import.
    pub(super) fn codes(&self) -> usize {
        Option::as_ref(&self.release).map_or(0, |release| release.codes)
    }
}

/// Looks which release is in use for as long as it lives.
#[derive(Debug)]
pub(super) struct Releases {
    seen: watch::Receiver<Seen>,
    /// Ends with its owner.
    _task: JoinSet<()>,
}

impl Releases {
    /// Begins to look. To be called within a Tokio runtime.
    pub(super) fn watch(store: Store) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let mut task = JoinSet::new();
        task.spawn(look_again_and_again(store, tell));
        Self { seen, _task: task }
    }

    /// What is in use. Waits for the first look alone; nothing when the database could not be asked since the start.
    pub(super) async fn known(&self) -> Option<Known> {
        if !self.seen.borrow().is_tried {
            let mut seen = self.seen.clone();
            // Whatever became of it: then there is nothing known, as without it.
            _ = timeout(FIRST_LOOK_MAX, seen.wait_for(|seen| seen.is_tried)).await;
        }
        self.last()
    }

    /// What was seen last. Waits for nothing.
    pub(super) fn last(&self) -> Option<Known> {
        let (release, asked) = self.seen.borrow().last.clone()?;
        Some(Known { release, is_sure: asked.elapsed() <= SURE_FOR })
    }
}

async fn look_again_and_again(store: Store, tell: watch::Sender<Seen>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        // A failure is told by those who need the database, and by health.
        let looked = current_release(&store).await.ok();
        tell.send_modify(|seen| {
            seen.is_tried = true;
            if let Some(release) = looked {
                seen.last = Some((Arc::new(release), asked));
            }
        });
    }
}
