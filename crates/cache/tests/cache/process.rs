//! The tier in the process, single flight, TTLs and staleness; mostly without Redis, by a clock that is paused.

use crate::support::{
    AREA, Failed, Source, get_or_fail, in_process, key, patiently_over, redis_says, wait_until_written,
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
async fn a_thousand_concurrent_misses_are_one_load() {
    assert_a_thousand_misses_are_one_load(in_process()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_misses_are_one_load_and_one_question_over_redis_too() {
    let server = RedisServer::private().expect("Redis");
    assert_a_thousand_misses_are_one_load(patiently_over(&server.url())).await;
    let stats = redis_says(&server, &["INFO", "commandstats"]).join(" ");
    assert!(stats.contains("cmdstat_getrange:calls=1,"), "{stats}");
}

async fn assert_a_thousand_misses_are_one_load(cache: Cache) {
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

/// A load that waits until it is let go.
fn held(let_go: &Arc<Notify>) -> impl Future<Output = Result<Loaded<u32>, Failed>> + Send + use<> {
    let let_go = Arc::clone(let_go);
    async move {
        let_go.notified().await;
        Ok(Loaded::Found(7))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_may_leave_and_the_others_have_their_value() {
    let (cache, let_go, source) = (in_process(), Arc::new(Notify::new()), Source::default());
    let first = tokio::spawn({
        let (cache, load) = (cache.clone(), held(&let_go));
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
    assert!(first.await.expect_err("it left").is_cancelled());
    let_go.notify_one();
    assert_eq!(*second.await.expect("no panic").value, 7);
    assert_eq!(source.loads(), 0, "the first caller's load went on");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_nobody_waits_for_any_more_is_dropped_and_the_next_caller_loads() {
    let (cache, let_go, source) = (in_process(), Arc::new(Notify::new()), Source::default());
    let key = key("a");
    let loading = cache.get_or_load(&key, {
        let load = held(&let_go);
        move || load
    });
    let left = tokio::time::timeout(Duration::from_millis(10), loading).await;
    assert!(left.is_err());
    while cache.health().loading > 0 {
        yield_now().await;
    }
    assert_eq!(Arc::strong_count(&let_go), 1, "the load is gone");
    assert_eq!(*source.get(&cache, &key, 9).await.value, 9);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_that_of_its_flight_alone() {
    let (cache, source) = (in_process(), Source::default());
    let key = key("a");
    let together = (0..10).map(|_| get_or_fail(&cache, &key, Class::Fault));
    assert!(join_all(together).await.into_iter().all(|result| result == Err(Failed(Class::Fault))));
    assert_eq!(source.get(&cache, &key, 1).await.status, Status::Miss);
}

#[tokio::test]
async fn a_load_that_panics_is_a_panic_of_those_who_wait_and_of_nobody_after() {
    let (cache, source) = (in_process(), Source::default());
    let panicking = tokio::spawn({
        let cache = cache.clone();
        async move {
            let load = async || -> Result<Loaded<u32>, Failed> { panic!("as the test wants") };
            cache.get_or_load(&key("a"), load).await
        }
    });
    assert!(panicking.await.expect_err("it panicked").is_panic());
    assert_eq!(*source.get(&cache, &key("a"), 1).await.value, 1);
}

#[tokio::test(start_paused = true)]
async fn expiry_is_spread_over_a_tenth_to_both_sides() {
    let (cache, source) = (in_process(), Source::default());
    let keys: Vec<Key> = (0..200).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        source.get(&cache, key, 0).await;
    }
    let mut expired = Vec::new();
    for minute in 0..=14 {
        // From 53 minutes on, a minute at a time: 54 is the earliest, 66 the latest.
        advance(Duration::from_secs(if minute == 0 { 53 * 60 } else { 60 })).await;
        let loads = source.loads();
        for key in &keys {
            let fails = get_or_fail(&cache, key, Class::Fault).await.is_err();
            expired.push((53 + minute, fails));
        }
        assert_eq!(source.loads(), loads);
    }
    let share = |minute: u64| expired.iter().filter(|(at, fails)| *at == minute && *fails).count();
    assert_eq!(share(53), 0, "none before nine tenths");
    assert_eq!(share(67), 200, "all after eleven");
    assert!((50..150).contains(&share(60)), "half of them by the hour: {}", share(60));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_for_a_shorter_time_and_a_partial_answer_not_at_all() {
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
async fn what_was_kept_is_served_stale_while_it_cannot_be_loaded_and_only_then() {
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
    assert_eq!((*loaded.value, loaded.status), (6, Status::Miss), "it is loaded again when it can be");
    advance(Duration::from_secs(26 * HOUR)).await;
    assert!(get_or_fail(&cache, &key, Class::Unavailable).await.is_err(), "too old");
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_is_gone_also_as_stale_and_also_when_it_was_under_way() {
    let (cache, source, let_go) = (in_process(), Source::default(), Arc::new(Notify::new()));
    source.get(&cache, &key("kept"), 1).await;
    let under_way = tokio::spawn({
        let (cache, load) = (cache.clone(), held(&let_go));
        async move { cache.get_or_load(&key("under way"), move || load).await }
    });
    while cache.health().loading == 0 {
        yield_now().await;
    }
    cache.invalidate(AREA).await;
    assert_eq!(*source.get(&cache, &key("under way"), 2).await.value, 2, "the old load is not joined");
    let_go.notify_one();
    assert!(under_way.await.expect("no panic").is_ok(), "who asked before may have the old");
    let after = source.get(&cache, &key("under way"), 3).await;
    assert_eq!((*after.value, after.status), (2, Status::Hit(Tier::Process)));
    assert!(get_or_fail(&cache, &key("kept"), Class::Unavailable).await.is_err());
}

#[tokio::test]
async fn durations_may_be_unlimited() {
    let server = RedisServer::private().expect("Redis");
    let redis = RedisSettings {
        patience: Duration::MAX,
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
async fn a_value_that_is_too_long_is_given_and_not_kept() {
    let cache = in_process();
    for _ in 0..2 {
        let long = async || Ok::<_, Failed>(Loaded::Found("x".repeat(300 * 1024)));
        let cached = cache.get_or_load(&key("long"), long).await.expect("loaded");
        assert_eq!((cached.value.len(), cached.status), (300 * 1024, Status::Miss));
    }
}

#[tokio::test]
async fn areas_and_types_do_not_meet() {
    let (cache, source) = (in_process(), Source::default());
    source.get(&cache, &key("a"), 1).await;
    let elsewhere = Key::new(Area::new("codes", 1), &["a"]);
    assert_eq!(source.get(&cache, &elsewhere, 2).await.status, Status::Miss);
    let text = cache.get_or_load(&key("a"), async || Ok::<_, Failed>(Loaded::Found(String::new()))).await;
    assert_eq!(text.expect("loaded").status, Status::Miss);
}
