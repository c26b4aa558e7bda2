//! Tests of Redis failures: each is a miss within the timeout.

use crate::fake_redis::{PONG, fake_redis};
use crate::support::{
    Source, cache_over, key, patient_cache, redis_command, wait_until, wait_until_connected,
    wait_until_written,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use steadfast_cache::{Cache, RedisSettings, Status, Tier};
use steadfast_resilience::{BreakerState, Snapshot};
use steadfast_testkit::RedisServer;

/// Maximum of the median delay: the timeout of 50 ms, and tolerance for a busy machine.
const MEDIAN_MAX: Duration = Duration::from_millis(100);
/// Maximum of the longest delay.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Longer than any test waits.
const HOUR: Duration = Duration::from_secs(3600);
/// Default number of failures that opens the breaker.
const FAILURES_MAX: usize = 5;

fn breaker(cache: &Cache) -> Snapshot {
    cache.health().redis.expect("Redis is set").breaker
}

/// Requests ten values that Redis cannot return. Asserts that each is loaded in time, and that the breaker opens.
async fn assert_misses_in_time(cache: &Cache) {
    let (source, mut waits) = (Source::default(), Vec::new());
    for number in 0..10 {
        let (begun, is_asked) = (Instant::now(), breaker(cache).opened == 0);
        let cached = source.get(cache, &key(&format!("{number}")), number).await;
        assert_eq!((*cached.value, cached.status), (number, Status::Miss));
        waits.extend(is_asked.then(|| begun.elapsed()));
    }
    waits.sort();
    assert!(waits.len() <= FAILURES_MAX, "more requests waited than the breaker allows: {waits:?}");
    assert!(waits[waits.len() / 2] < MEDIAN_MAX, "{waits:?}");
    assert!(waits.last().is_some_and(|slowest| *slowest < ANSWER_MAX), "{waits:?}");
    let breaker = breaker(cache);
    assert_eq!(breaker.state, BreakerState::Open);
    assert!(breaker.rejected > 0);
    let begun = Instant::now();
    for number in 10..110 {
        source.get(cache, &key(&format!("{number}")), number).await;
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "an open breaker causes no delay: {:?}",
        begun.elapsed()
    );
}

#[test]
fn default_timeout_is_fifty_milliseconds() {
    assert_eq!(RedisSettings::at("redis://redis").timeout, Duration::from_millis(50));
}

#[tokio::test]
async fn refused_connection_is_miss() {
    let port = RedisServer::private().expect("Redis").address();
    assert_misses_in_time(&cache_over(&format!("redis://{port}"))).await;
}

#[tokio::test]
async fn silent_server_is_miss() {
    let url = fake_redis(|_| (HOUR, "")).await;
    assert_misses_in_time(&cache_over(&url)).await;
}

#[tokio::test]
async fn loading_server_is_miss() {
    let url = fake_redis(|_| (Duration::ZERO, "-LOADING Redis is loading the dataset in memory\r\n")).await;
    assert_misses_in_time(&cache_over(&url)).await;
}

#[tokio::test]
async fn http_server_is_miss() {
    let url = fake_redis(|_| (Duration::ZERO, "HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert_misses_in_time(&cache_over(&url)).await;
}

#[tokio::test]
async fn slow_server_is_miss() {
    let url = fake_redis(|_| (Duration::from_millis(200), "+PONG\r\n")).await;
    assert_misses_in_time(&cache_over(&url)).await;
}

#[tokio::test]
async fn server_that_becomes_slow_is_miss() {
    let is_slow = Arc::new(AtomicBool::new(false));
    let url = fake_redis(move |command| {
        if matches!(command, "PING" | "INFO") && !is_slow.load(Ordering::Relaxed) {
            return PONG;
        }
        is_slow.store(true, Ordering::Relaxed);
        (Duration::from_secs(5), "+OK\r\n")
    });
    let cache = cache_over(&url.await);
    wait_until_connected(&cache).await;
    assert_misses_in_time(&cache).await;
}

#[tokio::test]
async fn errors_of_unavailable_server_open_breaker() {
    for refusal in [
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
        "-NOAUTH Authentication required.\r\n",
        "-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    ] {
        let refused = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&refused);
        let url = fake_redis(move |command| {
            if command == "PING" {
                return PONG;
            }
            // Every request contains one GET.
            counted.fetch_add(usize::from(command == "GET"), Ordering::Relaxed);
            (Duration::ZERO, refusal)
        });
        // The long timeout ensures that only the errors open the breaker.
        let (cache, source) = (patient_cache(&url.await), Source::default());
        wait_until_connected(&cache).await;
        for number in 0..10 {
            let cached = source.get(&cache, &key(&format!("{number}")), number).await;
            assert_eq!((*cached.value, cached.status), (number, Status::Miss), "{refusal}");
            if breaker(&cache).opened > 0 {
                break;
            }
        }
        // A request of the background task may be pending when the breaker opens.
        let (opened, refused) = (breaker(&cache).opened, refused.load(Ordering::Relaxed));
        assert!(
            opened == 1 && (FAILURES_MAX..=FAILURES_MAX + 1).contains(&refused),
            "{refusal} {refused} times"
        );
    }
}

#[tokio::test]
async fn missing_password_is_miss() {
    let server = RedisServer::private().expect("Redis");
    redis_command(&server, &["CONFIG", "SET", "requirepass", "S3CRET"]);
    assert_misses_in_time(&cache_over(&server.url())).await;
    let url = server.url().replace("redis://", "redis://:S3CRET@");
    let with_password = cache_over(&url);
    wait_until_connected(&with_password).await;
}

#[tokio::test]
async fn caches_share_values_through_redis_without_revealing_input() {
    let server = RedisServer::private().expect("Redis");
    let (one, other, source) =
        (patient_cache(&server.url()), patient_cache(&server.url()), Source::default());
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    let typed = key("john doe, chest pain");
    assert_eq!(source.get(&one, &typed, 7).await.status, Status::Miss);
    wait_until_written(&server).await;
    let cached = source.get(&other, &typed, 8).await;
    assert_eq!((*cached.value, cached.status), (7, Status::Hit(Tier::Redis)));
    assert_eq!(source.get(&other, &typed, 8).await.status, Status::Hit(Tier::Process));
    let keys = redis_command(&server, &["KEYS", "*"]).join(" ");
    assert!(!keys.contains("john") && !keys.contains("pain"), "{keys}");
    assert!(!format!("{one:?}").contains("john"));
}

#[tokio::test]
async fn unusable_values_are_misses_and_overwritten() {
    let server = RedisServer::private().expect("Redis");
    let (filled, source) = (patient_cache(&server.url()), Source::default());
    wait_until_connected(&filled).await;
    source.get(&filled, &key("a"), 1).await;
    let name = wait_until_written(&server).await;
    let long = "x".repeat(1_000_000);
    for wrong in [
        &["LPUSH", &name, "1"][..],
        &["SET", &name, "\u{1}garbage", "PX", "60000"],
        &["SET", &name, "", "PX", "60000"],
        &["SET", &name, "{\"nothing\":false,\"value\":{\"of\":\"old\"}}", "PX", "60000"],
        &["SET", &name, &long, "PX", "60000"],
    ] {
        redis_command(&server, &["DEL", &name]);
        redis_command(&server, wrong);
        let cache = patient_cache(&server.url());
        wait_until_connected(&cache).await;
        assert_eq!(source.get(&cache, &key("a"), 2).await.status, Status::Miss, "{:?}", &wrong[..2]);
        let redis = cache.health().redis.expect("Redis is set");
        assert_eq!((redis.breaker.state, redis.breaker.failures), (BreakerState::Closed, 0));
        let written = async {
            while !redis_command(&server, &["GETRANGE", &name, "0", "99"]).join("").contains("\"value\":2") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written).await.expect("overwritten");
    }
}

#[tokio::test]
async fn value_from_redis_keeps_remaining_ttl() {
    let server = RedisServer::private().expect("Redis");
    let (filled, source) = (patient_cache(&server.url()), Source::default());
    wait_until_connected(&filled).await;
    source.get(&filled, &key("a"), 1).await;
    let name = wait_until_written(&server).await;
    redis_command(&server, &["PEXPIRE", &name, "300"]);
    let cache = patient_cache(&server.url());
    wait_until_connected(&cache).await;
    source.get(&cache, &key("a"), 2).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(*source.get(&cache, &key("a"), 2).await.value, 2);
}

#[tokio::test]
async fn writes_to_frozen_redis_are_dropped_and_counted() {
    let server = RedisServer::private().expect("Redis");
    let (cache, source) = (cache_over(&server.url()), Source::default());
    wait_until_connected(&cache).await;
    source.get(&cache, &key("first"), 0).await;
    server.freeze().expect("frozen");
    for number in 0..400 {
        source.get(&cache, &key(&format!("{number}")), number).await;
    }
    wait_until(&cache, "dropping writes", |health| health.dropped_writes > 200).await;
    server.thaw().expect("thawed");
}
