//! One process invalidates; the others learn it by way of Redis.

use crate::support::{
    AREA, PATIENCE, Source, key, patiently_over, redis_says, wait_until_connected, wait_until_written,
};
use std::time::Duration;
use steadfast_cache::{Cache, Status};
use steadfast_testkit::RedisServer;

async fn two_nodes(server: &RedisServer) -> (Cache, Cache) {
    let (one, other) = (patiently_over(&server.url()), patiently_over(&server.url()));
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    (one, other)
}

/// Waits until `cache` loads `key` anew.
async fn wait_until_gone(cache: &Cache, source: &Source, value: u32) {
    let gone = async {
        while *source.get(cache, &key("a"), value).await.value != value {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the old value goes");
}

#[tokio::test]
async fn an_invalidation_is_seen_here_at_once_and_by_others_soon() {
    let server = RedisServer::private().expect("Redis");
    let ((one, other), source) = (two_nodes(&server).await, Source::default());
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    assert_eq!(*source.get(&other, &key("a"), 9).await.value, 1);
    assert!(one.invalidate(AREA).await, "Redis took it");
    let after = source.get(&one, &key("a"), 2).await;
    assert_eq!((*after.value, after.status), (2, Status::Miss));
    wait_until_gone(&other, &source, 2).await;
}

#[tokio::test]
async fn an_invalidation_while_redis_is_down_is_told_when_it_is_back() {
    let server = RedisServer::private().expect("Redis");
    let ((one, other), source) = (two_nodes(&server).await, Source::default());
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    source.get(&other, &key("a"), 9).await;
    server.freeze().expect("frozen");
    assert!(!one.invalidate(AREA).await, "Redis could not take it");
    assert_eq!(*source.get(&one, &key("a"), 2).await.value, 2, "here it counts at once");
    server.thaw().expect("thawed");
    wait_until_gone(&other, &source, 2).await;
}

#[tokio::test]
async fn a_generation_that_redis_lost_brings_no_old_value_back() {
    let server = RedisServer::private().expect("Redis");
    let ((one, other), source) = (two_nodes(&server).await, Source::default());
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    source.get(&other, &key("a"), 9).await;
    redis_says(&server, &["DEL", "steadfast:search:generation"]);
    wait_until_gone(&one, &source, 3).await;
    wait_until_gone(&other, &source, 3).await;
}
