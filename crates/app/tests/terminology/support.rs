//! Servers that share a database and a Redis, and direct commands to that Redis.

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use steadfast_app::{Drained, Running, Settings, start};
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::{Store, identity, terminology};
use steadfast_testkit::{RedisServer, TestDatabase};

/// Maximum wait of a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Search with results.
pub(crate) const SEARCH: &str = "/api/v1/search/icd10?query=hypertension";

/// Creates a migrated database.
pub(crate) async fn database() -> Result<TestDatabase> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate)
        .await
        .context("a database")
}

/// Imports a small table, in which the term of I10 is `hypertension`, and puts it in use.
pub(crate) async fn import(url: &str, hypertension: &str) -> Result<()> {
    let rows: Result<Vec<ImportRow>> = [
        ("E11", "", "Type 2 diabetes mellitus"),
        ("E119", "E11", "Type 2 diabetes, plain"),
        ("I10", "", hypertension),
    ]
    .into_iter()
    .map(|(code, parent, term)| {
        let parse = |text: &str| IcdCode::parse("code", text);
        Ok(ImportRow {
            code: parse(code)?,
            term: term.to_owned(),
            category: parse(&code[..3])?,
            parent_code: Some(parent).filter(|parent| !parent.is_empty()).map(parse).transpose()?,
            block: "A00-A09".to_owned(),
            chapter: "4 Some diseases (A00-Z99)".to_owned(),
            billable: code.len() > 3,
        })
    })
    .collect();
    terminology::import(&Store::connect(url)?, hypertension, &rows?, |_| ()).await?;
    Ok(())
}

/// API server with an API key that has all scopes.
pub(crate) struct Api {
    running: Running,
    client: Client,
    key: String,
    variables: Vec<(&'static str, String)>,
}

impl Api {
    /// Starts a server for the database at `url`, with a new key.
    pub(crate) async fn start(url: &str, redis: Option<&RedisServer>) -> Result<Self> {
        let new = NewApiKey::generate(ApiKeySettings::parse("test", &["*"], None)?);
        identity::create_api_key(&Store::connect(url)?, &Origin::operator("test"), &new.record).await?;
        let mut variables = vec![
            ("DATABASE_URL", url.to_owned()),
            ("DB_PROFILE", "development".into()),
            ("HTTP_PORT", "0".into()),
            ("RATE_LIMIT_PER_SECOND", "0".into()),
        ];
        variables.extend(redis.map(|redis| ("REDIS_URL", redis.url())));
        Self::with(variables, new.secret.expose_secret().to_owned()).await
    }

    /// Restarts the server with more variables.
    pub(crate) async fn restarted(self, more: &[(&'static str, &str)]) -> Result<Self> {
        let Self { running, mut variables, key, .. } = self;
        ensure!(running.stop().await? == Drained::Completely);
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self::with(variables, key).await
    }

    async fn with(variables: Vec<(&'static str, String)>, key: String) -> Result<Self> {
        let read = |name: &str| {
            let set = variables.iter().rev().find(|(known, _)| *known == name);
            set.map(|(_, value)| value.clone())
        };
        let running = start(Settings::read(&read)?).await?;
        Ok(Self { running, client: Client::new(), key, variables })
    }

    pub(crate) async fn ask(&self, path: &str) -> Result<Response> {
        let url = format!("http://{}{path}", self.running.address());
        Ok(self.client.get(url).bearer_auth(&self.key).send().await?)
    }

    /// Returns the body of a successful request.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.ask(path).await?;
        let (status, body) = (answer.status(), answer.json::<Value>().await?);
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    /// Returns the cache status of a successful request.
    pub(crate) async fn cache_status(&self, path: &str) -> Result<String> {
        let body = self.get(path).await?;
        Ok(body["data"]["cache_status"].as_str().with_context(|| format!("{path}: {body}"))?.to_owned())
    }

    /// Returns the numbers of hits and misses of a batch.
    pub(crate) async fn batch(&self, codes: &[&str]) -> Result<(u64, u64)> {
        let url = format!("http://{}/api/v1/batch/codes", self.running.address());
        let request = self.client.post(url).bearer_auth(&self.key).json(&json!({ "codes": codes }));
        let body: Value = request.send().await?.error_for_status()?.json().await?;
        let count = |name: &str| body["data"][name].as_u64().with_context(|| format!("{name}: {body}"));
        Ok((count("cache_hits")?, count("cache_misses")?))
    }
}

/// Waits until `condition` returns true. Returns the time that it took.
pub(crate) async fn eventually(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<Duration> {
    let began = Instant::now();
    while !condition().await? {
        ensure!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(began.elapsed())
}

/// Sends a command to Redis and returns the first line of the answer.
pub(crate) fn send(redis: &RedisServer, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect(redis.address())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "{command}\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Waits until Redis has this number of keys: values are written after answers were sent.
pub(crate) async fn until_written(redis: &RedisServer, keys: u64) -> Result<()> {
    eventually("Redis has all values", async || {
        let count: u64 = send(redis, "DBSIZE")?.trim_start_matches(':').parse()?;
        Ok(count >= keys)
    })
    .await?;
    Ok(())
}
