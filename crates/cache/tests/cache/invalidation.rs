//! Tests of invalidations, which other processes receive through Redis.

use crate::support::{
    AREA, Source, TEST_TIMEOUT, key, patient_cache, redis_command, wait_until_connected, wait_until_written,
};
use std::time::Duration;
use steadfast_cache::{Cache, Status};
use steadfast_testkit::RedisServer;

async fn two_nodes(server: &RedisServer) -> (Cache, Cache) {
    let (one, other) = (patient_cache(&server.url()), patient_cache(&server.url()));
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    (one, other)
}

/// Waits until `cache` loads `value` instead of serving an old one.
async fn wait_until_gone(cache: &Cache, source: &Source, value: u32) {
    let gone = async {
        while *source.get(cache, &key("a"), value).await.value != value {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, gone).await.expect("the old value is gone");
}

#[tokio::test]
async fn invalidation_reaches_other_process() {
    let server = RedisServer::private().expect("Redis");
    let ((one, other), source) = (two_nodes(&server).await, Source::default());
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    assert_eq!(*source.get(&other, &key("a"), 9).await.value, 1);
    assert!(one.invalidate(AREA).await, "Redis stored it");
    let after = source.get(&one, &key("a"), 2).await;
    assert_eq!((*after.value, after.status), (2, Status::Miss));
    wait_until_gone(&other, &source, 2).await;
}

#[tokio::test]
async fn invalidation_while_redis_is_down_is_distributed_later() {
    let server = RedisServer::private().expect("Redis");
    let ((one, other), source) = (two_nodes(&server).await, Source::default());
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    source.get(&other, &key("a"), 9).await;
    server.freeze().expect("frozen");
    assert!(!one.invalidate(AREA).await, "Redis could not store it");
    assert_eq!(*source.get(&one, &key("a"), 2).await.value, 2, "invalid in this process at once");
    server.thaw().expect("thawed");
    wait_until_gone(&other, &source, 2).await;
}

#[tokio::test]
async fn lost_generation_invalidates() {
    let server = RedisServer::private().expect("Redis");
    let ((one, other), source) = (two_nodes(&server).await, Source::default());
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    source.get(&other, &key("a"), 9).await;
    redis_command(&server, &["DEL", "steadfast:search:generation"]);
    wait_until_gone(&one, &source, 3).await;
    wait_until_gone(&other, &source, 3).await;
}
