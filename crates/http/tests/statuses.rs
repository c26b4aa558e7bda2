//! Every documented status is sent. The document's own examples are the requests, so new routes are included.

use crate::document::{Operation, operations};
use crate::support::{Fixture, UNKNOWN_KEY, api_key, ask};
use crate::terminology::filled;
use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use pidkey_sandbox::{Control, Mode};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use steadfast_repository::{SessionSettings, Store};
use tokio_postgres::{Client, NoTls, connect};

/// The statuses that were sent, by operation.
struct Seen<'a> {
    api: &'a Fixture,
    client: Client,
    /// Key with all scopes that no operation removes.
    key: String,
    /// Token of a session of a user with all scopes, which only the logout ends.
    session: String,
    operations: Vec<Operation>,
    statuses: BTreeSet<(String, u16)>,
}

impl Seen<'_> {
    /// Sends a variant of each operation to `router`.
    async fn send(&mut self, router: &Router, variant: impl Fn(&Operation) -> Option<Request<Body>>) {
        for operation in &self.operations {
            if let Some(request) = variant(operation) {
                // `ask` fails if the document does not have the status.
                let status = ask(router, request).await.status;
                self.statuses.insert((operation.name(), status.as_u16()));
            }
        }
    }

    /// Sends the example of each operation to `router`.
    async fn send_examples(&mut self, router: &Router) {
        let (key, session) = (self.key.clone(), self.session.clone());
        self.send(router, |operation| Some(own_example(operation, &key, &session))).await;
    }

    /// Returns a router over `store` with nothing cached but the caller and the release in use.
    async fn cold_router(&self, store: &Store) -> Result<Router> {
        let router = self.api.router_over(store)?;
        // Another code than those of the examples. Afterwards the catalogue knows the release in use.
        for (key, path) in [(&self.key, "/api/v1/code/E11"), (&self.session, "/api/identity/sessions")] {
            let request = Request::get(path).header("x-api-key", key);
            assert_eq!(ask(&router, request.body(Body::empty())?).await.status, StatusCode::OK);
        }
        Ok(router)
    }

    fn missing(&self) -> Vec<String> {
        let documented = self
            .operations
            .iter()
            .flat_map(|operation| operation.statuses.iter().map(|status| (operation.name(), *status)));
        let missing = documented.filter(|sent| !self.statuses.contains(sent));
        missing.map(|(name, status)| format!("{name} {status}")).collect()
    }
}

/// Returns the example with `session` if the operation is about the session of the request, and with `key` otherwise.
fn own_example(operation: &Operation, key: &str, session: &str) -> Request<Body> {
    let is_own = operation.scope.as_deref() == Some("identity:own") && !operation.path.ends_with("{id}");
    example(operation, if is_own { session } else { key })
}

fn example(operation: &Operation, key: &str) -> Request<Body> {
    operation.request(key).body(operation.body()).expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_status_is_sent() -> Result<()> {
    let api = filled().await?;
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    let operations = operations(&api.get("/openapi.json").await.body)?;
    let key = api_key(&api.store, &["*"]).await?;
    let session = api.user().await?;
    let mut seen = Seen { api: &api, client, key, session, operations, statuses: BTreeSet::new() };
    refuse_logins(&mut seen).await?;
    refuse_callers(&mut seen).await?;
    refuse_inputs(&mut seen).await?;
    refuse_by_state(&mut seen).await?;
    refuse_entries(&mut seen).await;
    refuse_notes(&mut seen).await;
    fail_upstream(&mut seen).await;
    fail_database(&mut seen).await?;
    let router = api.cold_router()?;
    seen.send_examples(&router).await;
    assert_eq!(seen.missing(), [""; 0], "documented and never sent");
    Ok(())
}

/// Sends requests with invalid keys: 401, 403 and 429, and 400 for two different keys.
async fn refuse_callers(seen: &mut Seen<'_>) -> Result<()> {
    let router = seen.api.router.clone();
    let guarded = |operation: &Operation| operation.scope.is_some();
    let stranger = api_key(&seen.api.store, &["terminology:read"]).await?;
    let reader = api_key(&seen.api.store, &["keys:read"]).await?;
    for key in [UNKNOWN_KEY, &stranger, &reader] {
        seen.send(&router, |operation| guarded(operation).then(|| example(operation, key))).await;
    }
    let key = seen.key.clone();
    // An API key has no session.
    seen.send(&router, |operation| operation.path.ends_with("/current").then(|| example(operation, &key)))
        .await;
    seen.send(&router, |operation| {
        let request = operation.request(&key).header("authorization", format!("Bearer {UNKNOWN_KEY}"));
        guarded(operation).then(|| request.body(operation.body()).expect("a request"))
    })
    .await;
    // More than an address may send.
    for _ in 0..10 {
        seen.send(&router, |operation| {
            let mut request = example(operation, "garbage");
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 40_000))));
            guarded(operation).then_some(request)
        })
        .await;
    }
    Ok(())
}

