//! API keys over the real table.

mod api_keys;
mod confirmation;
mod rejection;
mod sessions;

use crate::support::{Answered, Fixture, UNKNOWN_KEY, api_key, ask};
use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use secrecy::ExposeSecret;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_repository::identity;

fn get_request(key: &str, uri: &str) -> Request<Body> {
    let request = Request::get(uri).header("authorization", format!("Bearer {key}"));
    request.body(Body::empty()).expect("a request")
}

async fn get_with(api: &Fixture, key: &str, uri: &str) -> Answered {
    ask(&api.router, get_request(key, uri)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn key_permits_its_scopes() -> Result<()> {
    let api = Fixture::new().await?;
    let reader = api_key(&api.store, &["keys:read"]).await?;
    assert_eq!(get_with(&api, &reader, "/api/pidms/products").await.status, 200);
    let answer = get_with(&api, &reader, "/api/v1/code/E11").await;
    assert_eq!(answer.refusal(), (403, "FORBIDDEN", vec![]));
    assert_eq!(answer.body["message"], "The caller lacks the scope terminology:read.");
    assert_eq!(get_with(&api, UNKNOWN_KEY, "/api/pidms/products").await.refusal().0, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_routes_but_those_about_the_service_need_a_key() -> Result<()> {
    let api = Fixture::new().await?;
    let document = api.get("/openapi.json").await.body;
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 8);
    for (path, item) in paths {
        for method in item.as_object().expect("an item").keys() {
            let method = method.to_ascii_uppercase();
            let request = Request::builder().method(method.as_str()).uri(path.replace(['{', '}'], ""));
            let answer = ask(&api.router, request.body(Body::empty()).expect("fine")).await;
            let open = path.starts_with("/health/") || path == "/openapi.json";
            let is_login = method == "POST" && path == "/api/identity/sessions";
            let expected = if is_login {
                415
            } else if open {
                200
            } else {
                401
            };
            assert_eq!(answer.status, expected, "{method} {path}");
            let cached = if path == "/openapi.json" { "public, max-age=300" } else { "no-store" };
            assert_eq!(answer.headers["cache-control"], cached, "{method} {path}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_authenticated_callers_are_not_cached() -> Result<()> {
    let api = Fixture::new().await?;
    let reader = api_key(&api.store, &["keys:read"]).await?;
    for (uri, status) in [
        ("/api/pidms/products", 200),
        ("/api/pidms/search?page=0", 400),
        ("/api/v1/code/E11", 403),
        ("/api/nowhere", 404),
        ("/api/pidms/check", 405),
    ] {
        let answer = get_with(&api, &reader, uri).await;
        assert_eq!(answer.status, status, "{uri}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{uri}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_key_is_rejected_unless_it_is_remembered() -> Result<()> {
    let api = Fixture::new().await?;
    for (is_used_before, status) in [(false, 401), (true, 200)] {
        let new = NewApiKey::generate(ApiKeySettings::parse("gone", &["*"], None)?);
        let created = identity::create_api_key(&api.store, &Origin::operator("test"), &new.record).await?;
        let ask = || get_with(&api, new.secret.expose_secret(), "/api/pidms/products");
        if is_used_before {
            assert_eq!(ask().await.status, 200);
        }
        identity::revoke_api_key(&api.store, &Origin::operator("test"), created.id.parse()?).await?;
        // No look-up is what a key in use costs, and some seconds of trust.
        assert_eq!(ask().await.status, status, "used before: {is_used_before}");
    }
    Ok(())
}
