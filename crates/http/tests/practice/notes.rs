//! Notes: signatures, diagnoses and audited reads.

use super::CLIENT;
use crate::support::{Answered, Fixture, ask};
use crate::terminology::filled;
use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

const ALL: &str = "/api/notes";

fn note() -> Value {
    json!({ "client_id": CLIENT, "provider_id": CLIENT, "title": "Session", "content": "A good session." })
}

/// Sends a request with the `If-Match` header `etag`.
async fn send(api: &Fixture, method: &str, path: &str, etag: &str, body: &Value) -> Answered {
    let request =
        Request::builder().method(method).uri(path).header("x-api-key", api.key()).header("if-match", etag);
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    ask(&api.router, request.header("content-type", "application/json").body(body).expect("a request")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_notes_can_only_be_locked() -> Result<()> {
    let api = filled().await?;
    let created = api.post(ALL, note().to_string()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let one = format!("{ALL}/{}", created.body["data"]["id"].as_str().expect("an id"));
    let (sign, lock) = (format!("{one}/sign"), format!("{one}/lock"));
    assert_eq!(send(&api, "POST", &sign, "\"7\"", &Value::Null).await.status, 412, "it was changed since");
    let signed = send(&api, "POST", &sign, "\"1\"", &Value::Null).await;
    assert_eq!(
        (signed.data()["is_signed"].as_bool(), signed.data()["version"].as_i64()),
        (Some(true), Some(2))
    );
    assert!(signed.data()["signed_at"].is_string());
    for (method, path, body) in
        [("PUT", &one, note()), ("DELETE", &one, Value::Null), ("POST", &sign, Value::Null)]
    {
        assert_eq!(send(&api, method, path, "*", &body).await.refusal().0, 409, "{method} {path}");
    }
    assert_eq!(send(&api, "POST", &lock, "*", &Value::Null).await.data()["is_locked"], true);
    assert_eq!(send(&api, "POST", &lock, "*", &Value::Null).await.status, 409);
    let draft = api.post(ALL, note().to_string()).await;
    let draft = format!("{ALL}/{}", draft.body["data"]["id"].as_str().expect("an id"));
    assert_eq!(send(&api, "DELETE", &draft, "*", &Value::Null).await.status, 204);
    assert_eq!(api.get(&draft).await.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn diagnoses_and_references_must_exist() -> Result<()> {
    let api = filled().await?;
    let with = |field: &str, value: Value| {
        let mut note = note();
        note[field] = value;
        note.to_string()
    };
    let known = api.post(ALL, with("diagnosis_codes", json!(["E11", "e11"]))).await;
    assert_eq!(known.body["data"]["diagnosis_codes"], json!(["E11", "E11"]));
    for (field, value, status, named) in [
        ("diagnosis_codes", json!(["E11", "Z99.9"]), 409, "diagnosis_codes[1]"),
        ("diagnosis_codes", json!(vec!["sick"; 21]), 400, "diagnosis_codes"),
        ("provider_id", json!(uuid::Uuid::max()), 409, "provider_id"),
        ("appointment_id", json!(uuid::Uuid::max()), 409, "appointment_id"),
    ] {
        let answer = api.post(ALL, with(field, value)).await;
        let (refused, _, fields) = answer.refusal();
        assert!(refused == status && fields.contains(&named), "{field}: {}", answer.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_select_notes() -> Result<()> {
    let api = filled().await?;
    let count = async |query: &str| api.get(&format!("{ALL}?{query}")).await.data().as_array().map(Vec::len);
    let before = count("").await.unwrap_or_default();
    let created = api.post(ALL, note().to_string()).await;
    let id = created.body["data"]["id"].as_str().expect("an id").to_owned();
    send(&api, "POST", &format!("{ALL}/{id}/sign"), "*", &Value::Null).await;
    assert_eq!(count("").await, Some(before + 1));
    let of = format!("client_id={CLIENT}");
    for (query, is_found) in [
        ("is_signed=true".to_owned(), true),
        ("is_signed=false".to_owned(), false),
        ("note_type=progress_note".to_owned(), true),
        ("note_type=billing".to_owned(), false),
        ("billable=true".to_owned(), true),
        (format!("{of}&is_signed=true&note_type=progress_note&billable=true&provider_id={CLIENT}"), true),
        (format!("{of}&billable=false"), false),
        (format!("provider_id={CLIENT}&is_signed=true"), true),
    ] {
        let answer = api.get(&format!("{ALL}?{query}")).await;
        let notes = answer.data().as_array().expect("notes");
        assert_eq!(notes.iter().any(|note| note["id"] == id.as_str()), is_found, "{query}");
        assert!(notes.iter().all(|note| note.get("content").is_none()), "a list has no contents");
    }
    let both = api.get(&format!("{ALL}?is_signed=true&billable=true")).await;
    assert_eq!(both.refusal().2, ["billable"]);
    Ok(())
}
