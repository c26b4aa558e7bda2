//! The tier that nodes share: what is asked of Redis, and how keys and values look there.
//!
//! `prefix:area:shape:generation:digest` holds one value as JSON, with a TTL. `prefix:area:generation` holds the generation
//! whose values are valid.

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

/// For what nobody waits for.
const BACKGROUND_MAX: Duration = Duration::from_millis(250);

/// A value as it stands in Redis.
#[derive(Deserialize, Serialize)]
pub(crate) struct Stored<T> {
    /// Whether it is the answer that there is nothing.
    pub(crate) nothing: bool,
    pub(crate) value: T,
}

/// A value from Redis, the time that it has left, and its length.
pub(crate) type Found<T> = (Stored<T>, Duration, usize);

/// What Redis says to the question for some values.
struct Answer {
    generation: Option<String>,
    /// Of each the JSON, empty where there is none, and the milliseconds that are left.
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

/// A value's JSON on its way to Redis.
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
    /// Whether Redis refused the last generation that it was asked to write.
    refuses_writes: AtomicBool,
}

impl Remote {
    pub(crate) fn new(
        settings: &RedisSettings,
        value_max: usize,
        counters: Arc<Counters>,
    ) -> Result<Self, Error> {
        let client = settings.address.client()?;
        let link = Link::new(client, settings.breaker, settings.patience);
        Ok(Self {
            link,
            generations: Generations::default(),
            counters,
            prefix: settings.prefix.clone(),
            value_max,
            refuses_writes: AtomicBool::new(false),
        })
    }

    /// Returns the version of `area`, after asking Redis for the generation if this process has not used the area before.
    pub(crate) async fn version(&self, area: Area) -> Version {
        if self.generations.is_unknown(area.name) {
            // Without an answer the value is found in this process, or loaded.
            let _ = self.learn(area.name, self.link.patience()).await;
        }
        self.generations.version(area.name)
    }

    /// The values under `keys`, all of `area`, each with the time that it has left and its length; nothing where there is
    /// none that can be used or none came by `until`. One question for all of them.
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
            // No more than may be kept, whatever stands there: what is cut off does not parse.
            commands.cmd("GETRANGE").arg(&name).arg(0).arg(self.value_max);
            commands.cmd("PTTL").arg(&name);
        }
        let left = until.saturating_duration_since(Instant::now());
        let answer = self.link.ask::<Answer>(left, |_| commands).await;
        let Answer { generation, values } = self.told(answer)?;
        match generation {
            Some(generation) if Some(generation.as_str()) == version.shared.as_deref() => Some(values),
            // Somebody invalidated it just now, or Redis went back in time.
            Some(generation) => {
                self.adopt(area.name, version, &generation);
                None
            }
            // Redis lost it. The keeper's next round brings a new one, and the node cannot know what it missed.
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

    /// Writes all of them, or as many as Redis takes.
    pub(crate) async fn write(&self, writes: &[Write]) {
        let mut commands = redis::pipe();
        for Write { key, json, ttl } in writes {
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
            commands.cmd("SET").arg(key).arg(&**json).arg("PX").arg(ttl).ignore();
        }
        let answer = self.link.ask::<()>(BACKGROUND_MAX, |_| commands).await;
        if self.told(answer).is_none() {
            self.counters.dropped(writes.len());
        }
    }

    /// Makes all values of `area` invalid here, and tells the others. Returns true if Redis has stored it.
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
                if must_renew { self.renew(area).await } else { self.learn(area, BACKGROUND_MAX).await };
            outcome = refreshed.and(outcome);
        }
        outcome
    }

    /// Adopts the generation of `area` that Redis has, or a new one if Redis has none.
    async fn learn(&self, area: &'static str, at_most: Duration) -> Result<(), Fault> {
        let (asked, key) = (self.generations.version(area), self.generation_key(area));
        let ask = self.link.ask::<(String,)>(at_most, |server| {
            let mut commands = redis::pipe();
            // A generation that Redis lost must not come back. Where there is one already, this asks whether Redis accepts
            // writes: if it does not, nobody can pass an invalidation on.
            commands.cmd("SET").arg(&key).arg(new_generation(server)).arg("NX").ignore();
            commands.cmd("GET").arg(&key);
            commands
        });
        let (generation,) = self.written(area, ask.await)?;
        self.adopt(area, &asked, &generation);
        Ok(())
    }

    /// Adopts `generation`, which Redis just gave for `area`, or has the keeper replace it.
    fn adopt(&self, area: &'static str, asked: &Version, generation: &str) {
        // Looked up after the answer, so that the answer is from this server or from one before it.
        if let Some(server) = self.link.server()
            && !self.generations.adopt(area, asked, &server, generation)
        {
            self.link.wake_keeper();
        }
    }

    /// Writes a new generation of `area`. Each is written by one command only, so that none comes back by one that was late.
    async fn renew(&self, area: &'static str) -> Result<(), Fault> {
        let (epoch, mut generation) = (self.generations.version(area).epoch, String::new());
        let ask = self.link.ask::<()>(BACKGROUND_MAX, |server| {
            generation = new_generation(server);
            let mut commands = redis::pipe();
            commands.cmd("SET").arg(self.generation_key(area)).arg(&generation).ignore();
            commands
        });
        self.written(area, ask.await)?;
        self.generations.renewed(area, epoch, &generation);
        Ok(())
    }

    /// Counts the fault of a command that writes a generation, and draws the conclusions of a refusal.
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
                        "Redis refuses writes: values are cached for a second, in this process alone"
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
        let Area { name, shape, .. } = key.area;
        Some(format!("{}:{name}:{shape}:{}:{}", self.prefix, version.shared.as_ref()?, key.hex()))
    }

    fn told<T>(&self, answer: Result<T, Fault>) -> Option<T> {
        answer.inspect_err(|fault| self.counters.fault(fault.as_str())).ok()
    }
}
