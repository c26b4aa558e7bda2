//! The cache, which returns values from the process, from Redis, or from a load.

mod many;

use crate::flight::Flights;
use crate::generations::{Generations, Version};
use crate::health::{CacheHealth, Counters, Outcome, RedisHealth};
use crate::memory::{self, Memory, Retention};
use crate::remote::{Remote, Stored, Write};
use crate::writer::Writer;
use crate::{Area, CacheSettings, Cached, Error, Key, Loaded, Status, Tier, connector};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use steadfast_resilience::{Class, Classify, Deadline};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

/// A two-tier cache. Cheap to clone; its background tasks end with the last clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
    /// Background tasks, aborted with the last clone. Not part of `inner`, to which running loads refer, too.
    _tasks: Arc<JoinSet<()>>,
}

struct Inner {
    settings: CacheSettings,
    memory: Memory,
    flights: Arc<Flights>,
    shared: Option<Shared>,
    /// Generations of the areas if there is no Redis.
    generations: Generations,
    counters: Arc<Counters>,
}

/// The Redis tier.
struct Shared {
    remote: Arc<Remote>,
    writer: Writer,
}

impl Cache {
    /// Creates an empty cache. Connects to Redis in the background; Redis need not be available.
    ///
    /// # Errors
    /// Returns [`Error`] if the address of Redis is invalid.
    ///
    /// # Panics
    /// Panics if Redis is configured and there is no Tokio runtime.
    pub fn new(settings: CacheSettings) -> Result<Self, Error> {
        let (counters, mut tasks) = (Arc::new(Counters::default()), JoinSet::new());
        let redis = settings.redis.as_ref();
        let remote = redis.map(|redis| Remote::new(redis, settings.value_max, Arc::clone(&counters)));
        let shared = remote.transpose()?.map(|remote| {
            let remote = Arc::new(remote);
            let (writer, writing) = Writer::new(Arc::clone(&remote), Arc::clone(&counters));
            tasks.spawn(connector::run(Arc::clone(&remote)));
            tasks.spawn(writing);
            Shared { remote, writer }
        });
        let lifetime = spread(settings.ttl, 1.0) + settings.stale_for.min(Deadline::LONGEST);
        let memory = Memory::new(settings.max_entries, lifetime);
        let (flights, generations) = (Arc::default(), Generations::default());
        let inner = Inner { settings, memory, flights, shared, generations, counters };
        Ok(Self { inner: Arc::new(inner), _tasks: Arc::new(tasks) })
    }

    /// Returns the value of `key` from this process, otherwise from Redis, otherwise from `load`.
    ///
    /// Concurrent callers share one load. It runs in its own task, so it continues if a caller is cancelled, and is
    /// dropped if all callers are. If it fails because its source is unavailable, overloaded or timed out, an expired
    /// value is returned as [`Status::Stale`].
    ///
    /// Redis delays a caller by at most [`RedisSettings::timeout`](crate::RedisSettings::timeout) and never causes an
    /// error.
    ///
    /// # Errors
    /// Returns the error of `load` to all callers that waited for it. The next caller loads again.
    ///
    /// # Panics
    /// Panics if `load` panics.
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

    /// Invalidates all values of `area`: in this process immediately, including those that are being loaded; in other
    /// processes that share the Redis server within two seconds, while Redis responds. Values are not deleted. They are
    /// never found again and expire with their TTL.
    ///
    /// Returns true if Redis has stored the invalidation. Otherwise this process retries once a second until Redis
    /// does. Processes whose writes Redis refuses treat no value as fresh for longer than about a second; see the
    /// README.
    pub async fn invalidate(&self, area: Area) -> bool {
        match &self.inner.shared {
            Some(shared) => shared.remote.invalidate(area.name).await,
            None => {
                self.inner.generations.invalidate(area.name);
                false
            }
        }
    }

    /// Returns a snapshot of the cache's state, without sending a request to Redis.
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

