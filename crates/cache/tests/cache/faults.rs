//! Whatever Redis does, it is a miss in time.

use crate::stand_in::{PONG, stand_in};
use crate::support::{
    Source, key, over, patiently_over, redis_says, wait_until, wait_until_connected, wait_until_written,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use steadfast_cache::{Cache, RedisSettings, Status, Tier};
use steadfast_resilience::{BreakerState, Snapshot};
use steadfast_testkit::RedisServer;

/// The patience is 50 ms; the rest is for a machine with other things to do.
const MEDIAN_MAX: Duration = Duration::from_millis(100);
/// Of the slowest one.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// Longer than any test waits.
const HOUR: Duration = Duration::from_secs(3600);
/// The default of the breaker.
const FAILURES_MAX: usize = 5;

fn breaker(cache: &Cache) -> Snapshot {
    cache.health().redis.expect("Redis is set").breaker
}

/// Asks for ten values that Redis cannot give: each is loaded in time, and in the end Redis is not asked any more.
async fn assert_every_question_is_a_miss_in_time(cache: &Cache) {
    let (source, mut waits) = (Source::default(), Vec::new());
    for number in 0..10 {
        let (begun, is_asked) = (Instant::now(), breaker(cache).opened == 0);
        let cached = source.get(cache, &key(&format!("{number}")), number).await;
        assert_eq!((*cached.value, cached.status), (number, Status::Miss));
        waits.extend(is_asked.then(|| begun.elapsed()));
    }
    waits.sort();
    assert!(waits.len() <= FAILURES_MAX, "more had to wait for Redis than the breaker bears: {waits:?}");
    assert!(waits[waits.len() / 2] < MEDIAN_MAX, "{waits:?}");
    assert!(waits.last().is_some_and(|slowest| *slowest < ANSWER_MAX), "{waits:?}");
    let breaker = breaker(cache);
    assert_eq!(breaker.state, BreakerState::Open);
    assert!(breaker.rejected > 0);
    let begun = Instant::now();
    for number in 10..110 {
        source.get(cache, &key(&format!("{number}")), number).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "an open breaker costs nothing: {:?}", begun.elapsed());
}

#[test]
fn callers_wait_for_fifty_milliseconds_unless_they_are_told_otherwise() {
    assert_eq!(RedisSettings::at("redis://redis").patience, Duration::from_millis(50));
}

#[tokio::test]
async fn nobody_listens() {
    let port = RedisServer::private().expect("Redis").address();
    assert_every_question_is_a_miss_in_time(&over(&format!("redis://{port}"))).await;
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    let url = stand_in(|_| (HOUR, "")).await;
    assert_every_question_is_a_miss_in_time(&over(&url)).await;
}

#[tokio::test]
async fn a_server_that_loads_its_data() {
    let url = stand_in(|_| (Duration::ZERO, "-LOADING Redis is loading the dataset in memory\r\n")).await;
    assert_every_question_is_a_miss_in_time(&over(&url)).await;
}

#[tokio::test]
async fn a_server_that_is_no_redis() {
    let url = stand_in(|_| (Duration::ZERO, "HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert_every_question_is_a_miss_in_time(&over(&url)).await;
}

#[tokio::test]
async fn a_server_that_is_slow() {
    let url = stand_in(|_| (Duration::from_millis(200), "+PONG\r\n")).await;
    assert_every_question_is_a_miss_in_time(&over(&url)).await;
}

#[tokio::test]
async fn a_server_that_takes_connections_and_then_seconds_for_every_answer() {
    let was_asked = Arc::new(AtomicBool::new(false));
    let url = stand_in(move |command| {
        if matches!(command, "PING" | "INFO") && !was_asked.load(Ordering::Relaxed) {
            return PONG;
        }
        was_asked.store(true, Ordering::Relaxed);
        (Duration::from_secs(5), "+OK\r\n")
    });
    let cache = over(&url.await);
    wait_until_connected(&cache).await;
    assert_every_question_is_a_miss_in_time(&cache).await;
}

#[tokio::test]
async fn a_connected_server_that_says_that_it_cannot_serve() {
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
        let url = stand_in(move |command| {
            if command == "PING" {
                return PONG;
            }
            // There is one in every question.
            counted.fetch_add(usize::from(command == "GET"), Ordering::Relaxed);
            (Duration::ZERO, refusal)
        });
        // It is the refusals that count: nothing else fails within this patience.
        let (cache, source) = (patiently_over(&url.await), Source::default());
        wait_until_connected(&cache).await;
        for number in 0..10 {
            let cached = source.get(&cache, &key(&format!("{number}")), number).await;
            assert_eq!((*cached.value, cached.status), (number, Status::Miss), "{refusal}");
            if breaker(&cache).opened > 0 {
                break;
            }
        }
        // The keeper asks in the background as well: its question may be on its way when the breaker opens.
        let (opened, refused) = (breaker(&cache).opened, refused.load(Ordering::Relaxed));
        assert!(
            opened == 1 && (FAILURES_MAX..=FAILURES_MAX + 1).contains(&refused),
            "{refusal} {refused} times"
        );
    }
}

#[tokio::test]
async fn a_server_that_wants_a_password() {
    let server = RedisServer::private().expect("Redis");
    redis_says(&server, &["CONFIG", "SET", "requirepass", "S3CRET"]);
    assert_every_question_is_a_miss_in_time(&over(&server.url())).await;
    let url = server.url().replace("redis://", "redis://:S3CRET@");
    let with_password = over(&url);
    wait_until_connected(&with_password).await;
}

#[tokio::test]
async fn values_are_shared_by_way_of_redis_and_nothing_typed_stands_there() {
    let server = RedisServer::private().expect("Redis");
    let (one, other, source) =
        (patiently_over(&server.url()), patiently_over(&server.url()), Source::default());
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    let typed = key("john doe, chest pain");
    assert_eq!(source.get(&one, &typed, 7).await.status, Status::Miss);
    wait_until_written(&server).await;
    let cached = source.get(&other, &typed, 8).await;
    assert_eq!((*cached.value, cached.status), (7, Status::Hit(Tier::Redis)));
    assert_eq!(source.get(&other, &typed, 8).await.status, Status::Hit(Tier::Process));
    let keys = redis_says(&server, &["KEYS", "*"]).join(" ");
    assert!(!keys.contains("john") && !keys.contains("pain"), "{keys}");
    assert!(!format!("{one:?}").contains("john"));
}

#[tokio::test]
async fn another_type_garbage_and_an_older_shape_are_misses_that_are_written_over() {
    let server = RedisServer::private().expect("Redis");
    let (filled, source) = (patiently_over(&server.url()), Source::default());
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
        redis_says(&server, &["DEL", &name]);
        redis_says(&server, wrong);
        let cache = patiently_over(&server.url());
        wait_until_connected(&cache).await;
        assert_eq!(source.get(&cache, &key("a"), 2).await.status, Status::Miss, "{:?}", &wrong[..2]);
        let redis = cache.health().redis.expect("Redis is set");
        assert_eq!((redis.breaker.state, redis.breaker.failures), (BreakerState::Closed, 0));
        let written = async {
            while !redis_says(&server, &["GETRANGE", &name, "0", "99"]).join("").contains("\"value\":2") {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), written).await.expect("written over");
    }
}

#[tokio::test]
async fn a_value_from_redis_is_fresh_for_no_longer_than_it_was_there() {
    let server = RedisServer::private().expect("Redis");
    let (filled, source) = (patiently_over(&server.url()), Source::default());
    wait_until_connected(&filled).await;
    source.get(&filled, &key("a"), 1).await;
    let name = wait_until_written(&server).await;
    redis_says(&server, &["PEXPIRE", &name, "300"]);
    let cache = patiently_over(&server.url());
    wait_until_connected(&cache).await;
    source.get(&cache, &key("a"), 2).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(*source.get(&cache, &key("a"), 2).await.value, 2);
}

#[tokio::test]
async fn writes_that_redis_cannot_take_in_time_are_dropped_and_counted() {
    let server = RedisServer::private().expect("Redis");
    let (cache, source) = (over(&server.url()), Source::default());
    wait_until_connected(&cache).await;
    source.get(&cache, &key("first"), 0).await;
    server.freeze().expect("it runs");
    for number in 0..400 {
        source.get(&cache, &key(&format!("{number}")), number).await;
    }
    wait_until(&cache, "counting what it dropped", |health| health.dropped_writes > 200).await;
    server.thaw().expect("it runs");
}
