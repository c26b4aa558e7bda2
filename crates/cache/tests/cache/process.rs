//! Tests of the in-process tier: single flight, TTLs and stale values, mostly without Redis and with a paused clock.

use crate::support::{
    AREA, Failed, Source, get_or_fail, in_process, key, patient_cache, redis_command, wait_until_written,
};
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use steadfast_cache::{Area, Cache, CacheSettings, Cached, Key, Loaded, RedisSettings, Status, Tier};
use steadfast_resilience::{BreakerConfig, Class};
use steadfast_testkit::RedisServer;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::advance;

const HOUR: u64 = 3600;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_misses_share_one_load() {
    assert_misses_share_one_load(in_process()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_misses_share_one_redis_request() {
    let server = RedisServer::private().expect("Redis");
    assert_misses_share_one_load(patient_cache(&server.url())).await;
    let stats = redis_command(&server, &["INFO", "commandstats"]).join(" ");
    assert!(stats.contains("cmdstat_getrange:calls=1,"), "{stats}");
}

async fn assert_misses_share_one_load(cache: Cache) {
    let loads = Arc::new(AtomicUsize::new(0));
    let callers = (0..1000).map(|_| {
        let (cache, loads) = (cache.clone(), Arc::clone(&loads));
        tokio::spawn(async move {
            let load = async move || {
                loads.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok::<_, Failed>(Loaded::Found(7))
            };
            cache.get_or_load(&key("a"), load).await.map(|cached| *cached.value)
        })
    });
    let values = join_all(callers.collect::<Vec<_>>()).await;
    assert!(values.into_iter().all(|value| value.expect("no panic") == Ok(7)));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    let health = cache.health();
    assert_eq!((health.misses + health.process_hits, health.loading), (1000, 0));
}

/// Returns a load that waits for `release`.
fn held(release: &Arc<Notify>) -> impl Future<Output = Result<Loaded<u32>, Failed>> + Send + use<> {
    let release = Arc::clone(release);
    async move {
        release.notified().await;
        Ok(Loaded::Found(7))
    }
}

#[tokio::test(start_paused = true)]
async fn load_continues_if_first_caller_is_cancelled() {
    let (cache, release, source) = (in_process(), Arc::new(Notify::new()), Source::default());
    let first = tokio::spawn({
        let (cache, load) = (cache.clone(), held(&release));
        async move { cache.get_or_load(&key("a"), move || load).await }
    });
    while cache.health().loading == 0 {
        yield_now().await;
    }
    let second = tokio::spawn({
        let (cache, source) = (cache.clone(), source.clone());
        async move { source.get(&cache, &key("a"), 8).await }
    });
    yield_now().await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    release.notify_one();
    assert_eq!(*second.await.expect("no panic").value, 7);
    assert_eq!(source.loads(), 0, "the load of the first caller continued");
}

#[tokio::test(start_paused = true)]
async fn load_without_callers_is_dropped() {
    let (cache, release, source) = (in_process(), Arc::new(Notify::new()), Source::default());
    let key = key("a");
    let loading = cache.get_or_load(&key, {
        let load = held(&release);
        move || load
    });
    let cancelled = tokio::time::timeout(Duration::from_millis(10), loading).await;
    assert!(cancelled.is_err());
    while cache.health().loading > 0 {
        yield_now().await;
    }
    assert_eq!(Arc::strong_count(&release), 1, "the load was dropped");
    assert_eq!(*source.get(&cache, &key, 9).await.value, 9);
}

#[tokio::test(start_paused = true)]
async fn failure_is_not_cached() {
    let (cache, source) = (in_process(), Source::default());
    let key = key("a");
    let together = (0..10).map(|_| get_or_fail(&cache, &key, Class::Fault));
    assert!(join_all(together).await.into_iter().all(|result| result == Err(Failed(Class::Fault))));
    assert_eq!(source.get(&cache, &key, 1).await.status, Status::Miss);
}

#[tokio::test]
async fn panic_of_load_reaches_waiting_callers_only() {
    let (cache, source) = (in_process(), Source::default());
    let panicking = tokio::spawn({
        let cache = cache.clone();
        async move {
            let load = async || -> Result<Loaded<u32>, Failed> { panic!("on purpose") };
            cache.get_or_load(&key("a"), load).await
        }
    });
    assert!(panicking.await.expect_err("it panicked").is_panic());
    assert_eq!(*source.get(&cache, &key("a"), 1).await.value, 1);
}

#[tokio::test(start_paused = true)]
async fn ttl_has_jitter_of_ten_percent() {
    let (cache, source) = (in_process(), Source::default());
    let keys: Vec<Key> = (0..200).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        source.get(&cache, key, 0).await;
    }
    let mut expired = Vec::new();
    for minute in 0..=14 {
        // From minute 53 in steps of a minute. Values expire between minutes 54 and 66.
        advance(Duration::from_secs(if minute == 0 { 53 * 60 } else { 60 })).await;
        let loads = source.loads();
        for key in &keys {
            let fails = get_or_fail(&cache, key, Class::Fault).await.is_err();
            expired.push((53 + minute, fails));
        }
        assert_eq!(source.loads(), loads);
    }
    let share = |minute: u64| expired.iter().filter(|(at, fails)| *at == minute && *fails).count();
    assert_eq!(share(53), 0, "none before 90 % of the TTL");
    assert_eq!(share(67), 200, "all after 110 %");
    assert!((50..150).contains(&share(60)), "about half after the TTL: {}", share(60));
}

#[tokio::test(start_paused = true)]
async fn negative_ttl_is_shorter_and_partial_values_are_not_cached() {
    let cache = in_process();
    let get = async |loaded: Loaded<u32>| -> Cached<u32> {
        let name = format!("{loaded:?}");
        cache.get_or_load(&key(&name), async move || Ok::<_, Failed>(loaded)).await.expect("loaded")
    };
    let (nothing, partial) = (Loaded::Nothing(0), Loaded::Partial(1));
    assert_eq!(get(nothing).await.status, Status::Miss);
    assert_eq!(get(nothing).await.status, Status::Hit(Tier::Process));
    advance(Duration::from_secs(67)).await;
    assert_eq!(get(nothing).await.status, Status::Miss);
    assert_eq!(get(partial).await.status, Status::Miss);
    assert_eq!(get(partial).await.status, Status::Miss);
}

#[tokio::test(start_paused = true)]
async fn serves_stale_values_while_source_is_unavailable() {
    let (cache, source, key) = (in_process(), Source::default(), key("a"));
    source.get(&cache, &key, 5).await;
    advance(Duration::from_secs(2 * HOUR)).await;
    for class in [Class::Unavailable, Class::Overload, Class::Timeout] {
        let stale = get_or_fail(&cache, &key, class).await.expect("stale");
        let Status::Stale { since } = stale.status else { panic!("{:?}", stale.status) };
        assert_eq!((*stale.value, stale.status.as_str()), (5, "stale"));
        assert!((HOUR * 9 / 10 - 1..=HOUR * 11 / 10 + 1).contains(&since.as_secs()), "{since:?}");
    }
    for class in [Class::Fault, Class::Caller, Class::Conflict] {
        assert_eq!(get_or_fail(&cache, &key, class).await, Err(Failed(class)));
    }
    let loaded = source.get(&cache, &key, 6).await;
    assert_eq!((*loaded.value, loaded.status), (6, Status::Miss), "the load succeeds again");
    advance(Duration::from_secs(26 * HOUR)).await;
    assert!(get_or_fail(&cache, &key, Class::Unavailable).await.is_err(), "too old");
}

#[tokio::test(start_paused = true)]
async fn invalidation_includes_stale_values_and_running_loads() {
    let (cache, source, release) = (in_process(), Source::default(), Arc::new(Notify::new()));
    source.get(&cache, &key("stored"), 1).await;
    let loading = tokio::spawn({
        let (cache, load) = (cache.clone(), held(&release));
        async move { cache.get_or_load(&key("loading"), move || load).await }
    });
    while cache.health().loading == 0 {
        yield_now().await;
    }
    cache.invalidate(AREA).await;
    assert_eq!(*source.get(&cache, &key("loading"), 2).await.value, 2, "the old load is not joined");
    release.notify_one();
    assert!(loading.await.expect("no panic").is_ok(), "earlier callers may receive the old value");
    let after = source.get(&cache, &key("loading"), 3).await;
    assert_eq!((*after.value, after.status), (2, Status::Hit(Tier::Process)));
    assert!(get_or_fail(&cache, &key("stored"), Class::Unavailable).await.is_err());
}

#[tokio::test]
async fn durations_may_be_unlimited() {
    let server = RedisServer::private().expect("Redis");
    let redis = RedisSettings {
        timeout: Duration::MAX,
        breaker: BreakerConfig::consecutive(5, Duration::MAX),
        ..RedisSettings::at(&server.url())
    };
    for redis in [None, Some(redis)] {
        let (ttl, stale_for) = (Duration::MAX, Duration::MAX);
        let settings =
            CacheSettings { redis, ttl, stale_for, negative_ttl: Duration::MAX, ..CacheSettings::default() };
        let (cache, source) = (Cache::new(settings).expect("settings"), Source::default());
        let unlimited = Key::new(AREA.ttl(Duration::MAX), &["a"]);
        assert_eq!(source.get(&cache, &unlimited, 1).await.status, Status::Miss);
        assert_eq!(source.get(&cache, &unlimited, 1).await.status, Status::Hit(Tier::Process));
    }
    wait_until_written(&server).await;
}

#[tokio::test]
async fn oversized_value_is_not_cached() {
    let cache = in_process();
    for _ in 0..2 {
        let long = async || Ok::<_, Failed>(Loaded::Found("x".repeat(300 * 1024)));
        let cached = cache.get_or_load(&key("long"), long).await.expect("loaded");
        assert_eq!((cached.value.len(), cached.status), (300 * 1024, Status::Miss));
    }
}

#[tokio::test]
async fn areas_and_types_are_separate() {
    let (cache, source) = (in_process(), Source::default());
    source.get(&cache, &key("a"), 1).await;
    let elsewhere = Key::new(Area::new("codes", 1), &["a"]);
    assert_eq!(source.get(&cache, &elsewhere, 2).await.status, Status::Miss);
    let text = cache.get_or_load(&key("a"), async || Ok::<_, Failed>(Loaded::Found(String::new()))).await;
    assert_eq!(text.expect("loaded").status, Status::Miss);
}
