//! Tests of batches.

use crate::support::{
    AREA, Failed, in_process, key, patient_cache, wait_until_connected, wait_until_written,
};
use std::time::Duration;
use steadfast_cache::{Cache, CacheSettings, Cached, Key, Loaded, Status, Tier};
use steadfast_resilience::Class;
use steadfast_testkit::RedisServer;

fn keys(names: &[&str]) -> Vec<Key> {
    names.iter().map(|name| key(name)).collect()
}

/// Returns the values of `names`, which are their lengths, and the indexes that were loaded.
async fn get(cache: &Cache, names: &[&str]) -> (Vec<Cached<usize>>, Vec<usize>) {
    let mut asked = Vec::new();
    let load = async |missing: Vec<usize>| {
        asked = missing;
        Ok::<_, Failed>(|at: usize| Loaded::Found(names[at].len()))
    };
    let found = cache.get_or_load_many(AREA, &keys(names), load).await.expect("loaded");
    (found, asked)
}

fn hits(found: &[Cached<usize>]) -> Vec<bool> {
    found.iter().map(|cached| cached.status.is_hit()).collect()
}

async fn fails(cache: &Cache, names: &[&str], class: Class) -> Result<Vec<Cached<usize>>, Failed> {
    let load = async |_| Err::<fn(usize) -> Loaded<usize>, _>(Failed(class));
    cache.get_or_load_many(AREA, &keys(names), load).await
}

#[tokio::test]
async fn loads_missing_values_and_preserves_order() {
    let cache = in_process();
    let (found, asked) = get(&cache, &["a", "bb"]).await;
    assert_eq!((hits(&found), asked), (vec![false, false], vec![0, 1]));
    let (found, asked) = get(&cache, &["dddd", "bb", "ccc", "a"]).await;
    assert_eq!((hits(&found), asked), (vec![false, true, false, true], vec![0, 2]));
    assert_eq!(found.iter().map(|cached| *cached.value).collect::<Vec<_>>(), [4, 2, 3, 1]);
    let (found, asked) = get(&cache, &["a", "a"]).await;
    assert_eq!((hits(&found), asked), (vec![true, true], vec![]));
    assert!(get(&cache, &[]).await.0.is_empty());
    let single = cache.get_or_load(&key("ccc"), async || Err::<Loaded<usize>, _>(Failed(Class::Fault))).await;
    assert_eq!(single.map(|cached| *cached.value), Ok(3), "get_or_load finds the same values");
    let health = cache.health();
    assert_eq!((health.process_hits, health.misses, health.failures), (5, 4, 0));
}

#[tokio::test]
async fn reads_values_of_other_process_from_redis() {
    let server = RedisServer::private().expect("Redis");
    let (one, other) = (patient_cache(&server.url()), patient_cache(&server.url()));
    wait_until_connected(&one).await;
    wait_until_connected(&other).await;
    get(&one, &["a", "bb"]).await;
    wait_until_written(&server).await;
    let (found, asked) = get(&other, &["bb", "ccc", "a"]).await;
    let redis = Status::Hit(Tier::Redis);
    assert_eq!(found.iter().map(|cached| cached.status).collect::<Vec<_>>(), [redis, Status::Miss, redis]);
    assert_eq!(asked, [1]);
    assert_eq!(hits(&get(&other, &["bb", "a"]).await.0), [true, true], "and are stored in this process");
}

#[tokio::test]
async fn loads_values_without_redis() {
    let server = RedisServer::private().expect("Redis");
    let cache = patient_cache(&server.url());
    wait_until_connected(&cache).await;
    server.kill().expect("killed");
    assert_eq!(get(&cache, &["a", "bb"]).await.1, [0, 1]);
    assert_eq!(hits(&get(&cache, &["a", "bb"]).await.0), [true, true]);
}

#[tokio::test(start_paused = true)]
async fn serves_stale_values_only_if_complete() {
    let cache = Cache::new(CacheSettings::default()).expect("settings");
    get(&cache, &["a", "bb"]).await;
    tokio::time::advance(Duration::from_secs(4000)).await;
    let old = fails(&cache, &["bb", "a"], Class::Unavailable).await.expect("stale values");
    assert!(old.iter().all(|cached| matches!(cached.status, Status::Stale { .. })));
    assert_eq!(old.iter().map(|cached| *cached.value).collect::<Vec<_>>(), [2, 1]);
    assert!(fails(&cache, &["bb", "new"], Class::Unavailable).await.is_err());
    assert!(fails(&cache, &["bb", "a"], Class::Fault).await.is_err());
    cache.invalidate(AREA).await;
    assert!(
        fails(&cache, &["bb", "a"], Class::Unavailable).await.is_err(),
        "invalidated values are not served"
    );
}
