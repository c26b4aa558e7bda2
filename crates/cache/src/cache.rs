//! The cache as callers see it: a value from the process, from Redis, or from the load, whichever is first.

mod many;

use crate::flight::Flights;
use crate::generations::{Generations, Version};
use crate::health::{CacheHealth, Counters, Outcome, RedisHealth};
use crate::memory::{self, Kept, Memory};
use crate::remote::{Remote, Stored, Write};
use crate::writer::Writer;
use crate::{Area, CacheSettings, Cached, Error, Key, Loaded, Status, Tier, keeper};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Class, Classify, Deadline};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

/// A cache in two tiers. Cheap to clone; its tasks end with the last clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
    /// Aborted when the last clone goes. Apart from `inner`, which loads under way hold too.
    _tasks: Arc<JoinSet<()>>,
}

struct Inner {
    settings: CacheSettings,
    memory: Memory,
    flights: Arc<Flights>,
    shared: Option<Shared>,
    /// Of the areas while there is no Redis.
    generations: Generations,
    counters: Arc<Counters>,
}

/// What there is only with Redis.
struct Shared {
    remote: Arc<Remote>,
    writer: Writer,
}

impl Cache {
    /// A cache with nothing in it. Redis is connected to in the background and need not be there. Call it within a Tokio
    /// runtime.
    ///
    /// # Errors
    /// [`Error`] when the address cannot be one of Redis.
    pub fn new(settings: CacheSettings) -> Result<Self, Error> {
        let (counters, mut tasks) = (Arc::new(Counters::default()), JoinSet::new());
        let redis = settings.redis.as_ref();
        let remote = redis.map(|redis| Remote::new(redis, settings.value_max, Arc::clone(&counters)));
        let shared = remote.transpose()?.map(|remote| {
            let remote = Arc::new(remote);
            let (writer, writing) = Writer::new(Arc::clone(&remote), Arc::clone(&counters));
            tasks.spawn(keeper::keep(Arc::clone(&remote)));
            tasks.spawn(writing);
            Shared { remote, writer }
        });
        let lifetime = spread(settings.ttl, 1.0) + settings.stale_for.min(Deadline::LONGEST);
        let memory = Memory::new(settings.max_entries, lifetime);
        let (flights, generations) = (Arc::default(), Generations::default());
        let inner = Inner { settings, memory, flights, shared, generations, counters };
        Ok(Self { inner: Arc::new(inner), _tasks: Arc::new(tasks) })
    }

    /// The value of `key`: from this process, else from Redis, else from `load`, which is then called once however many
    /// ask at the same time. It runs as a task of its own, so a caller that leaves takes it from nobody; when all have
    /// left, it is dropped. While it fails because what it loads from is unavailable, a value that was kept before is
    /// served past its TTL, as [`Status::Stale`].
    ///
    /// Redis costs no more than its patience (50 ms), and never an error.
    ///
    /// # Errors
    /// That of `load`, for all who waited for it; the next caller loads again.
    ///
    /// # Panics
    /// When `load` panics.
    pub async fn get_or_load<T, E, F, Fut>(&self, key: &Key, load: F) -> Result<Cached<T>, E>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Classify + Clone + Send + Sync + 'static,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Loaded<T>, E>> + Send + 'static,
    {
        let inner = &self.inner;
        let version = inner.generations().version(key.area.name);
        if let Some(value) = inner.memory.fresh(key, &version).await {
            inner.counters.request(key.area.name, Outcome::ProcessHit);
            return Ok(Cached { value, status: Status::Hit(Tier::Process) });
        }
        let (flight, is_first) = inner.flights.join(memory::name(key, version.epoch), || {
            let (inner, key) = (Arc::clone(inner), *key);
            async move { inner.find(key, load).await }.in_current_span()
        });
        let result: Result<Cached<T>, E> = flight.outcome().await;
        let outcome = match result.as_ref().map(|cached| cached.status) {
            Ok(Status::Hit(Tier::Process)) => Outcome::ProcessHit,
            Ok(Status::Hit(Tier::Redis)) => Outcome::RedisHit,
            Ok(Status::Miss) if is_first => Outcome::Miss,
            Ok(Status::Miss) => Outcome::Shared,
            Ok(Status::Stale { .. }) => Outcome::Stale,
            Err(_) => Outcome::Failed,
        };
        inner.counters.request(key.area.name, outcome);
        result
    }

    /// Makes all values of `area` invalid: in this process at once, including those that are being loaded; in other
    /// processes that share the Redis within two seconds, while Redis responds. Values are not deleted. They are never
    /// found again and expire with their TTL.
    ///
    /// Returns true if Redis has stored the invalidation. If not, this process repeats it once a second until Redis does.
    /// Processes whose writes Redis refuses count no value as fresh for longer than about a second; see the README.
    pub async fn invalidate(&self, area: Area) -> bool {
        match &self.inner.shared {
            Some(shared) => shared.remote.invalidate(area.name).await,
            None => {
                self.inner.generations.invalidate(area.name);
                false
            }
        }
    }

