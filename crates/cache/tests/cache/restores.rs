//! Tests of a Redis server with older data than before, from an old snapshot or a lagging replica: invalidated values
//! stay invalid.

use crate::support::{
    AREA, Source, TEST_TIMEOUT, key, patient_cache, redis_command, wait_until_connected, wait_until_written,
};
use crate::switch::Switch;
use std::time::Duration;
use steadfast_cache::{Cache, Key, Status, Tier};
use steadfast_testkit::RedisServer;

/// Makes `server` a replica of `master`, without the delay of the first synchronisation.
fn replicate(server: &RedisServer, master: &RedisServer) {
    redis_command(master, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    redis_command(server, &["REPLICAOF", "127.0.0.1", &master.address().port().to_string()]);
}

/// Waits until the replica has the data of its master. A master gets a new name when its first replica connects.
async fn wait_until_replicated(server: &RedisServer) {
    let replicated = async {
        while !redis_command(server, &["INFO", "replication"]).concat().contains("master_link_status:up") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, replicated).await.expect("the replica is up");
}

/// Returns several keys for each node: a node that adopts an old generation serves an old value with its second read at
/// the latest.
fn keys_of(node: &str) -> Vec<Key> {
    (0..3).map(|number| key(&format!("{node} {number}"))).collect()
}

const NODES: [&str; 3] = ["the one that invalidates", "another one", "one that starts later"];

async fn connected(url: &str) -> Cache {
    let cache = patient_cache(url);
    wait_until_connected(&cache).await;
    cache
}

/// Waits until Redis contains `count` values.
async fn wait_until_stored(server: &RedisServer, count: usize) {
    let stored = async {
        while redis_command(server, &["KEYS", "steadfast:search:1:*"]).len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, stored).await.expect("the values are written");
}

/// Stores the value 1 in Redis for all keys of all nodes.
async fn fill(server: &RedisServer, node: &Cache) {
    let source = Source::default();
    for key in NODES.iter().flat_map(|node| keys_of(node)) {
        source.get(node, &key, 1).await;
    }
    // Each key takes two lines of the response.
    wait_until_stored(server, 2 * 3 * NODES.len()).await;
}

/// Reads the values of a node for longer than the interval of its checks. Asserts that none is an old one.
async fn assert_nothing_old(cache: &Cache, node: &str) {
    let source = Source::default();
    for key in keys_of(node) {
        for _ in 0..5 {
            assert_eq!(*source.get(cache, &key, 2).await.value, 2, "{node}");
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    }
}

/// Waits until `other` finds a value in Redis that `one` has loaded.
async fn wait_until_shared(one: &Cache, other: &Cache) {
    let source = Source::default();
    let shared = async {
        for number in 0.. {
            let key = key(&format!("shared {number}"));
            source.get(one, &key, 3).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            if source.get(other, &key, 3).await.status == Status::Hit(Tier::Redis) {
                return;
            }
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, shared).await.expect("values are shared again");
}

#[tokio::test]
async fn restored_snapshot_does_not_restore_invalidated_values() {
    let server = RedisServer::private().expect("Redis");
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    fill(&server, &one).await;
    redis_command(&server, &["SAVE"]);
    assert!(one.invalidate(AREA).await, "Redis stored it");
    server.kill().expect("killed");
    server.restart().expect("restarted");
    wait_until_written(&server).await;
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    let later = connected(&server.url()).await;
    for (cache, node) in [&later, &one, &other].into_iter().zip([NODES[2], NODES[0], NODES[1]]) {
        assert_nothing_old(cache, node).await;
    }
    wait_until_shared(&one, &later).await;
}

#[tokio::test]
async fn lagging_replica_does_not_restore_invalidated_values() {
    let (master, replica) = (RedisServer::private().expect("Redis"), RedisServer::private().expect("Redis"));
    replicate(&replica, &master);
    wait_until_replicated(&replica).await;
    let switch = Switch::to(master.address()).await;
    let (one, other) = (connected(&switch.url()).await, connected(&switch.url()).await);
    fill(&master, &one).await;
    wait_until_stored(&replica, 2 * 3 * NODES.len()).await;
    // Simulates a broken connection to the master.
    redis_command(&replica, &["REPLICAOF", "NO", "ONE"]);
    assert!(one.invalidate(AREA).await, "the old master stored it");
    master.kill().expect("killed");
    switch.turn_to(replica.address());
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    let later = connected(&switch.url()).await;
    for (cache, node) in [&later, &one, &other].into_iter().zip([NODES[2], NODES[0], NODES[1]]) {
        assert_nothing_old(cache, node).await;
    }
    wait_until_shared(&one, &later).await;
}

#[tokio::test]
async fn invalidation_lost_with_old_master_is_repeated() {
    let (master, replica) = (RedisServer::private().expect("Redis"), RedisServer::private().expect("Redis"));
    // The other node is connected to the new master, while this one is still connected to the old one.
    let switch = Switch::to(master.address()).await;
    let (one, other) = (connected(&switch.url()).await, connected(&replica.url()).await);
    let (source, key) = (Source::default(), key("a"));
    source.get(&one, &key, 1).await;
    source.get(&other, &key, 1).await;
    wait_until_written(&replica).await;
    assert!(one.invalidate(AREA).await, "the old master stored it");
    master.kill().expect("killed");
    switch.turn_to(replica.address());
    let gone = async {
        while *source.get(&other, &key, 2).await.value != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, gone).await.expect("the old value is gone");
    assert_eq!(*source.get(&one, &key, 2).await.value, 2);
}

#[tokio::test]
async fn resynchronised_master_does_not_restore_invalidated_values() {
    let (server, copy) = (RedisServer::private().expect("Redis"), RedisServer::private().expect("Redis"));
    replicate(&copy, &server);
    wait_until_replicated(&copy).await;
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    fill(&server, &one).await;
    assert_eq!(*Source::default().get(&other, &keys_of(NODES[0])[0], 9).await.value, 1);
    wait_until_stored(&copy, 2 * 3 * NODES.len()).await;
    redis_command(&copy, &["REPLICAOF", "NO", "ONE"]);
    assert!(one.invalidate(AREA).await, "Redis stored it");
    let (source, known) = (Source::default(), key("read to receive the invalidation"));
    source.get(&other, &known, 2).await;
    // The server receives the data of its lagging replica, and the connections of its clients stay open.
    replicate(&server, &copy);
    for (cache, node) in [(&other, NODES[1]), (&one, NODES[0])] {
        assert_nothing_old(cache, node).await;
    }
    redis_command(&server, &["REPLICAOF", "NO", "ONE"]);
    let later = connected(&server.url()).await;
    assert_nothing_old(&later, NODES[2]).await;
    wait_until_shared(&one, &later).await;
}

#[tokio::test]
async fn works_without_name_of_server() {
    let server = RedisServer::private().expect("Redis");
    redis_command(&server, &["ACL", "SETUSER", "default", "-info"]);
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    wait_until_shared(&one, &other).await;
    let (source, key) = (Source::default(), key("a"));
    source.get(&other, &key, 1).await;
    assert!(one.invalidate(AREA).await, "Redis stored it");
    let gone = async {
        while *source.get(&other, &key, 2).await.value != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, gone).await.expect("the old value is gone");
}
