//! The whole service with a real database and the sandbox of PIDKey.com, over HTTP.

use anyhow::{Context, Result, ensure};
use pidkey_sandbox::{Control, Mode, Sandbox};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use steadfast_app::{Drained, Running, Settings, StartError, start};
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_repository::{Store, identity, terminology};
use steadfast_testkit::TestDatabase;
use tokio::task::JoinSet;

/// Maximum wait of a test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Address on which no server listens.
const NO_DATABASE: &str = "postgres://app@127.0.0.1:1/none";

fn settings(variables: &[(&str, &str)]) -> Result<Settings> {
    let read = |name: &str| {
        let set = variables.iter().find(|(known, _)| *known == name);
        set.map(|(_, value)| (*value).to_owned())
    };
    Ok(Settings::read(&read)?)
}

struct Fixture {
    running: Running,
    sandbox: Sandbox,
    client: Client,
    key: String,
    _database: TestDatabase,
}

impl Fixture {
    async fn new() -> Result<Self> {
        let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
        let fingerprint = steadfast_schema::fingerprint();
        let database = TestDatabase::from_template("steadfast", fingerprint, migrate).await?;
        let new = NewApiKey::generate(ApiKeySettings::parse("test", &["*"], None)?);
        identity::create_api_key(
            &Store::connect(&database.application_url())?,
            &Origin::operator("test"),
            &new.record,
        )
        .await?;
        let sandbox = pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?;
        let settings = settings(&[
            ("DATABASE_URL", &database.application_url()),
            ("DB_PROFILE", "development"),
            ("HTTP_PORT", "0"),
            ("PIDKEY_BASE_URL", &sandbox.base_url()),
            ("PIDKEY_API_KEY", "sandbox"),
        ])?;
        let key = new.secret.expose_secret().to_owned();
        Ok(Self { running: start(settings).await?, sandbox, client: Client::new(), key, _database: database })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }

    async fn check(&self, keys: &str) -> Result<Response> {
        let request = self.client.post(self.url("/api/pidms/check")).bearer_auth(&self.key);
        Ok(request.json(&json!({ "keys": keys })).send().await?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checked_keys_are_stored_and_found() -> Result<()> {
    let service = Fixture::new().await?;
    let keys: Vec<String> = (0..5).map(|n| format!("6NRGD-KHFCF-Y4TF7-PRWFD-0000{n}")).collect();
    let checked: Value = service.check(&keys.join("\r\n")).await?.error_for_status()?.json().await?;
    let stored = checked["data"]["summary"]["new_keys"].as_u64().context("a count")?;
    ensure!(stored > 0, "{checked}");
    let search = service.client.get(service.url("/api/pidms/search")).header("x-api-key", &service.key);
    let found: Value = search.send().await?.error_for_status()?.json().await?;
    assert_eq!(found["pagination"]["total_items"].as_u64(), Some(stored));
    assert_eq!(service.running.stop().await?, Drained::Completely);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_keys_are_limited_per_address() -> Result<()> {
    let service = Fixture::new().await?;
    let get = |key: &str| service.client.get(service.url("/api/pidms/products")).bearer_auth(key).send();
    assert_eq!(get(&service.key).await?.status(), 200);
    let began = Instant::now();
    let refused = loop {
        let at_once: JoinSet<_> = (0..20).map(|_| get("garbage")).collect();
        let answers = at_once.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
        if let Some(refused) = answers.into_iter().find(|answer| answer.status() != 401) {
            break refused;
        }
        ensure!(began.elapsed() < PATIENCE, "invalid keys are not limited");
    };
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (429, true));
    assert_eq!(get(&service.key).await?.status(), 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_are_logged_before_shutdown() -> Result<()> {
    let Fixture { running, client, key, _database, .. } = Fixture::new().await?;
    let url = format!("http://{}/api/v1/search/icd10?query=asthma", running.address());
    for _ in 0..3 {
        client.get(&url).bearer_auth(&key).send().await?.error_for_status()?;
    }
    assert_eq!(running.stop().await?, Drained::Completely);
    let store = Store::connect(&_database.application_url())?;
    let statistics = terminology::search_statistics(&store, chrono::NaiveDate::default()).await?;
    assert_eq!(statistics.totals.searches, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn running_check_completes_before_shutdown() -> Result<()> {
    let service = Fixture::new().await?;
    service.sandbox.control(Control { delay_ms: 500, ..Control::mode(Mode::Ok) });
    let Fixture { running, sandbox, client, key, _database } = service;
    let url = format!("http://{}/api/pidms/check", running.address());
    let body = json!({ "keys": "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H" });
    let check = tokio::spawn(client.post(url).bearer_auth(key).json(&body).send());
    let began = Instant::now();
    while sandbox.seen().requests == 0 {
        ensure!(began.elapsed() < PATIENCE, "the check did not reach the sandbox");
        tokio::task::yield_now().await;
    }
    assert_eq!(running.stop().await?, Drained::Completely);
    assert_eq!(check.await??.status(), 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn service_without_database_is_not_ready() -> Result<()> {
    let running = start(settings(&[("DATABASE_URL", NO_DATABASE), ("PORT", "0")])?).await?;
    let url = |path: &str| format!("http://{}{path}", running.address());
    assert_eq!(reqwest::get(url("/health/live")).await?.status(), 200);
    assert_eq!(reqwest::get(url("/health/ready")).await?.status(), 503);
    let new = NewApiKey::generate(ApiKeySettings::parse("unknown", &["*"], None)?);
    let request = Client::new().get(url("/api/pidms/products")).bearer_auth(new.secret.expose_secret());
    let answer = request.send().await?;
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await?["error"], "DB_CONNECTION_ERROR");
    assert_eq!(running.stop().await?, Drained::Completely);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn error_names_address_in_use() -> Result<()> {
    let running = start(settings(&[("DATABASE_URL", NO_DATABASE), ("PORT", "0")])?).await?;
    let port = running.address().port().to_string();
    let second = start(settings(&[("DATABASE_URL", NO_DATABASE), ("PORT", &port)])?).await;
    let error = second.expect_err("the port is taken");
    assert!(matches!(error, StartError::Listen { .. }));
    assert!(error.to_string().contains(&port) && error.to_string().contains("HTTP_PORT"), "{error}");
    assert_eq!(running.stop().await?, Drained::Completely);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn error_names_settings_that_libraries_reject() -> Result<()> {
    let wrong_url =
        start(settings(&[("DATABASE_URL", "mysql://S3CRET@db")])?).await.expect_err("no PostgreSQL");
    assert!(matches!(wrong_url, StartError::Settings(_)));
    assert!(wrong_url.to_string().contains("DATABASE_URL") && !wrong_url.to_string().contains("S3CRET"));
    let wrong_base = settings(&[("DATABASE_URL", NO_DATABASE), ("PIDKEY_BASE_URL", "ftp://S3CRET")])?;
    let wrong_base = start(wrong_base).await.expect_err("no HTTP");
    assert!(wrong_base.to_string().contains("PIDKEY_BASE_URL") && !wrong_base.to_string().contains("S3CRET"));
    Ok(())
}