/// Sends logins until the address is locked: 401 and 429. Others cannot log in with this address, but with another.
async fn refuse_logins(seen: &mut Seen<'_>) -> Result<()> {
    let router = seen.api.router.clone();
    for _ in 0..6 {
        seen.send(&router, |operation| {
            let body = json!({ "login": "unknown@example.com", "password": "wrong" }).to_string();
            is_login(operation).then(|| operation.request("").body(body.into()).expect("a request"))
        })
        .await;
    }
    // An invalid input, because invalid keys do not matter.
    seen.send(&router, |operation| {
        is_login(operation).then(|| operation.request("").body("{}".into()).expect("a request"))
    })
    .await;
    Ok(())
}

fn is_login(operation: &Operation) -> bool {
    operation.path == "/api/identity/sessions" && operation.scope.is_none()
}

/// Sends invalid inputs: 404, 413 and 415.
async fn refuse_inputs(seen: &mut Seen<'_>) -> Result<()> {
    let (router, key) = (seen.api.router.clone(), seen.key.clone());
    seen.send(&router, |operation| {
        let absent = operation.statuses.contains(&404).then(|| operation.on_nothing()).flatten()?;
        Some(example(&absent, &key))
    })
    .await;
    let has_body = |operation: &Operation| operation.body.is_some();
    seen.send(&router, |operation| {
        let large = Body::from(format!("{{\"x\": \"{}\"}}", "x".repeat(100_000)));
        has_body(operation).then(|| operation.request(&key).body(large).expect("a request"))
    })
    .await;
    seen.send(&router, |operation| {
        let request = Request::builder().method(operation.method.clone()).uri(&operation.uri);
        let request = request.header("x-api-key", &key).header("content-type", "text/plain");
        let request = if operation.is_conditional { request.header("if-match", "*") } else { request };
        has_body(operation).then(|| request.body(operation.body()).expect("a request"))
    })
    .await;
    Ok(())
}

/// Sends requests that the stored state does not permit: 409, 412 and 422.
async fn refuse_by_state(seen: &mut Seen<'_>) -> Result<()> {
    let (router, key) = (seen.api.router.clone(), seen.key.clone());
    let repeatable = |operation: &Operation, body: Body| {
        let request = operation.request(&key).header("idempotency-key", &operation.path);
        operation.is_repeatable.then(|| request.body(body).expect("a request"))
    };
    // As if the first request of any caller were still running.
    for path in
        seen.operations.iter().filter(|operation| operation.is_repeatable).map(|operation| &operation.path)
    {
        let lock =
            "SELECT pg_advisory_lock(hashtextextended('api_key:' || id || ' ' || $1, 0)) FROM api_keys";
        seen.client.query(lock, &[path]).await?;
    }
    seen.send(&router, |operation| repeatable(operation, operation.body())).await;
    seen.client.batch_execute("SELECT pg_advisory_unlock_all()").await?;
    seen.send(&router, |operation| repeatable(operation, operation.body())).await;
    seen.send(&router, |operation| {
        repeatable(operation, Body::from(operation.body.as_ref()?.to_string() + " "))
    })
    .await;
    // At the time of the second appointment.
    seen.send(&router, |operation| {
        let mut other = operation.clone();
        let body = other.body.as_mut()?;
        body["scheduled_start"] = "2030-05-07T11:00:00Z".into();
        body["scheduled_end"] = "2030-05-07T12:00:00Z".into();
        (operation.name() == "PUT /api/appointments/{id}").then(|| example(&other, &key))
    })
    .await;
    // The third appointment is completed.
    seen.send(&router, |operation| {
        let is_change = operation.method == "DELETE" || operation.path.ends_with("/status");
        let uri = operation.uri.replace("000000000001", "000000000003");
        let other = Operation { uri, ..operation.clone() };
        (operation.path.starts_with("/api/appointments/{id}") && is_change).then(|| example(&other, &key))
    })
    .await;
    // With the address of another provider.
    seen.send(&router, |operation| {
        let mut other = operation.clone();
        other.body.as_mut()?["email"] = "joan@example.com".into();
        (operation.name() == "PUT /api/providers/{id}").then(|| example(&other, &key))
    })
    .await;
    // With the address of another user.
    seen.send(&router, |operation| {
        let other = Operation { uri: operation.uri.replace("users/2", "users/1"), ..operation.clone() };
        (operation.method == "PUT" && operation.path.ends_with("users/{id}")).then(|| example(&other, &key))
    })
    .await;
    seen.send(&router, |operation| {
        let mut request = example(operation, &key);
        let stale = "\"99\"".parse().expect("a header");
        operation.is_conditional.then(|| drop(request.headers_mut().insert("if-match", stale)))?;
        Some(request)
    })
    .await;
    Ok(())
}

