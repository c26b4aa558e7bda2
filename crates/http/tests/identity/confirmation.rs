//! Keys while their look-up is slow or fails: what they may still do, and for how long.

use super::get_request;
use crate::support::{Answered, Fixture, api_key, ask};
use anyhow::{Result, ensure};
use axum::body::Body;
use axum::http::Request;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls, connect};

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest time for which a look-up counts for writes, from its beginning.
const FRESH: Duration = Duration::from_secs(10);

/// Longest time for which reads are served after the last confirmation.
const READS_SERVED: Duration = Duration::from_secs(60);

/// A tenth of a second, to step over a bound.
const STEP: Duration = Duration::from_millis(100);

/// Moves tokio's clock forward without waiting. The database keeps its own time.
async fn jump(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

/// Waits for a condition.
async fn until(condition: &str, mut is_met: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !is_met().await? {
        ensure!(began.elapsed() < PATIENCE, "not met in time: {condition}");
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn client(api: &Fixture) -> Result<Client> {
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Session that holds a lock on a table until it is dropped, and a second one that watches who waits for it.
struct Locked {
    holder: Client,
    watcher: Client,
}

impl Locked {
    async fn table(api: &Fixture, table: &str) -> Result<Self> {
        let (holder, watcher) = (client(api).await?, client(api).await?);
        holder.batch_execute(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
        Ok(Self { holder, watcher })
    }

    /// Returns the number of sessions that wait for a lock.
    async fn waiting(&self) -> Result<i64> {
        let sql = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        Ok(self.watcher.query_one(sql, &[]).await?.get(0))
    }

    async fn until_waiting(&self, count: i64) -> Result<()> {
        until("sessions wait for the lock", async || Ok(self.waiting().await? >= count)).await
    }

    async fn release(&self) -> Result<()> {
        Ok(self.holder.batch_execute("COMMIT").await?)
    }
}

fn start(api: &Fixture, request: Request<Body>) -> JoinHandle<Answered> {
    let router = api.router.clone();
    tokio::spawn(async move { ask(&router, request).await })
}

fn read(api: &Fixture, key: &str) -> JoinHandle<Answered> {
    start(api, get_request(key, "/api/pidms/products"))
}

/// Sends a read that is refused for its parameters, after authentication and without the database: what it needs the
/// database for might fail because tokio's clock ran ahead of it.
fn read_nothing(api: &Fixture, key: &str) -> JoinHandle<Answered> {
    start(api, get_request(key, "/api/pidms/search?page=0"))
}

/// Status of the answers to [`read_nothing`] with a key that is accepted.
const ADMITTED: u16 = 400;

fn check(api: &Fixture, key: &str) -> JoinHandle<Answered> {
    let request = Request::post("/api/pidms/check").header("x-api-key", key);
    let request = request.header("content-type", "application/json");
    let body = r#"{"keys": "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H"}"#;
    start(api, request.body(Body::from(body)).expect("a request"))
}

/// Returns an API with a key that was used and then revoked.
async fn with_revoked_key() -> Result<(Fixture, String)> {
    let api = Fixture::new().await?;
    let key = api_key(&api.store, &["*"]).await?;
    assert_eq!(check(&api, &key).await?.status, 200);
    assert_eq!(read(&api, &key).await?.status, 200);
    client(&api).await?.batch_execute("UPDATE api_keys SET revoked_at = now()").await?;
    Ok((api, key))
}

#[tokio::test]
async fn revoked_key_writes_nothing_while_its_look_up_hangs() -> Result<()> {
    let (api, key) = with_revoked_key().await?;
    let locked = Locked::table(&api, "api_keys").await?;
    let sent = api.sandbox.seen().requests;
    jump(FRESH + STEP).await;
    let checks: Vec<_> = (0..20).map(|_| check(&api, &key)).collect();
    let are_answered = || checks.iter().all(JoinHandle::is_finished);
    until("the look-up hangs", async || Ok(are_answered() || locked.waiting().await? > 0)).await?;
    jump(FRESH + STEP).await;
    for check in checks {
        let answer = check.await?;
        assert_eq!(answer.refusal(), (503, "DB_CONNECTION_ERROR", vec![]));
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(api.sandbox.seen().requests, sent, "a check was accepted");
    locked.release().await?;
    until("the look-up succeeds", async || Ok(check(&api, &key).await?.status == 401)).await?;
    assert_eq!(read_nothing(&api, &key).await?.refusal().0, 401);
    Ok(())
}

#[tokio::test]
async fn concurrent_requests_share_one_look_up() -> Result<()> {
    let api = Fixture::new().await?;
    let key = api_key(&api.store, &["*"]).await?;
    let locked = Locked::table(&api, "api_keys").await?;
    let (checks, reads): (Vec<_>, Vec<_>) = (0..20).map(|_| (check(&api, &key), read(&api, &key))).unzip();
    locked.until_waiting(1).await?;
    for _ in 0..50 {
        assert_eq!(locked.waiting().await?, 1);
    }
    locked.release().await?;
    for request in checks.into_iter().chain(reads) {
        assert_eq!(request.await?.status, 200);
    }
    Ok(())
}

#[tokio::test]
async fn revoked_key_writes_nothing_while_pool_is_exhausted() -> Result<()> {
    let (api, key) = with_revoked_key().await?;
    let other = api_key(&api.store, &["*"]).await?;
    assert_eq!(read(&api, &other).await?.status, 200);
    let locked = Locked::table(&api, "pidms_products").await?;
    // The pool of the tests has ten connections.
    let held: Vec<_> = (0..20).map(|_| read(&api, &other)).collect();
    locked.until_waiting(10).await?;
    until("the others wait", async || Ok(api.store.health().pool.waiting >= 10)).await?;
    let sent = api.sandbox.seen().requests;
    jump(FRESH + STEP).await;
    let waiting = api.store.health().pool.waiting;
    let refused = check(&api, &key);
    until("the look-up waits", async || Ok(api.store.health().pool.waiting > waiting)).await?;
    jump(FRESH + STEP).await;
    locked.release().await?;
    assert_eq!(refused.await?.refusal().0, 503);
    assert_eq!(api.sandbox.seen().requests, sent, "the check was accepted");
    for request in held {
        request.await?;
    }
    Ok(())
}

#[tokio::test]
async fn unconfirmed_key_reads_for_one_minute() -> Result<()> {
    let api = Fixture::new().await?;
    let key = api_key(&api.store, &["*"]).await?;
    let began = tokio::time::Instant::now();
    assert_eq!(read_nothing(&api, &key).await?.status, ADMITTED);
    let confirmed = tokio::time::Instant::now();
    let locked = Locked::table(&api, "api_keys").await?;
    for age in [FRESH + STEP, READS_SERVED - FRESH] {
        jump(age.saturating_sub(began.elapsed())).await;
        assert_eq!(read_nothing(&api, &key).await?.status, ADMITTED, "after {age:?}");
    }
    jump((READS_SERVED + STEP).saturating_sub(confirmed.elapsed())).await;
    let refused = read_nothing(&api, &key).await?;
    assert_eq!(refused.refusal(), (503, "DB_CONNECTION_ERROR", vec![]));
    locked.release().await?;
    until("it is confirmed", async || Ok(read_nothing(&api, &key).await?.status == ADMITTED)).await
}

#[tokio::test]
async fn remembered_key_expires_on_time() -> Result<()> {
    let api = Fixture::new().await?;
    let key = api_key(&api.store, &["*"]).await?;
    let in_use = "UPDATE api_keys SET expires_at = now() + interval '20 s'";
    client(&api).await?.batch_execute(in_use).await?;
    assert_eq!(read_nothing(&api, &key).await?.status, ADMITTED);
    let locked = Locked::table(&api, "api_keys").await?;
    jump(FRESH + STEP).await;
    assert_eq!(read_nothing(&api, &key).await?.status, ADMITTED, "it has not expired yet");
    jump(FRESH).await;
    assert_eq!(read_nothing(&api, &key).await?.refusal().0, 401);
    locked.release().await
}