    /// Finds or loads a value, once for all callers that wait for it.
    async fn find<T, E, F, Fut>(&self, key: Key, load: F) -> Result<Cached<T>, E>
    where
        T: Serialize + DeserializeOwned + Send + Sync + 'static,
        E: Classify,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Loaded<T>, E>>,
    {
        let begun = Instant::now();
        let version = self.version(key.area).await;
        // An earlier flight may have stored the value since the caller checked.
        if let Some(value) = self.memory.fresh(&key, &version).await {
            return Ok(Cached { value, status: Status::Hit(Tier::Process) });
        }
        let read = self.read(key.area, &[key], &version, begun).await;
        if let Some(value) = read.into_iter().flatten().next() {
            return Ok(Cached { value, status: Status::Hit(Tier::Redis) });
        }
        match load().await {
            Ok(loaded) => {
                Ok(Cached { value: self.store(&key, &version, loaded).await, status: Status::Miss })
            }
            Err(error) if may_be_stale(error.class()) => {
                let (value, since) = self.memory.stale(&key, &version).await.ok_or(error)?;
                Ok(Cached { value, status: Status::Stale { since } })
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the current version of `area`.
    async fn version(&self, area: Area) -> Version {
        match &self.shared {
            Some(shared) => shared.remote.version(area).await,
            None => self.generations.version(area.name),
        }
    }

    /// Reads values from Redis, and stores them in this process for the rest of their TTL.
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
        let until = Deadline::from_start(begun, shared.remote.link.timeout()).instant();
        let found = shared.remote.read::<T>(area, keys, version, until).await;
        let mut values = Vec::with_capacity(found.len());
        for (key, found) in keys.iter().zip(found) {
            let Some((stored, left, bytes)) = found else {
                values.push(None);
                continue;
            };
            let (value, fresh_for) = (Arc::new(stored.value), left.min(self.ttl(area, stored.nothing)));
            self.store_in_process(key, version, Arc::clone(&value), fresh_for, bytes).await;
            values.push(Some(value));
        }
        values
    }

    async fn store<T>(&self, key: &Key, version: &Version, loaded: Loaded<T>) -> Arc<T>
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
        self.store_in_process(key, version, Arc::clone(&value), ttl, json.len()).await;
        if let Some(shared) = &self.shared
            && let Some(key) = shared.remote.value_key(key, version)
        {
            shared.writer.enqueue(Write { key, json: json.into(), ttl });
        }
        value
    }

    async fn store_in_process<T: Send + Sync + 'static>(
        &self,
        key: &Key,
        version: &Version,
        value: Arc<T>,
        fresh_for: Duration,
        bytes: usize,
    ) {
        if self.generations().may_store(key.area.name, version) {
            let retention = Retention { fresh_for, stale_for: self.settings.stale_for, bytes };
            self.memory.insert(memory::name(key, version.epoch), value, retention).await;
        }
    }

    /// Serializes a value. Returns `None` if it is too long or has no JSON form.
    fn json<T: Serialize>(&self, key: &Key, stored: &Stored<T>) -> Option<Vec<u8>> {
        let area = key.area.name;
        match serde_json::to_vec(stored) {
            Ok(json) if json.len() <= self.settings.value_max => Some(json),
            Ok(json) => {
                tracing::debug!(area, bytes = json.len(), "a value is too long to be cached");
                None
            }
            Err(error) => {
                tracing::error!(area, %error, "values of this type cannot be cached: they have no JSON form");
                None
            }
        }
    }

    /// Returns the TTL of a value with jitter, so that values that were loaded together do not expire together.
    fn ttl(&self, area: Area, nothing: bool) -> Duration {
        let ttl = area.ttl.unwrap_or(self.settings.ttl);
        let ttl = if nothing { ttl.min(self.settings.negative_ttl) } else { ttl };
        spread(ttl, rand::random())
    }
}

/// Returns `ttl` changed by up to a tenth: shortened for a `position` of 0, extended for 1.
fn spread(ttl: Duration, position: f64) -> Duration {
    ttl.min(Deadline::LONGEST).mul_f64(0.9 + 0.2 * position)
}

/// Returns true if a stale value may be served after a failure of this class, which is unrelated to the value.
const fn may_be_stale(class: Class) -> bool {
    matches!(class, Class::Unavailable | Class::Overload | Class::Timeout)
}
