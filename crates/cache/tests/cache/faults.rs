//! Whatever Redis does, it is a miss in time.

use crate::support::{
    Source, key, over, patiently_over, redis_says, wait_until, wait_until_connected, wait_until_written,
};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use steadfast_cache::{Cache, Status, Tier};
use steadfast_resilience::BreakerState;
use steadfast_testkit::RedisServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// The patience is 50 ms; the rest is for a machine with other things to do.
const ANSWER_MAX: Duration = Duration::from_millis(500);

/// Asks for ten values that Redis cannot give: each is loaded in time, and in the end Redis is not asked any more.
async fn assert_every_question_is_a_miss_in_time(cache: &Cache) {
    let source = Source::default();
    for number in 0..10 {
        let begun = Instant::now();
        let cached = source.get(cache, &key(&format!("{number}")), number).await;
        assert_eq!((*cached.value, cached.status), (number, Status::Miss));
        assert!(begun.elapsed() < ANSWER_MAX, "{:?}", begun.elapsed());
    }
    let redis = cache.health().redis.expect("Redis is set");
    assert_eq!(redis.breaker.state, BreakerState::Open);
    assert!(redis.breaker.rejected > 0);
    let begun = Instant::now();
    for number in 10..110 {
        source.get(cache, &key(&format!("{number}")), number).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "an open breaker costs nothing: {:?}", begun.elapsed());
}

/// A server that says `answer` to whatever it is sent, `late` by so much; nothing at all where there is no answer.
async fn stand_in(answer: Option<&'static [u8]>, late: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                while let Ok(1..) = stream.read(&mut asked).await {
                    tokio::time::sleep(late).await;
                    let Some(answer) = answer else { continue };
                    match stream.write_all(answer).await {
                        Err(error) if error.kind() != ErrorKind::Interrupted => return,
                        _ => {}
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn nobody_listens() {
    let port = RedisServer::private().expect("Redis").address();
    assert_every_question_is_a_miss_in_time(&over(&format!("redis://{port}"))).await;
}

#[tokio::test]
async fn a_server_that_says_nothing() {
    assert_every_question_is_a_miss_in_time(&over(&stand_in(None, Duration::ZERO).await)).await;
}

#[tokio::test]
async fn a_server_that_loads_its_data() {
    let loading = b"-LOADING Redis is loading the dataset in memory\r\n".repeat(4).leak();
    assert_every_question_is_a_miss_in_time(&over(&stand_in(Some(loading), Duration::ZERO).await)).await;
}

#[tokio::test]
async fn a_server_that_is_no_redis() {
    let http = Some(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]);
    assert_every_question_is_a_miss_in_time(&over(&stand_in(http, Duration::ZERO).await)).await;
}

#[tokio::test]
async fn a_server_that_is_slow() {
    let slow = Duration::from_millis(200);
    let answer = Some(&b"+PONG\r\n"[..]);
    assert_every_question_is_a_miss_in_time(&over(&stand_in(answer, slow).await)).await;
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
