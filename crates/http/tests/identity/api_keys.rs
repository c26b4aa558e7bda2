//! API keys over HTTP.

use crate::support::{Answered, Fixture, api_key, ask};
use anyhow::{Context, Result};
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use serde_json::{Value, json};

const ALL: &str = "/api/identity/api-keys";

pub(super) async fn send(
    api: &Fixture,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> Answered {
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let has_key = headers.iter().any(|(name, _)| ["x-api-key", "authorization"].contains(name));
    let request = if has_key { request } else { request.header("x-api-key", api.key()) };
    ask(&api.router, request.body(body).expect("a request")).await
}

async fn create(api: &Fixture, name: &str, headers: &[(&str, &str)]) -> Answered {
    let body = json!({ "name": name, "scopes": ["keys:read"] });
    send(api, Method::POST, ALL, headers, Some(body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn created_key_is_read_changed_and_revoked() -> Result<()> {
    let api = Fixture::new().await?;
    let created = create(&api, "printer", &[]).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let location = created.headers["location"].to_str()?.to_owned();
    let (key, secret) = (&created.body["data"]["api_key"], &created.body["data"]["secret"]);
    assert_eq!(location, format!("{ALL}/{}", key["id"]));
    let read = api.get(&location).await;
    assert_eq!((&read.body["data"], &read.headers["etag"]), (key, &created.headers["etag"]));
    let secret = secret.as_str().context("a secret")?;
    assert_eq!(
        send(&api, Method::GET, "/api/pidms/products", &[("x-api-key", secret)], None).await.status,
        200
    );

    let tag = read.headers["etag"].to_str()?;
    let wider = json!({ "name": "label printer", "scopes": ["keys:read", "keys:write"], "expires_at": "2099-01-01T00:00:00Z" });
    let changed = send(&api, Method::PUT, &location, &[("if-match", tag)], Some(wider.clone())).await;
    assert_eq!(changed.data()["expires_at"], "2099-01-01T00:00:00Z");
    assert_eq!(changed.data()["version"], 2);
    let stale = send(&api, Method::PUT, &location, &[("if-match", tag)], Some(wider.clone())).await;
    assert_eq!(stale.refusal(), (412, "PRECONDITION_FAILED", vec![]));
    let blind = send(&api, Method::PUT, &location, &[], Some(wider.clone())).await;
    assert_eq!(blind.refusal(), (400, "INVALID_PARAMS", vec!["If-Match"]));
    let any = send(&api, Method::PUT, &location, &[("if-match", "*")], Some(wider)).await;
    assert_eq!(any.data()["version"], 3);

    for _ in 0..2 {
        assert_eq!(send(&api, Method::DELETE, &location, &[], None).await.status, 204);
    }
    let revoked = api.get(&location).await;
    assert!(revoked.data()["revoked_at"].is_string(), "{}", revoked.body);
    assert_eq!(send(&api, Method::DELETE, &format!("{ALL}/999"), &[], None).await.refusal().0, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_creation_has_no_further_effect() -> Result<()> {
    let api = Fixture::new().await?;
    let once = [("idempotency-key", "printer-1")];
    let first = create(&api, "printer", &once).await;
    let again = create(&api, "printer", &once).await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(first.body["data"]["api_key"], again.body["data"]["api_key"]);
    assert_eq!(again.body["data"]["secret"], Value::Null, "secrets are not stored");
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(
        (&first.headers["idempotency-replayed"], &again.headers["idempotency-replayed"]),
        (&HeaderValue::from_static("false"), &HeaderValue::from_static("true"))
    );
    assert_eq!(create(&api, "scanner", &once).await.refusal(), (422, "IDEMPOTENCY_KEY_MISMATCH", vec![]));
    // Keys belong to their callers.
    let other = api_key(&api.store, &["*"]).await?;
    assert_eq!(create(&api, "scanner", &[once[0], ("x-api-key", &other)]).await.status, 201);
    assert_eq!(api.get(ALL).await.body["pagination"]["total_items"], 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_grant_no_more_than_they_have() -> Result<()> {
    let api = Fixture::new().await?;
    let clerk = api_key(&api.store, &["identity:write", "keys:read"]).await?;
    for (scopes, status) in [(json!(["keys:read"]), 201), (json!(["keys:write"]), 403), (json!(["*"]), 403)] {
        let body = json!({ "name": "printer", "scopes": scopes });
        let answer = send(&api, Method::POST, ALL, &[("x-api-key", &clerk)], Some(body)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
    let wrong = json!({ "name": "", "scopes": ["keys:reed"] });
    let answer = send(&api, Method::POST, ALL, &[("idempotency-key", "a b")], Some(wrong.clone())).await;
    assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec!["Idempotency-Key"]));
    assert_eq!(send(&api, Method::POST, ALL, &[], Some(wrong)).await.refusal().2, ["name", "scopes"]);
    Ok(())
}
