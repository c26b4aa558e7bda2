//! The audit trail over HTTP.

use crate::support::{Fixture, api_key, ask};
use anyhow::{Context as _, Result};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

const ALL: &str = "/api/audit/entries";
const KEYS: &str = "/api/identity/api-keys";

fn summary(entry: &Value) -> (&str, &str, &str) {
    let text = |field: &str| entry[field].as_str().unwrap_or_default();
    (text("action"), text("resource_type"), text("resource_id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_listed_with_their_values_and_request() -> Result<()> {
    let api = Fixture::new().await?;
    let body = json!({ "name": "printer", "scopes": ["keys:read"] });
    let request = Request::post(KEYS)
        .header("x-api-key", api.key())
        .header("x-correlation-id", "a-request-of-the-test")
        .header("user-agent", "till/1.0")
        .header("content-type", "application/json");
    let created = ask(&api.router, request.body(Body::from(body.to_string()))?).await;
    let key = created.body["data"]["api_key"].clone();
    let id = key["id"].to_string();
    let removal = Request::delete(format!("{KEYS}/{id}")).header("x-api-key", api.key());
    assert_eq!(ask(&api.router, removal.body(Body::empty())?).await.status, 204);
    let entries = api.get(&format!("{ALL}?resource_type=api_key&resource_id={id}")).await;
    let [revoked, entry] = &entries.data().as_array().context("entries")?[..] else {
        panic!("{}", entries.body)
    };
    assert_eq!(
        [summary(revoked), summary(entry)],
        [("revoke", "api_key", &*id), ("create", "api_key", &*id)]
    );
    assert_eq!((&entry["new_values"], &entry["old_values"]), (&key, &Value::Null));
    assert_eq!(revoked["old_values"], key);
    assert_eq!((&entry["user_agent"], &entry["success"]), (&json!("till/1.0"), &json!(true)));
    assert!(entry["api_key_id"].is_i64() && entry["user_id"].is_null(), "{entry}");
    let of_request = api.get(&format!("{ALL}?correlation_id=a-request-of-the-test")).await;
    assert_eq!(of_request.data(), &json!([entry]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_selection_finds_its_entries() -> Result<()> {
    let api = Fixture::new().await?;
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    // Two entries a day, of two users, in two resources; each tenth fails. Several have the same time.
    let fill = "TRUNCATE audit_log; \
        INSERT INTO audit_log (created_at, correlation_id, user_id, action, resource_type, resource_id, success) \
        SELECT timestamptz '2026-01-01Z' + interval '1 day' * (n / 2), 'request-' || n / 4, n % 2, \
            (ARRAY['read', 'update'])[1 + n / 2 % 2], (ARRAY['client', 'note'])[1 + n / 4 % 2], n % 3, n % 10 <> 0 \
        FROM generate_series(0, 119) AS n";
    client.batch_execute(fill).await?;
    for (query, condition) in [
        ("", "true"),
        ("user_id=1&action=read", "user_id = 1 AND action = 'read'"),
        ("resource_type=note&action=update", "resource_type = 'note' AND action = 'update'"),
        ("resource_type=client&resource_id=2", "resource_type = 'client' AND resource_id = '2'"),
        ("correlation_id=request-7", "correlation_id = 'request-7'"),
        ("action=read", "action = 'read'"),
        ("success=false", "NOT success"),
        (
            "action=read&from=2026-01-10T00:00:00Z&to=2026-02-01T00:00:00Z",
            "action = 'read' AND created_at >= '2026-01-10Z' AND created_at < '2026-02-01Z'",
        ),
        ("success=false&to=2026-01-31T00:00:00Z", "NOT success AND created_at < '2026-01-31Z'"),
    ] {
        let sql = format!("SELECT id FROM audit_log WHERE {condition} ORDER BY created_at DESC, id DESC");
        let expected: Vec<i64> = client.query(&sql, &[]).await?.iter().map(|row| row.get(0)).collect();
        assert!(!expected.is_empty(), "{query}");
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api.get(&format!("{ALL}?{query}&per_page=7{cursor}")).await;
            let entries = page.data().as_array().context("entries")?;
            found.extend(entries.iter().filter_map(|entry| entry["id"].as_i64()));
            let pagination = &page.body["pagination"];
            assert_eq!(pagination["total_items"], expected.len(), "{query}");
            let Some(next) = pagination["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, expected, "{query}");
        let second = api.get(&format!("{ALL}?{query}&per_page=2&page=2")).await;
        let ids: Vec<_> =
            second.data().as_array().context("entries")?.iter().map(|entry| entry["id"].clone()).collect();
        assert_eq!(json!(ids), json!(expected.iter().skip(2).take(2).collect::<Vec<_>>()), "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn combinations_without_an_index_are_refused() -> Result<()> {
    let api = Fixture::new().await?;
    for (query, field) in [
        ("user_id=1", "user_id"),
        ("resource_type=note", "resource_type"),
        ("resource_id=1", "resource_id"),
        ("correlation_id=a&action=read", "correlation_id"),
        ("from=2026-01-10T00:00:00Z", "from"),
        ("success=true", "success"),
    ] {
        let answer = api.get(&format!("{ALL}?{query}")).await;
        assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec![field]), "{query}");
    }
    let stranger = api_key(&api.store, &["identity:read"]).await?;
    let request = Request::get(ALL).header("x-api-key", &stranger).body(Body::empty())?;
    assert_eq!(ask(&api.router, request).await.refusal().0, 403);
    Ok(())
}
