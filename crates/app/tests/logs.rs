//! Contents of the log: no secrets, whatever fails, and pending migrations. This is a separate program, because it
//! records every event of the process.

use anyhow::{Context, Result, ensure};
use pidkey_sandbox::{Control, Mode, Sandbox};
use secrecy::ExposeSecret;
use serde_json::json;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};
use steadfast_app::{Drained, Running, Settings, start};
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_postgres::SessionSettings;
use steadfast_repository::{Store, identity};
use steadfast_telemetry::JsonLayer;
use steadfast_testkit::TestDatabase;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Key of the account at PIDKey.com.
const PIDKEY: &str = "CANARYOFTHEACCOUNT0000001";

/// Product key that is checked.
const PRODUCT: &str = "6NRGD-KHFCF-Y4TF7-PRWFD-YBF3H";
/// Parts of [`PRODUCT`] that would disclose it.
const PRODUCT_PARTS: [&str; 3] = ["6NRGDKHFCF", "KHFCF-Y4TF7", "PRWFD"];

/// Invalid line of a check.
const REJECTED: &str = "CANARYOFALINE";

/// Maximum wait of a test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Log of the whole process at every level, since connections are driven by tasks on any thread. Logging begins when
/// this is initialised.
static LOG: LazyLock<Sink> = LazyLock::new(|| {
    let sink = Sink::default();
    let writer = sink.clone();
    tracing_subscriber::registry().with(JsonLayer::new(move || writer.clone())).init();
    sink
});

/// Log lines in memory.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn migrated() -> Result<TestDatabase> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let fingerprint = steadfast_schema::fingerprint();
    Ok(TestDatabase::from_template("steadfast", fingerprint, migrate).await?)
}

struct Fixture {
    running: Running,
    sandbox: Sandbox,
    /// API key of the caller.
    key: String,
    database: TestDatabase,
}

impl Fixture {
    async fn new() -> Result<Self> {
        let database = migrated().await?;
        let new = NewApiKey::generate(ApiKeySettings::parse("canary", &["*"], None)?);
        identity::create_api_key(
            &Store::connect(&database.application_url())?,
            &Origin::operator("test"),
            &new.record,
        )
        .await?;
        let sandbox = pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?;
        let (url, base_url) = (database.application_url(), sandbox.base_url());
        let settings = Settings::read(&|name| match name {
            "DATABASE_URL" => Some(url.clone()),
            "PIDKEY_BASE_URL" => Some(base_url.clone()),
            "PIDKEY_API_KEY" => Some(PIDKEY.to_owned()),
            "HTTP_PORT" => Some("0".to_owned()),
            _ => None,
        })?;
        let key = new.secret.expose_secret().to_owned();
        Ok(Self { running: start(settings).await?, sandbox, key, database })
    }