    /// What it looks like now. Asks nobody.
    pub fn health(&self) -> CacheHealth {
        let inner = &self.inner;
        let redis = inner.shared.as_ref().map(|shared| {
            let link = &shared.remote.link;
            RedisHealth { connected: link.is_connected(), breaker: link.breaker().snapshot() }
        });
        inner.counters.health(redis, inner.memory.len(), inner.flights.len())
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Inner {
    fn generations(&self) -> &Generations {
        self.shared.as_ref().map_or(&self.generations, |shared| &shared.remote.generations)
    }

    /// The one search for a value that all wait for.
    async fn find<T, E, F, Fut>(&self, key: Key, load: F) -> Result<Cached<T>, E>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Classify,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded<T>, E>>,
    {
        let begun = Instant::now();
        let version = self.version(key.area).await;
        // The flight before this one may have kept it while this one was begun.
        if let Some(value) = self.memory.fresh(&key, &version).await {
            return Ok(Cached { value, status: Status::Hit(Tier::Process) });
        }
        let read = self.read(key.area, &[key], &version, begun).await;
        if let Some(value) = read.into_iter().flatten().next() {
            return Ok(Cached { value, status: Status::Hit(Tier::Redis) });
        }
        match load().await {
            Ok(loaded) => Ok(Cached { value: self.keep(&key, &version, loaded).await, status: Status::Miss }),
            Err(error) if may_be_stale(error.class()) => {
                let (value, since) = self.memory.stale(&key, &version).await.ok_or(error)?;
                Ok(Cached { value, status: Status::Stale { since } })
            }
            Err(error) => Err(error),
        }
    }

    /// What the values of `area` are named by now.
    async fn version(&self, area: Area) -> Version {
        match &self.shared {
            Some(shared) => shared.remote.version(area).await,
            None => self.generations.version(area.name),
        }
    }

    /// The values from Redis, which this process then keeps for what is left of their time.
    async fn read<T>(
        &self,
        area: Area,
        keys: &[Key],
        version: &Version,
        begun: Instant,
    ) -> Vec<Option<Arc<T>>>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let Some(shared) = &self.shared else { return Vec::new() };
        let until = Deadline::from_start(begun, shared.remote.link.patience()).instant();
        let found = shared.remote.read::<T>(area, keys, version, until).await;
        let mut values = Vec::with_capacity(found.len());
        for (key, found) in keys.iter().zip(found) {
            let Some((stored, left, bytes)) = found else {
                values.push(None);
                continue;
            };
            let (value, fresh_for) = (Arc::new(stored.value), left.min(self.ttl(area, stored.nothing)));
            self.keep_here(key, version, Arc::clone(&value), fresh_for, bytes).await;
            values.push(Some(value));
        }
        values
    }

    async fn keep<T>(&self, key: &Key, version: &Version, loaded: Loaded<T>) -> Arc<T>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let (value, nothing) = match loaded {
            Loaded::Found(value) => (Arc::new(value), false),
            Loaded::Nothing(value) => (Arc::new(value), true),
            Loaded::Partial(value) => return Arc::new(value),
        };
        let Some(json) = self.json(key, &Stored { nothing, value: &*value }) else { return value };
        let ttl = self.ttl(key.area, nothing);
        self.keep_here(key, version, Arc::clone(&value), ttl, json.len()).await;
        if let Some(shared) = &self.shared
            && let Some(key) = shared.remote.value_key(key, version)
        {
            shared.writer.take(Write { key, json: json.into(), ttl });
        }
        value
    }

    async fn keep_here<T: Send + Sync + 'static>(
        &self,
        key: &Key,
        version: &Version,
        value: Arc<T>,
        fresh_for: Duration,
        bytes: usize,
    ) {
        if self.generations().may_keep(key.area.name, version) {
            let kept = Kept { fresh_for, stale_for: self.settings.stale_for, bytes };
            self.memory.keep(memory::name(key, version.epoch), value, kept).await;
        }
    }

    /// What is kept, unless it is too long or cannot be written as JSON.
    fn json<T: Serialize>(&self, key: &Key, stored: &Stored<T>) -> Option<Vec<u8>> {
        let area = key.area.name;
        match serde_json::to_vec(stored) {
            Ok(json) if json.len() <= self.settings.value_max => Some(json),
            Ok(json) => {
                tracing::debug!(area, bytes = json.len(), "a value is too long to be kept");
                None
            }
            Err(error) => {
                tracing::error!(area, %error, "values of this type cannot be kept: they are no JSON");
                None
            }
        }
    }

    /// Returns the TTL of a value, spread so that values that were loaded together do not expire together.
    fn ttl(&self, area: Area, nothing: bool) -> Duration {
        let ttl = area.ttl.unwrap_or(self.settings.ttl);
        let ttl = if nothing { ttl.min(self.settings.negative_ttl) } else { ttl };
        spread(ttl, rand::random())
    }
}

/// Returns `ttl` moved by up to a tenth: shortened for a `position` of 0, extended for 1.
fn spread(ttl: Duration, position: f64) -> Duration {
    ttl.min(Deadline::LONGEST).mul_f64(0.9 + 0.2 * position)
}

/// Whether a failure of this class says nothing of the value: an old one is then better than none.
const fn may_be_stale(class: Class) -> bool {
    matches!(class, Class::Unavailable | Class::Overload | Class::Timeout)
}
