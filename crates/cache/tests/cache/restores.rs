//! A Redis that goes back in time, by an old snapshot or a replica that was behind, brings no invalidated value back.

use crate::support::{
    AREA, PATIENCE, Source, key, patiently_over, redis_says, wait_until_connected, wait_until_written,
};
use crate::switch::Switch;
use std::time::Duration;
use steadfast_cache::{Cache, Key, Status, Tier};
use steadfast_testkit::RedisServer;

/// Makes `server` a replica of `master` that has its data at once.
fn replicate(server: &RedisServer, master: &RedisServer) {
    redis_says(master, &["CONFIG", "SET", "repl-diskless-sync-delay", "0"]);
    redis_says(server, &["REPLICAOF", "127.0.0.1", &master.address().port().to_string()]);
}

/// Waits until the data of its master has come. A master gets another name when its first replica comes.
async fn wait_until_replicated(server: &RedisServer) {
    let replicated = async {
        while !redis_says(server, &["INFO", "replication"]).concat().contains("master_link_status:up") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, replicated).await.expect("the replica is up");
}

/// Several values for each node: a node that adopts an old generation shows it with the second read at the latest.
fn keys_of(node: &str) -> Vec<Key> {
    (0..3).map(|number| key(&format!("{node} {number}"))).collect()
}

const NODES: [&str; 3] = ["the one that invalidates", "another one", "one that starts later"];

async fn connected(url: &str) -> Cache {
    let cache = patiently_over(url);
    wait_until_connected(&cache).await;
    cache
}

/// Waits until Redis holds as many values.
async fn wait_until_stored(server: &RedisServer, count: usize) {
    let stored = async {
        while redis_says(server, &["KEYS", "steadfast:search:1:*"]).len() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("the values are written");
}

/// Fills Redis with values of 1 for all nodes.
async fn fill(server: &RedisServer, node: &Cache) {
    let source = Source::default();
    for key in NODES.iter().flat_map(|node| keys_of(node)) {
        source.get(node, &key, 1).await;
    }
    // One line for the length of the array, two for each key.
    wait_until_stored(server, 2 * 3 * NODES.len()).await;
}

/// Reads the values of a node for longer than it takes to look at Redis again. None may be one of the old.
async fn assert_nothing_old(cache: &Cache, node: &str) {
    let source = Source::default();
    for key in keys_of(node) {
        for _ in 0..5 {
            assert_eq!(*source.get(cache, &key, 2).await.value, 2, "{node}");
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    }
}

/// Waits until a value that one node loads is found by another one in Redis.
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
    tokio::time::timeout(PATIENCE, shared).await.expect("values are shared again");
}

#[tokio::test]
async fn restored_snapshot_brings_no_invalidated_value_back() {
    let server = RedisServer::private().expect("Redis");
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    fill(&server, &one).await;
    redis_says(&server, &["SAVE"]);
    assert!(one.invalidate(AREA).await, "Redis took it");
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
async fn promoted_replica_that_was_behind_brings_no_invalidated_value_back() {
    let (master, replica) = (RedisServer::private().expect("Redis"), RedisServer::private().expect("Redis"));
    replicate(&replica, &master);
    wait_until_replicated(&replica).await;
    let switch = Switch::to(master.address()).await;
    let (one, other) = (connected(&switch.url()).await, connected(&switch.url()).await);
    fill(&master, &one).await;
    wait_until_stored(&replica, 2 * 3 * NODES.len()).await;
    // From here on it hears nothing of its master, as if the line between them were cut.
    redis_says(&replica, &["REPLICAOF", "NO", "ONE"]);
    assert!(one.invalidate(AREA).await, "the old master took it");
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
async fn invalidation_that_died_with_the_old_master_reaches_nodes_that_moved_before() {
    let (master, replica) = (RedisServer::private().expect("Redis"), RedisServer::private().expect("Redis"));
    // The other node has moved already, while this one still talks to the old master.
    let switch = Switch::to(master.address()).await;
    let (one, other) = (connected(&switch.url()).await, connected(&replica.url()).await);
    let (source, key) = (Source::default(), key("a"));
    source.get(&one, &key, 1).await;
    source.get(&other, &key, 1).await;
    wait_until_written(&replica).await;
    assert!(one.invalidate(AREA).await, "the old master took it");
    master.kill().expect("killed");
    switch.turn_to(replica.address());
    let gone = async {
        while *source.get(&other, &key, 2).await.value != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the old value goes");
    assert_eq!(*source.get(&one, &key, 2).await.value, 2);
}

#[tokio::test]
async fn master_that_is_resynchronised_in_place_brings_no_invalidated_value_back() {
    let (server, copy) = (RedisServer::private().expect("Redis"), RedisServer::private().expect("Redis"));
    replicate(&copy, &server);
    wait_until_replicated(&copy).await;
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    fill(&server, &one).await;
    assert_eq!(*Source::default().get(&other, &keys_of(NODES[0])[0], 9).await.value, 1);
    wait_until_stored(&copy, 2 * 3 * NODES.len()).await;
    redis_says(&copy, &["REPLICAOF", "NO", "ONE"]);
    assert!(one.invalidate(AREA).await, "Redis took it");
    let (source, known) = (Source::default(), key("read to learn of the invalidation"));
    source.get(&other, &known, 2).await;
    // The connections of its clients stay. It takes over the data of its replica, which was behind.
    replicate(&server, &copy);
    for (cache, node) in [(&other, NODES[1]), (&one, NODES[0])] {
        assert_nothing_old(cache, node).await;
    }
    redis_says(&server, &["REPLICAOF", "NO", "ONE"]);
    let later = connected(&server.url()).await;
    assert_nothing_old(&later, NODES[2]).await;
    wait_until_shared(&one, &later).await;
}

#[tokio::test]
async fn server_that_does_not_tell_its_name_is_used() {
    let server = RedisServer::private().expect("Redis");
    redis_says(&server, &["ACL", "SETUSER", "default", "-info"]);
    let (one, other) = (connected(&server.url()).await, connected(&server.url()).await);
    wait_until_shared(&one, &other).await;
    let (source, key) = (Source::default(), key("a"));
    source.get(&other, &key, 1).await;
    assert!(one.invalidate(AREA).await, "Redis took it");
    let gone = async {
        while *source.get(&other, &key, 2).await.value != 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the old value goes");
}
