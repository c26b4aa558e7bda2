//! Tests of a Redis server that refuses writes, so that invalidations cannot be distributed: no node serves invalidated
//! values.

use crate::recovery::assert_hits_return;
use crate::support::{
    AREA, Source, TEST_TIMEOUT, key, patient_cache, redis_command, wait_until_connected, wait_until_written,
};
use std::path::PathBuf;
use std::time::Duration;
use steadfast_cache::{Cache, Status, Tier};
use steadfast_testkit::RedisServer;

async fn connected(server: &RedisServer) -> Cache {
    let cache = patient_cache(&server.url());
    wait_until_connected(&cache).await;
    cache
}

/// Waits until the server refuses a write with an error that begins with `code`, or accepts it if that is empty.
async fn wait_until_answered(server: &RedisServer, code: &str) {
    let waiting = async {
        while !redis_command(server, &["SET", "probe", "1"]).concat().starts_with(code) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, waiting).await.expect(code);
}

/// Waits until `cache` loads `value` instead of serving the invalidated one.
async fn wait_until_gone(cache: &Cache, source: &Source, value: u32) {
    let gone = async {
        while *source.get(cache, &key("a"), value).await.value != value {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, gone).await.expect("the old value is gone");
}

/// Waits until `cache` serves a value from its process, which it does for a moment after each load.
async fn wait_until_hit_in_process(cache: &Cache, source: &Source) {
    let hit = async {
        while source.get(cache, &key("a"), 2).await.status != Status::Hit(Tier::Process) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, hit).await.expect("a hit");
}

async fn assert_invalidated_values_are_not_served(
    code: &str,
    refuse_writes: impl AsyncFn(&RedisServer),
    accept_writes: impl AsyncFn(&RedisServer),
) {
    let (server, source) = (RedisServer::private().expect("Redis"), Source::default());
    let (one, other) = (connected(&server).await, connected(&server).await);
    source.get(&one, &key("a"), 1).await;
    wait_until_written(&server).await;
    assert_eq!(*source.get(&other, &key("a"), 9).await.value, 1);

    refuse_writes(&server).await;
    wait_until_answered(&server, code).await;
    assert!(!one.invalidate(AREA).await, "Redis could not store it");
    assert_eq!(*source.get(&one, &key("a"), 2).await.value, 2, "invalid in this process at once");
    wait_until_gone(&other, &source, 2).await;
    wait_until_hit_in_process(&other, &source).await;
    assert!(!one.invalidate(AREA).await, "Redis could not store the next one either");
    wait_until_gone(&other, &source, 3).await;
    let later = connected(&server).await;
    assert_eq!(*source.get(&later, &key("a"), 3).await.value, 3);

    // The node that invalidated ends before it could write to Redis.
    drop(one);
    accept_writes(&server).await;
    assert_hits_return(&server, &other).await;
    let last = connected(&server).await;
    for cache in [&last, &later, &other] {
        assert_eq!(*source.get(cache, &key("a"), 3).await.value, 3);
    }
}

fn config(server: &RedisServer, name: &str, value: &str) {
    redis_command(server, &["CONFIG", "SET", name, value]);
}

#[tokio::test]
async fn read_only_replica() {
    let replica = async |server: &RedisServer| drop(redis_command(server, &["REPLICAOF", "127.0.0.1", "1"]));
    let master = async |server: &RedisServer| drop(redis_command(server, &["REPLICAOF", "NO", "ONE"]));
    assert_invalidated_values_are_not_served("-READONLY", replica, master).await;
}

#[tokio::test]
async fn full_memory() {
    let fill = async |server: &RedisServer| {
        config(server, "maxmemory-policy", "noeviction");
        config(server, "maxmemory", "1");
    };
    let free = async |server: &RedisServer| config(server, "maxmemory", "256mb");
    assert_invalidated_values_are_not_served("-OOM", fill, free).await;
}

#[tokio::test]
async fn too_few_replicas() {
    let demand = async |server: &RedisServer| config(server, "min-replicas-to-write", "1");
    let relax = async |server: &RedisServer| config(server, "min-replicas-to-write", "0");
    assert_invalidated_values_are_not_served("-NOREPLICAS", demand, relax).await;
}

/// Returns the path of the server's snapshot, where a directory makes snapshots fail.
fn obstacle(server: &RedisServer) -> PathBuf {
    let answer = redis_command(server, &["CONFIG", "GET", "dir"]);
    PathBuf::from(answer.last().expect("the folder of the server")).join("dump.rdb")
}

#[tokio::test]
async fn failing_snapshots() {
    let fail = async |server: &RedisServer| {
        std::fs::create_dir_all(obstacle(server).join("not a file")).expect("created");
        config(server, "save", "3600 1000000");
        redis_command(server, &["BGSAVE"]);
    };
    let succeed = async |server: &RedisServer| {
        std::fs::remove_dir_all(obstacle(server)).expect("removed");
        redis_command(server, &["BGSAVE"]);
    };
    assert_invalidated_values_are_not_served("-MISCONF", fail, succeed).await;
}