/// Sends requests about entries in the ledger whose state does not permit them: 400 and 409.
async fn refuse_entries(seen: &mut Seen<'_>) {
    let (router, key) = (seen.api.router.clone(), seen.key.clone());
    // The third entry is reconciled, the fifth a draft.
    for number in [3, 5] {
        seen.send(&router, |operation| {
            let is_refused = number == 3 || operation.path.ends_with("/reconcile");
            let (path, _) = operation.uri.rsplit_once("00000000000")?;
            let uri =
                format!("{path}00000000000{number}{}", operation.path.strip_prefix("/api/ledger/{id}")?);
            is_refused.then(|| example(&Operation { uri, ..operation.clone() }, &key))
        })
        .await;
    }
}

/// Sends requests about a locked note: 409.
async fn refuse_notes(seen: &mut Seen<'_>) {
    let (router, key) = (seen.api.router.clone(), seen.key.clone());
    seen.send(&router, |operation| {
        let step = operation.path.strip_prefix("/api/notes/{id}")?;
        let uri = format!("/api/notes/00000000-0000-0000-0000-000000000005{step}");
        Some(example(&Operation { uri, ..operation.clone() }, &key))
    })
    .await;
}

/// Makes PIDKey.com fail: 502 and 504.
async fn fail_upstream(seen: &mut Seen<'_>) {
    let (router, key) = (seen.api.router.clone(), seen.key.clone());
    for mode in [Mode::Hang, Mode::ServerError] {
        seen.api.sandbox.control(Control::mode(mode));
        seen.send(&router, |operation| operation.statuses.contains(&502).then(|| example(operation, &key)))
            .await;
    }
    seen.api.sandbox.control(Control::default());
}

/// Makes the database fail: 408 behind a lock, 500 without the tables, 503 without the server.
async fn fail_database(seen: &mut Seen<'_>) -> Result<()> {
    let tables = "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class \
        WHERE relkind IN ('r', 'p') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)";
    let tables: String = seen.client.query_one(tables, &[]).await?.get(0);
    let session = SessionSettings { lock_timeout: Duration::from_millis(20), ..SessionSettings::default() };
    let (url, key, session_token) =
        (seen.api.database.application_url(), seen.key.clone(), seen.session.clone());
    let impatient = || Store::connect_with(&url, session.clone());
    for operation in seen.operations.clone() {
        // Each has its own, because a few timeouts open the circuit breaker.
        let router = seen.cold_router(&impatient()?).await?;
        seen.client.batch_execute(&format!("BEGIN; LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")).await?;
        seen.send(&router, |other| {
            (other.name() == operation.name()).then(|| own_example(other, &key, &session_token))
        })
        .await;
        seen.client.batch_execute("ROLLBACK").await?;
    }

    let router = seen.cold_router(&seen.api.store).await?;
    seen.client.batch_execute("ALTER SCHEMA public RENAME TO hidden").await?;
    seen.send_examples(&router).await;
    seen.client.batch_execute("ALTER SCHEMA hidden RENAME TO public").await?;

    let nowhere = Store::connect("postgres://unknown@127.0.0.1:1/nothing")?;
    let router = seen.api.router_over(&nowhere)?;
    seen.send_examples(&router).await;
    Ok(())
}
