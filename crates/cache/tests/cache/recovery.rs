//! Tests of Redis failing and recovering under load: no caller fails, and hits return.

use crate::support::{
    Source, TEST_TIMEOUT, cache_over, key, wait_until, wait_until_connected, wait_until_written,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use steadfast_cache::{Cache, CacheSettings, RedisSettings, Status, Tier};
use steadfast_resilience::BreakerState;
use steadfast_testkit::RedisServer;
use tokio::task::JoinSet;

/// Callers that request new values all the time, so that each request is sent to Redis. A failed request panics.
struct Load {
    callers: JoinSet<Duration>,
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
}

impl Load {
    fn on(cache: &Cache) -> Self {
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let callers = (0..8).map(|_| {
            let (cache, stop, requests) = (cache.clone(), Arc::clone(&stop), Arc::clone(&requests));
            async move {
                let (source, mut slowest) = (Source::default(), Duration::ZERO);
                while !stop.load(Ordering::Relaxed) {
                    let number = requests.fetch_add(1, Ordering::Relaxed);
                    let begun = Instant::now();
                    let cached = source.get(&cache, &key(&format!("load {number}")), 3).await;
                    assert_eq!(*cached.value, 3);
                    slowest = slowest.max(begun.elapsed());
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                slowest
            }
        });
        Self { callers: callers.collect(), stop, requests }
    }

    /// Waits for `more` requests.
    async fn wait_for_requests(&self, more: u64) {
        let goal = self.requests.load(Ordering::Relaxed) + more;
        let waiting = async {
            while self.requests.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, waiting).await.expect("requests are answered");
    }

    /// Stops the callers and returns the duration of the slowest request.
    async fn end(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().max().unwrap_or_default()
    }
}

fn is(state: BreakerState) -> impl Fn(&steadfast_cache::CacheHealth) -> bool {
    move |health| health.redis.is_some_and(|redis| redis.breaker.state == state)
}

/// Stops Redis and starts it again under load. Asserts that no caller fails and that hits return.
async fn assert_recovers(stop: impl Fn(&RedisServer), start: impl Fn(&RedisServer)) {
    let server = RedisServer::private().expect("Redis");
    let cache = cache_over(&server.url());
    wait_until_connected(&cache).await;
    let load = Load::on(&cache);
    load.wait_for_requests(200).await;
    stop(&server);
    wait_until(&cache, "open", is(BreakerState::Open)).await;
    load.wait_for_requests(200).await;
    start(&server);
    let started = Instant::now();
    wait_until(&cache, "closed", is(BreakerState::Closed)).await;
    assert!(started.elapsed() < Duration::from_secs(15), "long before its 60 s: {:?}", started.elapsed());
    load.wait_for_requests(200).await;
    let slowest = load.end().await;
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert_eq!(cache.health().failures, 0);
    assert_hits_return(&server, &cache).await;
}

pub(crate) async fn assert_hits_return(server: &RedisServer, cache: &Cache) {
    let (other, source) = (cache_over(&server.url()), Source::default());
    wait_until_connected(&other).await;
    let hit = async {
        for number in 0.. {
            let key = key(&format!("after {number}"));
            source.get(cache, &key, 1).await;
            wait_until_written(server).await;
            if source.get(&other, &key, 1).await.status == Status::Hit(Tier::Redis) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, hit).await.expect("hits return");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_from_killed_redis() {
    let kill = |server: &RedisServer| server.kill().expect("killed");
    assert_recovers(kill, |server| server.restart().expect("restarted")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_from_frozen_redis() {
    let freeze = |server: &RedisServer| server.freeze().expect("frozen");
    assert_recovers(freeze, |server| server.thaw().expect("thawed")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovers_from_repeated_restarts() {
    let server = RedisServer::private().expect("Redis");
    let cache = cache_over(&server.url());
    wait_until_connected(&cache).await;
    let load = Load::on(&cache);
    for _ in 0..3 {
        load.wait_for_requests(100).await;
        server.restart().expect("restarted");
    }
    wait_until_connected(&cache).await;
    wait_until(&cache, "closed", is(BreakerState::Closed)).await;
    load.wait_for_requests(100).await;
    load.end().await;
    assert_eq!(cache.health().failures, 0);
    assert_hits_return(&server, &cache).await;
}

#[tokio::test]
async fn connects_to_redis_started_later() {
    let server = RedisServer::private().expect("Redis");
    server.kill().expect("killed");
    let (cache, source) = (cache_over(&server.url()), Source::default());
    source.get(&cache, &key("a"), 1).await;
    assert_eq!(source.get(&cache, &key("a"), 2).await.status, Status::Hit(Tier::Process));
    server.restart().expect("restarted");
    wait_until_connected(&cache).await;
    assert_hits_return(&server, &cache).await;
}

#[tokio::test]
async fn breaker_stays_open_while_redis_is_down() {
    let server = RedisServer::private().expect("Redis");
    server.kill().expect("killed");
    let redis = Some(RedisSettings::at(&server.url()));
    let cache = Cache::new(CacheSettings { redis, ..CacheSettings::default() }).expect("settings");
    let source = Source::default();
    for number in 0..20 {
        source.get(&cache, &key(&format!("{number}")), 0).await;
    }
    let breaker = cache.health().redis.expect("Redis is set").breaker;
    assert_eq!((breaker.state, breaker.opened, breaker.failures), (BreakerState::Open, 1, 5));
    assert!(breaker.next_probe_in.is_some_and(|left| left > Duration::from_secs(50)), "{breaker:?}");
}

#[tokio::test]
async fn tasks_end_with_cache() {
    let server = RedisServer::private().expect("Redis");
    let cache = cache_over(&server.url());
    wait_until_connected(&cache).await;
    drop(cache);
    let metrics = tokio::runtime::Handle::current();
    let ended = async {
        while metrics.metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, ended).await.expect("no task is left");
}
