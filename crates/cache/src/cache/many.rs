//! Many values at once: one question to Redis and one load for all that are missing.

use super::{Cache, Inner, may_be_stale};
use crate::generations::Version;
use crate::health::Outcome;
use crate::{Area, Cached, Key, Loaded, Status, Tier};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use steadfast_resilience::Classify;
use tokio::time::Instant;

impl Cache {
    /// The values of `keys`, all of `area`, in their order, under the same names as [`Cache::get_or_load`] finds them.
    /// Those that neither this process nor Redis has are loaded together: `load` gets their places in `keys`, and gives
    /// what says for each place what was found there. Meant for some hundreds at most. The load belongs to this caller
    /// alone: two who miss the same value both load it.
    ///
    /// # Errors
    /// That of `load`, unless it says nothing of the values and every missing one was kept before: then the old ones are
    /// served as [`Status::Stale`].
    pub async fn get_or_load_many<T, E, F, Fut, G>(
        &self,
        area: Area,
        keys: &[Key],
        load: F,
    ) -> Result<Vec<Cached<T>>, E>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Classify,
        F: FnOnce(Vec<usize>) -> Fut,
        Fut: Future<Output = Result<G, E>>,
        G: FnMut(usize) -> Loaded<T>,
    {
        let (inner, begun) = (&self.inner, Instant::now());
        let version = inner.version(area).await;
        let mut found = inner.kept(area, keys, &version, begun).await;
        let missing: Vec<usize> = (0..keys.len()).filter(|at| !found.contains_key(at)).collect();
        if !missing.is_empty() {
            let more = match load(missing.clone()).await {
                Ok(loaded) => inner.keep_many(keys, missing, &version, loaded).await,
                Err(error) if may_be_stale(error.class()) => {
                    inner.old(area, keys, missing, &version).await.ok_or(error)?
                }
                Err(error) => {
                    inner.counters.request(area.name, Outcome::Failed);
                    return Err(error);
                }
            };
            found.extend(more);
        }
        // A map of all places is in their order.
        let values: Vec<Cached<T>> = found.into_values().collect();
        for cached in &values {
            inner.counters.request(area.name, outcome(cached.status));
        }
        Ok(values)
    }
}

/// Values by their places.
type Found<T> = BTreeMap<usize, Cached<T>>;

impl Inner {
    /// Those that the process has, and of the others those that Redis has.
    async fn kept<T>(&self, area: Area, keys: &[Key], version: &Version, begun: Instant) -> Found<T>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let (mut found, mut elsewhere) = (Found::new(), Vec::new());
        for (at, key) in keys.iter().enumerate() {
            match self.memory.fresh(key, version).await {
                Some(value) => _ = found.insert(at, Cached { value, status: Status::Hit(Tier::Process) }),
                None => elsewhere.push(at),
            }
        }
        if !elsewhere.is_empty() {
            let keys: Vec<Key> = elsewhere.iter().map(|at| keys[*at]).collect();
            let read = self.read(area, &keys, version, begun).await;
            let hits = elsewhere.into_iter().zip(read).filter_map(|(at, value)| Some((at, value?)));
            found.extend(hits.map(|(at, value)| (at, Cached { value, status: Status::Hit(Tier::Redis) })));
        }
        found
    }

    async fn keep_many<T>(
        &self,
        keys: &[Key],
        places: Vec<usize>,
        version: &Version,
        mut loaded: impl FnMut(usize) -> Loaded<T>,
    ) -> Found<T>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let mut kept = Found::new();
        for at in places {
            let value = self.keep(&keys[at], version, loaded(at)).await;
            kept.insert(at, Cached { value, status: Status::Miss });
        }
        kept
    }

    /// What was kept before at all of `places`; nothing when one of them has nothing.
    async fn old<T>(
        &self,
        area: Area,
        keys: &[Key],
        places: Vec<usize>,
        version: &Version,
    ) -> Option<Found<T>>
    where
        T: Send + Sync + 'static,
    {
        let mut old = Found::new();
        for at in places {
            let Some((value, since)) = self.memory.stale(&keys[at], version).await else {
                self.counters.request(area.name, Outcome::Failed);
                return None;
            };
            old.insert(at, Cached { value, status: Status::Stale { since } });
        }
        Some(old)
    }
}

const fn outcome(status: Status) -> Outcome {
    match status {
        Status::Hit(Tier::Process) => Outcome::ProcessHit,
        Status::Hit(Tier::Redis) => Outcome::RedisHit,
        Status::Miss => Outcome::Miss,
        Status::Stale { .. } => Outcome::Stale,
    }
}
