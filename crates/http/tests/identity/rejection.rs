//! Keys that are not valid: what refusing them costs, and how many an address may send.

use super::get_request;
use crate::support::{Answered, Fixture, UNKNOWN_KEY, api_key, ask};
use anyhow::{Context, Result};
use axum::extract::ConnectInfo;
use futures_util::future::join_all;
use secrecy::ExposeSecret;
use std::net::{IpAddr, SocketAddr};
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_testkit::APPLICATION_ROLE;
use tokio_postgres::{Client, NoTls, connect};

const READ: &str = "/api/pidms/products";

/// Counts the look-ups of API keys that reach the server.
struct LookUps(Client);

impl LookUps {
    async fn of(api: &Fixture) -> Result<Self> {
        let (client, connection) = connect(&api.database.url(), NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await?;
        Ok(Self(client))
    }

    async fn count(&self) -> Result<i64> {
        let sql = format!(
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
             AND userid = '{APPLICATION_ROLE}'::regrole AND query LIKE 'SELECT%\"api_keys\"%'"
        );
        Ok(self.0.query_one(&sql, &[]).await?.get(0))
    }
}

fn new_key() -> Result<String> {
    let new = NewApiKey::generate(ApiKeySettings::parse("unknown", &["*"], None)?);
    Ok(new.secret.expose_secret().to_owned())
}

async fn get_from(api: &Fixture, address: &str, key: &str) -> Result<Answered> {
    let mut request = get_request(key, READ);
    let address: IpAddr = address.parse().context("an address")?;
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 40_000)));
    Ok(ask(&api.router, request).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_keys_cost_no_look_up() -> Result<()> {
    let api = Fixture::new().await?;
    let look_ups = LookUps::of(&api).await?;
    assert_eq!(ask(&api.router, get_request(api.key(), READ)).await.status, 200);
    assert_eq!(look_ups.count().await?, 1, "the key that is in use is looked up");
    for number in 0..2_000 {
        // As long as keys are, and of the same characters.
        let key = format!("sf_{number:049}");
        assert_eq!(ask(&api.router, get_request(&key, READ)).await.refusal().0, 401, "{key}");
    }
    assert_eq!(look_ups.count().await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_key_is_looked_up_once() -> Result<()> {
    let api = Fixture::new().await?;
    let look_ups = LookUps::of(&api).await?;
    for _ in 0..100 {
        assert_eq!(ask(&api.router, get_request(UNKNOWN_KEY, READ)).await.refusal().0, 401);
    }
    assert_eq!(look_ups.count().await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn new_key_works_at_once() -> Result<()> {
    let api = Fixture::new().await?;
    for _ in 0..20 {
        assert_eq!(ask(&api.router, get_request(&new_key()?, READ)).await.refusal().0, 401);
        let key = api_key(&api.store, &["keys:read"]).await?;
        assert_eq!(ask(&api.router, get_request(&key, READ)).await.status, 200);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn address_that_sends_many_invalid_keys_is_refused() -> Result<()> {
    let api = Fixture::new().await?;
    let (attacker, neighbour, other) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
    assert_eq!(get_from(&api, attacker, api.key()).await?.status, 200);
    let look_ups = LookUps::of(&api).await?;
    let before = look_ups.count().await?;
    let mut refused = 0;
    let keys = (0..400).map(|_| new_key()).collect::<Result<Vec<_>>>()?;
    // Concurrently, so that the budget is not refilled between them.
    for answer in join_all(keys.iter().map(|key| get_from(&api, attacker, key))).await {
        let answer = answer?;
        if answer.status == 429 {
            assert_eq!(answer.refusal().1, "RATE_LIMITED");
            assert_eq!(answer.headers["retry-after"], "1");
            refused += 1;
        } else {
            assert_eq!(answer.refusal().0, 401);
        }
    }
    assert!(refused > 0, "nothing was refused");
    assert_eq!(look_ups.count().await? - before, 400 - refused, "refused keys are not looked up");
    // Keys that are in use, and other networks, are not affected.
    assert_eq!(get_from(&api, attacker, api.key()).await?.status, 200);
    assert_eq!(get_from(&api, other, "garbage").await?.status, 401);
    // A neighbour in the same /64 is. The part of the budget that was refilled since is used up first.
    let mut neighbours = 0;
    while get_from(&api, neighbour, "garbage").await?.status != 429 {
        neighbours += 1;
        assert!(neighbours < 100, "the neighbour has a budget of its own");
    }
    Ok(())
}
