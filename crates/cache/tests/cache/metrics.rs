//! Tests of metrics, with a recorder for the thread of the test.

use crate::support::{
    AREA, Failed, Source, get_or_fail, in_process, key, patient_cache, wait_until_connected,
    wait_until_written,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast_cache::{Loaded, Status, Tier};
use steadfast_resilience::Class;
use steadfast_testkit::RedisServer;
use tokio::runtime::Builder;

const REQUESTS: &str = "cache_requests_total{area=search,outcome=";

/// Runs `work` on this thread, and returns the counters by name and labels.
fn counted(is_paused: bool, work: impl Future<Output = ()>) -> BTreeMap<String, u64> {
    let recorder = DebuggingRecorder::new();
    let runtime =
        Builder::new_current_thread().enable_all().start_paused(is_paused).build().expect("a runtime");
    metrics::with_local_recorder(&recorder, || runtime.block_on(work));
    let counters =
        recorder.snapshotter().snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
            let DebugValue::Counter(count) = value else { return None };
            let (name, labels) = key.key().clone().into_parts();
            let mut labels: Vec<String> =
                labels.iter().map(|label| format!("{}={}", label.key(), label.value())).collect();
            labels.sort();
            Some((format!("{}{{{}}}", name.as_str(), labels.join(",")), count))
        });
    counters.collect()
}

fn requests(outcomes: &[(&str, u64)]) -> BTreeMap<String, u64> {
    outcomes.iter().map(|(outcome, count)| (format!("{REQUESTS}{outcome}}}"), *count)).collect()
}

#[test]
fn counts_requests_by_outcome() {
    let found = counted(true, async {
        let (cache, source) = (in_process(), Source::default());
        source.get(&cache, &key("a"), 1).await;
        for _ in 0..3 {
            source.get(&cache, &key("a"), 1).await;
        }
        let together = (key("b"), key("b"));
        tokio::join!(source.get(&cache, &together.0, 1), source.get(&cache, &together.1, 1));
        tokio::time::advance(Duration::from_secs(4000)).await;
        for _ in 0..2 {
            let stale = get_or_fail(&cache, &key("a"), Class::Unavailable).await;
            assert!(stale.is_ok_and(|cached| matches!(cached.status, Status::Stale { .. })));
        }
        assert!(get_or_fail(&cache, &key("new"), Class::Unavailable).await.is_err());
    });
    assert_eq!(found, requests(&[("miss", 2), ("hit", 3), ("shared", 1), ("stale", 2), ("failed", 1)]));
}

#[test]
fn counts_each_value_of_batch() {
    let found = counted(true, async {
        let (cache, keys) = (in_process(), [key("a"), key("b"), key("c")]);
        for first in [2, 0] {
            let load = async |_| Ok::<_, Failed>(|at: usize| Loaded::Found(at));
            cache.get_or_load_many(AREA, &keys[first..], load).await.expect("loaded");
        }
        tokio::time::advance(Duration::from_secs(4000)).await;
        let fail = async |_| Err::<fn(usize) -> Loaded<usize>, _>(Failed(Class::Unavailable));
        cache.get_or_load_many(AREA, &keys[1..], fail).await.expect("stale values");
    });
    assert_eq!(found, requests(&[("miss", 3), ("hit", 1), ("stale", 2)]));
}

#[test]
fn distinguishes_hits_by_tier() {
    let server = RedisServer::private().expect("Redis");
    let found = counted(false, async {
        let (one, other) = (patient_cache(&server.url()), patient_cache(&server.url()));
        let source = Source::default();
        wait_until_connected(&one).await;
        wait_until_connected(&other).await;
        source.get(&one, &key("a"), 1).await;
        wait_until_written(&server).await;
        assert_eq!(source.get(&other, &key("a"), 1).await.status, Status::Hit(Tier::Redis));
        assert_eq!(source.get(&other, &key("a"), 1).await.status, Status::Hit(Tier::Process));
    });
    assert_eq!(found, requests(&[("miss", 1), ("redis_hit", 1), ("hit", 1)]));
}

#[test]
fn distinguishes_redis_failures_from_open_breaker() {
    let server = RedisServer::private().expect("Redis");
    server.kill().expect("killed");
    let mut found = counted(false, async {
        let (cache, source) = (patient_cache(&server.url()), Source::default());
        for number in 0..7 {
            source.get(&cache, &key(&format!("{number}")), 1).await;
        }
    });
    let mut faults = |why| found.remove(&format!("cache_redis_faults_total{{why={why}}}"));
    assert_eq!(
        (faults("unavailable"), faults("resting")),
        (Some(5), Some(2)),
        "the breaker opens after five"
    );
    assert_eq!(found, requests(&[("miss", 7)]));
}