    /// Checks [`PRODUCT`] and [`REJECTED`]. Returns status and text of the answer.
    async fn check(&self) -> Result<(u16, String)> {
        let url = format!("http://{}/api/pidms/check", self.running.address());
        let body = json!({ "keys": format!("{PRODUCT}\r\n{REJECTED}") });
        let request = reqwest::Client::new().post(url).header("x-api-key", &self.key).json(&body);
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// Returns the secrets.
    fn secrets(&self) -> Vec<&str> {
        [PIDKEY, "apikey=", self.key.as_str(), REJECTED].into_iter().chain(PRODUCT_PARTS).collect()
    }
}

/// Ensures that `text` contains none of `secrets` in any case of letters.
fn ensure_without(secrets: &[&str], text: &str, origin: &str) -> Result<()> {
    let upper = text.to_uppercase();
    for secret in secrets {
        ensure!(!upper.contains(&secret.to_uppercase()), "{secret} in {origin}:\n{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_answers_contain_no_secrets() -> Result<()> {
    LazyLock::force(&LOG);
    let service = Fixture::new().await?;
    let secrets = service.secrets();
    let (client, connection) =
        tokio_postgres::connect(&service.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);

    for (mode, status) in [(Mode::ServerError, 502), (Mode::Unauthorized, 500), (Mode::Garbage, 502)] {
        service.sandbox.control(Control::mode(mode));
        let (answered, text) = service.check().await?;
        ensure!(answered == status, "{mode:?}: {answered} {text}");
        ensure_without(&secrets, &text, &format!("the answer, {mode:?}"))?;
    }
    service.sandbox.control(Control::mode(Mode::Ok));
    ensure!(service.sandbox.seen().last_query.contains(PIDKEY), "it was sent");

    // PostgreSQL's message contains the whole row for the first fault, and the statement for the second.
    for (fault, repair) in [
        (
            "ALTER TABLE pidms_keys ADD CONSTRAINT canary CHECK (false) NOT VALID",
            "ALTER TABLE pidms_keys DROP CONSTRAINT canary",
        ),
        ("ALTER TABLE pidms_keys RENAME TO away", "ALTER TABLE away RENAME TO pidms_keys"),
    ] {
        client.batch_execute(fault).await?;
        let (status, text) = service.check().await?;
        ensure!([409, 500].contains(&status), "{fault}: {status} {text}");
        ensure_without(&secrets, &text, fault)?;
        client.batch_execute(repair).await?;
    }

    // Product keys appear only in the results of the caller's own check.
    let (status, text) = service.check().await?;
    ensure!(status == 200 && text.contains(PRODUCT), "{status} {text}");
    ensure_without(&[PIDKEY, "apikey=", service.key.as_str()], &text, "the answer")?;

    let key = service.key.clone();
    let Fixture { running, database: _database, .. } = service;
    ensure!(running.stop().await? == Drained::Completely);
    let lines = LOG.text();
    for part in ["\"TRACE\"", "\"message\":\"request\"", "key check failed", "key check completed"] {
        ensure!(lines.contains(part), "{part} is not logged: {lines}");
    }
    for line in lines.lines() {
        let secrets = [PIDKEY, "apikey=", key.as_str(), REJECTED];
        let secrets: Vec<&str> = secrets.into_iter().chain(PRODUCT_PARTS).collect();
        ensure_without(&secrets, line, "the log").context("a line")?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_pending_migrations_at_startup() -> Result<()> {
    LazyLock::force(&LOG);
    let database = migrated().await?;
    let url = database.url();
    ensure!(steadfast_app::pending(&url, &SessionSettings::default()).await?.is_empty(), "it is up to date");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(
            "DELETE FROM __diesel_schema_migrations
             WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
        )
        .await?;
    let pending = steadfast_app::pending(&url, &SessionSettings::default()).await?;
    let [last] = pending.as_slice() else { anyhow::bail!("{pending:?}") };
    let settings = Settings::read(&|name| match name {
        "DATABASE_URL" => Some(url.clone()),
        "HTTP_PORT" => Some("0".to_owned()),
        _ => None,
    })?;
    let running = start(settings).await?;
    let began = Instant::now();
    let is_reported = |line: &str| line.contains("migrations are pending") && line.contains(last.as_str());
    while !LOG.text().lines().any(is_reported) {
        ensure!(began.elapsed() < PATIENCE, "not reported: {}", LOG.text());
        tokio::task::yield_now().await;
    }
    ensure!(running.stop().await? == Drained::Completely);
    client.batch_execute("DROP TABLE __diesel_schema_migrations").await?;
    ensure!(steadfast_app::pending(&url, &SessionSettings::default()).await?.len() > 1, "all of them");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_last_seal_of_the_audit_trail() -> Result<()> {
    LazyLock::force(&LOG);
    // Its API key has an entry.
    let service = Fixture::new().await?;
    let (client, connection) =
        tokio_postgres::connect(&service.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let (sql, began) = ("SELECT number || ':' || encode(hash, 'hex') FROM audit_seals", Instant::now());
    let is_logged = |seal: &str| {
        LOG.text().lines().any(|line| line.contains("last seal of the audit trail") && line.contains(seal))
    };
    while !client.query_opt(sql, &[]).await?.is_some_and(|row| is_logged(row.get(0))) {
        ensure!(began.elapsed() < PATIENCE, "no seal is logged");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ensure!(service.running.stop().await? == Drained::Completely);
    Ok(())
}
