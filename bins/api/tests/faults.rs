//! The program under load, and killed while it works: answered checks are never lost, and the audit trail is complete.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use anyhow::{Context, Result, ensure};
use pidkey_sandbox::Sandbox;
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_repository::Store;
use steadfast_services::audit::verify;
use steadfast_testkit::TestDatabase;
use tokio::time::sleep;
use tokio_postgres::NoTls;

/// API key whose hash is inserted directly.
const KEY: &str = "sf_FaultsKeyOfTheTestsKeyOfTheTestsKeyOfTheTes3urri1";

/// API server in a separate process, with a private database and sandbox.
struct Api {
    child: Child,
    url: String,
    client: Client,
}

impl Api {
    fn start(database: &TestDatabase, sandbox: &Sandbox) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast-api"));
        command
            .env_clear()
            .env("DATABASE_URL", database.application_url())
            .env("HTTP_PORT", "0")
            .env("LOG_FORMAT", "text")
            .env("RATE_LIMIT_PER_SECOND", "0");
        command.env("PIDKEY_BASE_URL", sandbox.base_url()).env("PIDKEY_API_KEY", "sandbox");
        command.env("PIDKEY_REQUESTS_PER_SECOND", "1000").stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("piped")?).lines().map_while(Result::ok);
        let listening = lines.find_map(|line| Some(line.split_once("listening on ")?.1.trim().to_owned()));
        // If the rest were not read, the program would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = listening.context("it ended without listening")?;
        Ok(Self { child, url, client: Client::new() })
    }

    async fn check(&self, keys: &str) -> Result<Value> {
        let request = self.client.post(format!("{}/api/pidms/check", self.url)).bearer_auth(KEY);
        let body = json!({ "keys": keys }).to_string();
        let response = request.header("content-type", "application/json").body(body).send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "{status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // Fails if the test has killed it already.
        _ = self.kill();
    }
}

async fn database() -> Result<TestDatabase> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let database = TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?;
    let sql = "INSERT INTO api_keys (key_hash, name, key_prefix, scopes) VALUES (sha256($1::text::bytea), 'test', 'sf_fault', '{*}')";
    client(&database).await?.execute(sql, &[&KEY]).await?;
    Ok(database)
}

