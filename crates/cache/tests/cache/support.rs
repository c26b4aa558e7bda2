//! Caches, counted loads, and direct access to Redis.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use steadfast_cache::{Area, Cache, CacheHealth, CacheSettings, Cached, Key, Loaded, RedisSettings};
use steadfast_resilience::{Class, Classify};
use steadfast_testkit::RedisServer;

pub(crate) const AREA: Area = Area::new("search", 1);
/// Timeout that only failed tests reach.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed(pub(crate) Class);

impl Classify for Failed {
    fn class(&self) -> Class {
        self.0
    }
}

pub(crate) fn key(part: &str) -> Key {
    Key::new(AREA, &[part])
}

pub(crate) fn in_process() -> Cache {
    Cache::new(CacheSettings::default()).expect("settings")
}

pub(crate) fn cache_over(url: &str) -> Cache {
    let redis = Some(RedisSettings::at(url));
    Cache::new(CacheSettings { redis, ..CacheSettings::default() }).expect("settings")
}

/// Returns a cache with a long timeout, for tests that need the responses of Redis even on a busy machine.
pub(crate) fn patient_cache(url: &str) -> Cache {
    let redis = RedisSettings { timeout: Duration::from_secs(2), ..RedisSettings::at(url) };
    Cache::new(CacheSettings { redis: Some(redis), ..CacheSettings::default() }).expect("settings")
}

/// Counter of loads.
#[derive(Clone, Default)]
pub(crate) struct Source(Arc<AtomicUsize>);

impl Source {
    pub(crate) fn loads(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the value of `key`, loading `value` if it is not cached.
    pub(crate) async fn get(&self, cache: &Cache, key: &Key, value: u32) -> Cached<u32> {
        let loads = Arc::clone(&self.0);
        let load = async move || {
            loads.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Failed>(Loaded::Found(value))
        };
        cache.get_or_load(key, load).await.expect("a cache never fails")
    }
}

/// Returns the value of `key`. The load fails.
pub(crate) async fn get_or_fail(cache: &Cache, key: &Key, class: Class) -> Result<Cached<u32>, Failed> {
    cache.get_or_load(key, async move || Err(Failed(class))).await
}

/// Waits until the health of `cache` satisfies `condition`.
pub(crate) async fn wait_until(cache: &Cache, what: &str, condition: impl Fn(&CacheHealth) -> bool) {
    let waiting = async {
        while !condition(&cache.health()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let outcome = tokio::time::timeout(TEST_TIMEOUT, waiting).await;
    assert!(outcome.is_ok(), "not {what}: {:?}", cache.health());
}

pub(crate) async fn wait_until_connected(cache: &Cache) {
    wait_until(cache, "connected", |health| health.redis.is_some_and(|redis| redis.connected)).await;
}

/// Waits until Redis contains a value, and returns its key.
pub(crate) async fn wait_until_written(server: &RedisServer) -> String {
    let waiting = async {
        loop {
            let keys = redis_command(server, &["KEYS", "steadfast:search:1:*"]);
            if let Some(key) = keys.into_iter().find(|line| line.starts_with("steadfast:")) {
                return key;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, waiting).await.expect("a value is written to Redis")
}

/// Sends a command and returns the lines of the response.
pub(crate) fn redis_command(server: &RedisServer, words: &[&str]) -> Vec<String> {
    let mut stream = TcpStream::connect(server.address()).expect("Redis runs");
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let words: Vec<String> = words.collect();
    write!(stream, "*{}\r\n{}*1\r\n$4\r\nQUIT\r\n", words.len(), words.concat()).expect("sent");
    let mut text = String::new();
    BufReader::new(stream).read_to_string(&mut text).expect("answered");
    text.as_bytes().lines().map_while(Result::ok).filter(|line| line != "+OK").collect()
}
