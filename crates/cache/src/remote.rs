//! The Redis tier: its requests, keys and values.
//!
//! `prefix:area:type_version:generation:digest` contains a value as JSON, with a TTL. `prefix:area:generation` contains
//! the generation whose values are valid.

use crate::generations::{Generations, Version, new_generation};
use crate::health::Counters;
use crate::link::{Fault, Link};
use crate::{Area, Error, Key, RedisSettings};
use redis::{FromRedisValue, ParsingError, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Timeout of background requests.
const BACKGROUND_TIMEOUT: Duration = Duration::from_millis(250);

/// A value in Redis.
#[derive(Deserialize, Serialize)]
pub(crate) struct Stored<T> {
    /// True for [`Loaded::Nothing`](crate::Loaded::Nothing).
    pub(crate) nothing: bool,
    pub(crate) value: T,
}

/// A value from Redis, its remaining TTL, and its length.
pub(crate) type Found<T> = (Stored<T>, Duration, usize);

/// Response to a request for several values.
struct Answer {
    generation: Option<String>,
    /// JSON of each value, empty if there is none, and its remaining TTL in milliseconds.
    values: Vec<(Vec<u8>, i64)>,
}

impl FromRedisValue for Answer {
    fn from_redis_value(answer: Value) -> Result<Self, ParsingError> {
        let mut answers = Vec::<Value>::from_redis_value(answer)?.into_iter();
        let generation = FromRedisValue::from_redis_value(answers.next().unwrap_or(Value::Nil))?;
        let mut values = Vec::with_capacity(answers.len() / 2);
        while let (Some(json), Some(left)) = (answers.next(), answers.next()) {
            values.push((FromRedisValue::from_redis_value(json)?, FromRedisValue::from_redis_value(left)?));
        }
        Ok(Self { generation, values })
    }
}

/// A value to be written to Redis.
pub(crate) struct Write {
    pub(crate) key: String,
    pub(crate) json: Arc<[u8]>,
    pub(crate) ttl: Duration,
}

pub(crate) struct Remote {
    pub(crate) link: Link,
    pub(crate) generations: Generations,
    counters: Arc<Counters>,
    prefix: String,
    value_max: usize,
    /// True if Redis refused to write the last generation.
    refuses_writes: AtomicBool,
}

impl Remote {
    pub(crate) fn new(
        settings: &RedisSettings,
        value_max: usize,
        counters: Arc<Counters>,
    ) -> Result<Self, Error> {
        let client = settings.address.client()?;
        let link = Link::new(client, settings.breaker, settings.timeout);
        Ok(Self {
            link,
            generations: Generations::default(),
            counters,
            prefix: settings.prefix.clone(),
            value_max,
            refuses_writes: AtomicBool::new(false),
        })
    }

    /// Returns the version of `area`. Reads the generation from Redis if this process has not used the area before.
    pub(crate) async fn version(&self, area: Area) -> Version {
        if self.generations.is_unknown(area.name) {
            // Without a response, the value comes from this process or from the load.
            let _ = self.fetch(area.name, self.link.timeout()).await;
        }
        self.generations.version(area.name)
    }

    /// Reads the values of `keys`, which are all of `area`, in one request. Returns `None` for values that do not
    /// exist, are not usable, or did not arrive by `until`.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        area: Area,
        keys: &[Key],
        version: &Version,
        until: Instant,
    ) -> Vec<Option<Found<T>>> {
        let answers = self.ask_for(area, keys, version, until).await.unwrap_or_default();
        let found = answers.into_iter().map(|(json, left)| self.parsed(&json, left));
        found.chain(std::iter::repeat_with(|| None)).take(keys.len()).collect()
    }

    async fn ask_for(
        &self,
        area: Area,
        keys: &[Key],
        version: &Version,
        until: Instant,
    ) -> Option<Vec<(Vec<u8>, i64)>> {
        let mut commands = redis::pipe();
        commands.cmd("GET").arg(self.generation_key(area.name));
        for key in keys {
            let name = self.value_key(key, version)?;
            // Limits the length of the response. A truncated value does not parse.
            commands.cmd("GETRANGE").arg(&name).arg(0).arg(self.value_max);
            commands.cmd("PTTL").arg(&name);
        }
        let left = until.saturating_duration_since(Instant::now());
        let answer = self.link.ask::<Answer>(left, |_| commands).await;
        let Answer { generation, values } = self.counted(answer)?;
        match generation {
            Some(generation) if Some(generation.as_str()) == version.shared.as_deref() => Some(values),
            // Another node has just invalidated the area, or Redis has older data than before.
            Some(generation) => {
                self.adopt(area.name, version, &generation);
                None
            }
            // Redis lost the generation. The background task creates a new one with its next check, because this node
            // cannot know which invalidations it missed.
            None => None,
        }
    }

    fn parsed<T: DeserializeOwned>(&self, json: &[u8], left: i64) -> Option<Found<T>> {
        let left = Duration::from_millis(u64::try_from(left).ok().filter(|left| *left > 0)?);
        match serde_json::from_slice(json) {
            Ok(stored) => Some((stored, left, json.len())),
            Err(_) => {
                self.counters.fault("unreadable");
                None
            }
        }
    }

    /// Writes values in one request. Values that Redis does not store are counted as dropped.
    pub(crate) async fn write(&self, writes: &[Write]) {
        let mut commands = redis::pipe();
        for Write { key, json, ttl } in writes {
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
            commands.cmd("SET").arg(key).arg(&**json).arg("PX").arg(ttl).ignore();
        }
        let answer = self.link.ask::<()>(BACKGROUND_TIMEOUT, |_| commands).await;
        if self.counted(answer).is_none() {
            self.counters.dropped(writes.len());
        }
    }

    /// Invalidates all values of `area` in this process and in Redis. Returns true if Redis has stored the
    /// invalidation.
    pub(crate) async fn invalidate(&self, area: &'static str) -> bool {
        self.generations.invalidate(area);
        self.renew(area).await.is_ok()
    }

    /// Writes the generations that Redis lacks, and adopts those that others wrote.
    ///
    /// # Errors
    /// Returns the last fault.
    pub(crate) async fn refresh(&self) -> Result<(), Fault> {
        let mut outcome = Ok(());
        for (area, must_renew) in self.generations.to_refresh() {
            let refreshed =
                if must_renew { self.renew(area).await } else { self.fetch(area, BACKGROUND_TIMEOUT).await };
            outcome = refreshed.and(outcome);
        }
        outcome
    }

    /// Adopts the generation of `area` in Redis. Creates one if there is none.
    async fn fetch(&self, area: &'static str, at_most: Duration) -> Result<(), Fault> {
        let (asked, key) = (self.generations.version(area), self.generation_key(area));
        let ask = self.link.ask::<(String,)>(at_most, |server| {
            let mut commands = redis::pipe();
            // A generation that Redis lost must not come back. If there is one, SET NX still checks that Redis accepts
            // writes; otherwise invalidations could not be distributed.
            commands.cmd("SET").arg(&key).arg(new_generation(server)).arg("NX").ignore();
            commands.cmd("GET").arg(&key);
            commands
        });
        let (generation,) = self.written(area, ask.await)?;
        self.adopt(area, &asked, &generation);
        Ok(())
    }

    /// Adopts `generation`, which Redis has just returned for `area`, or makes the background task replace it.
    fn adopt(&self, area: &'static str, asked: &Version, generation: &str) {
        // Read after the response, so that the response is from this server or from an earlier one.
        if let Some(server) = self.link.server()
            && !self.generations.adopt(area, asked, &server, generation)
        {
            self.link.wake_task();
        }
    }

    /// Writes a new generation of `area`. Each is written by a single command, so that a delayed command cannot restore
    /// an old one.
    async fn renew(&self, area: &'static str) -> Result<(), Fault> {
        let (epoch, mut generation) = (self.generations.version(area).epoch, String::new());
        let ask = self.link.ask::<()>(BACKGROUND_TIMEOUT, |server| {
            generation = new_generation(server);
            let mut commands = redis::pipe();
            commands.cmd("SET").arg(self.generation_key(area)).arg(&generation).ignore();
            commands
        });
        self.written(area, ask.await)?;
        self.generations.renewed(area, epoch, &generation);
        Ok(())
    }

    /// Counts the fault of a command that writes a generation, and handles refused writes.
    fn written<T>(&self, area: &'static str, answer: Result<T, Fault>) -> Result<T, Fault> {
        match &answer {
            Ok(_) if self.refuses_writes.swap(false, Ordering::Relaxed) => {
                tracing::info!("Redis accepts writes again");
            }
            Err(fault @ (Fault::Refused | Fault::ReadOnly)) => {
                self.generations.refused(area);
                if !self.refuses_writes.swap(true, Ordering::Relaxed) {
                    let why = fault.as_str();
                    tracing::warn!(
                        why,
                        "Redis refuses writes: values are cached for one second, and only in this process"
                    );
                }
            }
            Ok(_) | Err(_) => {}
        }
        answer.inspect_err(|fault| self.counters.fault(fault.as_str()))
    }

    fn generation_key(&self, area: &str) -> String {
        format!("{}:{area}:generation", self.prefix)
    }

    /// Returns the name of `key` in Redis, or `None` while no generation is trusted.
    pub(crate) fn value_key(&self, key: &Key, version: &Version) -> Option<String> {
        let Area { name, type_version, .. } = key.area;
        Some(format!("{}:{name}:{type_version}:{}:{}", self.prefix, version.shared.as_ref()?, key.hex()))
    }

    fn counted<T>(&self, answer: Result<T, Fault>) -> Option<T> {
        answer.inspect_err(|fault| self.counters.fault(fault.as_str())).ok()
    }
}