async fn client(database: &TestDatabase) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn stored(database: &TestDatabase) -> Result<HashSet<String>> {
    let rows = client(database).await?.query("SELECT keyname FROM pidms_keys", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Returns fifty keys. Consecutive batches overlap.
fn batch(number: u32) -> String {
    (0..50).map(|n| format!("{:025}\n", number * 10 + n)).collect()
}

fn keys_stored_by(answer: &Value) -> Vec<String> {
    let results = answer["data"]["results"].as_array().expect("results");
    let of_status = |result: &&Value| result["status"] != "error";
    results
        .iter()
        .filter(of_status)
        .filter_map(|result| Some(result["keyname"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_checks_store_each_key_once() -> Result<()> {
    let (database, sandbox) = (database().await?, pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?);
    let api = Arc::new(Api::start(&database, &sandbox)?);
    let mut checks = Vec::new();
    for number in 0..50 {
        let api = Arc::clone(&api);
        checks.push(tokio::spawn(async move { api.check(&batch(number)).await }));
    }
    let (mut new, mut named) = (0, HashSet::new());
    for check in checks {
        let answer = check.await??;
        new += answer["data"]["summary"]["new_keys"].as_u64().context("a count")?;
        named.extend(keys_stored_by(&answer));
    }
    let stored = stored(&database).await?;
    assert_eq!((new as usize, named.len()), (stored.len(), stored.len()), "none lost, none doubled");
    assert!(stored.len() > 450, "{}", stored.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_server_loses_no_answered_check() -> Result<()> {
    let (database, sandbox) = (database().await?, pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?);
    let answered = Arc::new(Mutex::new(HashSet::new()));
    for round in 0..3_u32 {
        let mut api = Api::start(&database, &sandbox)?;
        let mut callers = Vec::new();
        for caller in 0..8_u32 {
            let (answered, url, client) = (Arc::clone(&answered), api.url.clone(), api.client.clone());
            callers.push(tokio::spawn(async move {
                for number in 0.. {
                    let keys = batch(1_000 * (round + 1) + 100 * caller + number);
                    let request = client.post(format!("{url}/api/pidms/check")).bearer_auth(KEY);
                    let body = json!({ "keys": keys }).to_string();
                    let sent = request.header("content-type", "application/json").body(body).send().await;
                    let Ok(response) = sent else { return };
                    let Ok(text) = response.text().await else { return };
                    let Ok(answer) = serde_json::from_str::<Value>(&text) else { return };
                    answered.lock().expect("whole").extend(keys_stored_by(&answer));
                }
            }));
        }
        let before = answered.lock().expect("whole").len();
        while answered.lock().expect("whole").len() < before + 500 {
            sleep(Duration::from_millis(2)).await;
        }
        api.kill()?;
        for caller in callers {
            caller.await?;
        }
        let missing: Vec<String> = {
            let stored = stored(&database).await?;
            answered.lock().expect("whole").difference(&stored).cloned().collect()
        };
        assert!(missing.is_empty(), "round {round}: {missing:?}");
    }
    let api = Api::start(&database, &sandbox)?;
    let again = api.check(&batch(1_000)).await?;
    assert_eq!(
        again["data"]["summary"]["new_keys"], 0,
        "a repeated check is an update: {}",
        again["data"]["summary"]
    );
    Ok(())
}

/// Creates the API key `name` with an idempotency key of the same text, and revokes it if `number` is even. Returns false
/// if the outcome of the creation is unknown.
async fn create_key(client: &Client, url: &str, name: &str, number: usize) -> bool {
    let keys = format!("{url}/api/identity/api-keys");
    let request = client.post(&keys).bearer_auth(KEY).header("idempotency-key", name);
    let body = json!({ "name": name, "scopes": ["keys:read"] }).to_string();
    let sent = request.header("content-type", "application/json").body(body).send().await;
    let Ok(response) = sent.and_then(reqwest::Response::error_for_status) else { return false };
    let Ok(text) = response.text().await else { return false };
    let created: Value = serde_json::from_str(&text).unwrap_or_default();
    if number.is_multiple_of(2) {
        let id = &created["data"]["api_key"]["id"];
        // Whether it succeeds does not matter: effect and entry are compared.
        _ = client.delete(format!("{keys}/{id}")).bearer_auth(KEY).send().await;
    }
    true
}

/// Creates keys, beginning with those whose outcome is `unknown`, until the server is gone. Creates none twice.
async fn create_keys(
    api: &Api,
    round: u32,
    unknown: &Arc<Mutex<Vec<String>>>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let spawn = |caller: usize| {
        let (unknown, url, client) = (Arc::clone(unknown), api.url.clone(), api.client.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let earlier = unknown.lock().expect("whole").pop();
                let name = earlier.unwrap_or_else(|| format!("order-{round}-{caller}-{number}"));
                if !create_key(&client, &url, &name, number).await {
                    unknown.lock().expect("whole").push(name);
                    if client.get(format!("{url}/health/live")).send().await.is_err() {
                        return;
                    }
                }
            }
        })
    };
    (0..8).map(spawn).collect()
}

/// Counts what `sql` counts.
async fn count(client: &tokio_postgres::Client, sql: &str) -> Result<i64> {
    Ok(client.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await?.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_servers_leave_a_complete_trail() -> Result<()> {
    let kills = if std::env::var_os("STEADFAST_LONG").is_some() { 200 } else { 8 };
    let (database, sandbox) = (database().await?, pidkey_sandbox::start(([127, 0, 0, 1], 0).into()).await?);
    let (unknown, inspector) = (Arc::default(), client(&database).await?);
    let mut repeated = 0;
    for round in 0..kills {
        let mut api = Api::start(&database, &sandbox)?;
        let (before, seals) = (count(&inspector, "api_keys").await?, count(&inspector, "audit_seals").await?);
        let callers = create_keys(&api, round, &unknown).await;
        while count(&inspector, "api_keys").await? < before + 30 {
            sleep(Duration::from_millis(2)).await;
        }
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
            AND pid <> pg_backend_pid()";
        inspector.batch_execute(terminate).await?;
        // In some rounds the server is killed while it seals rows.
        while round % 8 == 0 && count(&inspector, "audit_seals").await? == seals {
            sleep(Duration::from_millis(2)).await;
        }
        api.kill()?;
        for caller in callers {
            caller.await?;
        }
        repeated += unknown.lock().expect("whole").len();
    }
    let api = Api::start(&database, &sandbox)?;
    loop {
        let Some(name) = unknown.lock().expect("whole").pop() else { break };
        if !create_key(&api.client, &api.url, &name, 1).await {
            unknown.lock().expect("whole").push(name);
        }
    }
    assert!(repeated > 0, "no response was lost");
    let effects = "SELECT id::text, 'create' FROM api_keys WHERE name <> 'test' \
        UNION ALL SELECT id::text, 'revoke' FROM api_keys WHERE revoked_at IS NOT NULL";
    let entries = "SELECT resource_id, action FROM audit_log WHERE resource_type = 'api_key'";
    let without_entry = count(&inspector, &format!("({effects} EXCEPT ALL {entries}) effects")).await?;
    let without_effect = count(&inspector, &format!("({entries} EXCEPT ALL ({effects})) entries")).await?;
    assert_eq!((without_entry, without_effect), (0, 0), "effects without entry, entries without effect");
    assert_eq!(
        count(&inspector, "(SELECT FROM api_keys GROUP BY name HAVING count(*) > 1) doubled").await?,
        0
    );
    let store = Store::connect(&database.application_url())?;
    let verified = loop {
        let verified = verify(&store, None, |_| ()).await?;
        if verified.unsealed == 0 {
            break verified;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let rows = count(&inspector, "audit_log").await?;
    assert_eq!((verified.findings, verified.intact as i64), (0, rows));
    Ok(())
}
