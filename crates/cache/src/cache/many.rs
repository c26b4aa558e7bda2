//! Batches: one request to Redis and one load for all missing values.

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
    /// Returns the values of `keys`, which are all of `area`, in their order. The values are those of
    /// [`Cache::get_or_load`].
    ///
    /// Values that neither this process nor Redis has are loaded together: `load` receives their indexes in `keys`, and
    /// returns a function from an index to its value. Meant for a few hundred values at most. There is no single
    /// flight: two callers that miss the same value both load it.
    ///
    /// # Errors
    /// Returns the error of `load`, unless its source is unavailable, overloaded or timed out and there is an expired
    /// value for each missing one. These are then returned as [`Status::Stale`].
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
        let mut found = inner.stored_many(area, keys, &version, begun).await;
        let missing: Vec<usize> = (0..keys.len()).filter(|at| !found.contains_key(at)).collect();
        if !missing.is_empty() {
            let more = match load(missing.clone()).await {
                Ok(loaded) => inner.store_many(keys, missing, &version, loaded).await,
                Err(error) if may_be_stale(error.class()) => {
                    inner.stale_many(area, keys, missing, &version).await.ok_or(error)?
                }
                Err(error) => {
                    inner.counters.request(area.name, Outcome::Failed);
                    return Err(error);
                }
            };
            found.extend(more);
        }
        // The map has all indexes in order.
        let values: Vec<Cached<T>> = found.into_values().collect();
        for cached in &values {
            inner.counters.request(area.name, outcome(cached.status));
        }
        Ok(values)
    }
}

/// Values by their indexes.
type Found<T> = BTreeMap<usize, Cached<T>>;

impl Inner {
    /// Returns the values that are in the process or in Redis.
    async fn stored_many<T>(&self, area: Area, keys: &[Key], version: &Version, begun: Instant) -> Found<T>
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

    async fn store_many<T>(
        &self,
        keys: &[Key],
        indexes: Vec<usize>,
        version: &Version,
        mut loaded: impl FnMut(usize) -> Loaded<T>,
    ) -> Found<T>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let mut stored = Found::new();
        for at in indexes {
            let value = self.store(&keys[at], version, loaded(at)).await;
            stored.insert(at, Cached { value, status: Status::Miss });
        }
        stored
    }

    /// Returns the expired values for all of `indexes`, or `None` if one of them has none.
    async fn stale_many<T>(
        &self,
        area: Area,
        keys: &[Key],
        indexes: Vec<usize>,
        version: &Version,
    ) -> Option<Found<T>>
    where
        T: Send + Sync + 'static,
    {
        let mut stale = Found::new();
        for at in indexes {
            let Some((value, since)) = self.memory.stale(&keys[at], version).await else {
                self.counters.request(area.name, Outcome::Failed);
                return None;
            };
            stale.insert(at, Cached { value, status: Status::Stale { since } });
        }
        Some(stale)
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
