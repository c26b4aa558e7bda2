//! Redis: shared answers, and failures of Redis that no caller sees.

use crate::support::{Api, PATIENCE, SEARCH, database, eventually, import, send, until_written};
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use steadfast_testkit::RedisServer;
use tokio::task::JoinSet;

const OTHERS: [&str; 2] = ["/api/v1/autocomplete/icd10?query=hyper", "/api/v1/code/I10"];

#[tokio::test(flavor = "multi_thread")]
async fn cached_answers_survive_restart() -> Result<()> {
    let (database, redis) = (database().await?, RedisServer::private()?);
    import(&database.application_url(), "Essential hypertension").await?;
    let api = Api::start(&database.application_url(), Some(&redis)).await?;
    for path in [SEARCH].into_iter().chain(OTHERS) {
        assert_eq!(api.cache_status(path).await?, "miss", "{path}");
        assert_eq!(api.cache_status(path).await?, "hit", "{path}");
    }
    assert_eq!(api.batch(&["I10", "E11", "Z99"]).await?, (0, 3), "entries of other forms do not count");
    assert_eq!(api.batch(&["I10", "E11", "Z99"]).await?, (3, 0), "unknown codes are cached too");
    assert_eq!(api.batch(&["I10", "E119"]).await?, (1, 1));
    let first = api.get(SEARCH).await?;
    // Three answers and four codes, and the generation of each of the four kinds.
    until_written(&redis, 11).await?;

    let api = api.restarted(&[]).await?;
    for path in [SEARCH].into_iter().chain(OTHERS) {
        assert_eq!(api.cache_status(path).await?, "hit", "{path}");
    }
    assert_eq!(api.get(SEARCH).await?["data"]["results"], first["data"]["results"]);
    assert_eq!(api.batch(&["I10", "E11", "Z99", "E119"]).await?, (4, 0));
    let health = api.get("/health/detailed").await?;
    assert_eq!(health["cache"]["redis_hits"], 7, "{health}");
    assert_eq!(health["checks"]["redis"]["status"], "healthy");

    let api = api.restarted(&[("CACHE_ENABLED", "false")]).await?;
    for _ in 0..2 {
        assert_eq!(api.cache_status(SEARCH).await?, "miss", "disabled");
    }
    Ok(())
}

/// Runs a Lua statement on the key `k` of every search in Redis.
fn for_each_search(redis: &RedisServer, statement: &str) -> Result<String> {
    let script = format!(
        "local n = 0 for _, k in ipairs(redis.call('KEYS', 'steadfast:icd10:search:2:*')) do {statement} n = n + 1 end return n"
    );
    send(redis, &format!("EVAL \"{script}\" 0"))
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_entries_are_misses() -> Result<()> {
    let (database, redis) = (database().await?, RedisServer::private()?);
    import(&database.application_url(), "Essential hypertension").await?;
    let mut api = Api::start(&database.application_url(), Some(&redis)).await?;
    let good = api.get(SEARCH).await?;
    for garbage in [
        "redis.call('SET', k, 'garbage', 'EX', 600)",
        "redis.call('SET', k, '{\\\"nothing\\\":false,\\\"value\\\":{\\\"matches\\\":7}}', 'EX', 600)",
        "redis.call('DEL', k) redis.call('RPUSH', k, 'a list')",
    ] {
        until_written(&redis, 2).await?;
        assert_eq!(for_each_search(&redis, garbage)?, ":1", "{garbage}");
        api = api.restarted(&[]).await?;
        let answer = api.get(SEARCH).await?;
        assert_eq!(answer["data"]["cache_status"], "miss", "{garbage}");
        assert_eq!(answer["data"]["results"], good["data"]["results"]);
        // A valid value replaces the garbage.
        eventually("replaced", async || Ok(for_each_search(&redis, "if redis.call('TYPE', k).ok == 'string' and string.find(redis.call('GET', k), 'I10') then n = n + 9 end")? == ":10")).await?;
    }
    Ok(())
}

/// Callers whose searches are all different, so that each of them uses Redis.
struct Load {
    callers: JoinSet<Result<Duration>>,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
}

impl Load {
    fn on(api: &Arc<Api>) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let callers = (0..4).map(|caller| {
            let (api, stop, answered) = (Arc::clone(api), Arc::clone(&stop), Arc::clone(&answered));
            async move {
                let (mut number, mut slowest) = (0, Duration::ZERO);
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let began = Instant::now();
                    api.get(&format!("/api/v1/search/icd10?query=diabetes+{caller}+{number}")).await?;
                    slowest = slowest.max(began.elapsed());
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(slowest)
            }
        });
        Self { callers: callers.collect(), stop, answered }
    }

    /// Waits for `more` answers.
    async fn wait_for(&self, more: u64) -> Result<()> {
        let goal = self.answered.load(Ordering::Relaxed) + more;
        eventually("the load continues", async || Ok(self.answered.load(Ordering::Relaxed) >= goal)).await?;
        Ok(())
    }

    /// Stops the callers and returns the time of the slowest answer.
    async fn end(self) -> Result<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let slowest: Result<Vec<Duration>> = self.callers.join_all().await.into_iter().collect();
        Ok(slowest?.into_iter().max().unwrap_or_default())
    }
}

/// Waits until an answer that one server has loaded is a hit at the other.
async fn answers_are_shared(one: &Api, other: &Api) -> Result<()> {
    let mut number = 0;
    eventually("answers are shared", async || {
        number += 1;
        let path = format!("/api/v1/search/icd10?query=mellitus+{number}");
        one.get(&path).await?;
        let began = Instant::now();
        // The value is written to Redis after the answer was sent. Until then the other server would load its own.
        while began.elapsed() < Duration::from_millis(20) {
            tokio::task::yield_now().await;
        }
        Ok(other.cache_status(&path).await? == "hit")
    })
    .await?;
    Ok(())
}

async fn breaker(api: &Api) -> Result<String> {
    let health = api.get("/health/redis").await?;
    assert_ne!(health["status"], "unhealthy", "the service needs no Redis");
    Ok(health["breaker"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_redis_fails_no_search() -> Result<()> {
    let (database, redis) = (database().await?, RedisServer::private()?);
    import(&database.application_url(), "Essential hypertension").await?;
    let one = Arc::new(Api::start(&database.application_url(), Some(&redis)).await?);
    let other = Api::start(&database.application_url(), Some(&redis)).await?;
    answers_are_shared(&one, &other).await?;
    let load = Load::on(&one);
    load.wait_for(50).await?;
    for (break_it, repair_it) in [
        (RedisServer::kill as fn(&RedisServer) -> _, RedisServer::restart as fn(&RedisServer) -> _),
        (RedisServer::freeze, RedisServer::thaw),
    ] {
        break_it(&redis)?;
        eventually("the breaker opens", async || Ok(breaker(&one).await? == "open")).await?;
        let detailed = one.get("/health/detailed").await?;
        assert_eq!(
            (&detailed["status"], &detailed["checks"]["redis"]["status"]),
            (&"degraded".into(), &"degraded".into())
        );
        load.wait_for(50).await?;
        repair_it(&redis)?;
        eventually("the breaker closes", async || Ok(breaker(&one).await? == "closed")).await?;
        answers_are_shared(&one, &other).await?;
        load.wait_for(50).await?;
    }
    redis.restart()?;
    load.wait_for(50).await?;
    answers_are_shared(&one, &other).await?;
    let slowest = load.end().await?;
    assert!(slowest < PATIENCE / 6, "{slowest:?}");
    Ok(())
}
