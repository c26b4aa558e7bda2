//! Users, logins and sessions over HTTP.

use super::api_keys::send;
use super::get_with;
use crate::support::{Answered, Fixture, PASSWORD, USER, api_key, ask, callers, catalogue, checker};
use anyhow::{Context, Result};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;
use steadfast_http::{CallerSettings, Draining, RateLimit, router};
use steadfast_services::terminology::search_log;
use tokio_postgres::{Client, NoTls, connect};

const SESSIONS: &str = "/api/identity/sessions";
const USERS: &str = "/api/identity/users";

async fn client(api: &Fixture) -> Result<Client> {
    let (client, connection) = connect(&api.database.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn log_in(api: &Fixture, login: &str, password: &str) -> Answered {
    let body = json!({ "login": login, "password": password });
    send(api, Method::POST, SESSIONS, &[], Some(body)).await
}

/// Creates a user with the password of the examples and returns its path.
async fn user(api: &Fixture, name: &str, roles: &[&str]) -> Result<String> {
    let body = json!({ "email": format!("{name}@example.com"), "display_name": name, "roles": roles });
    let created = send(api, Method::POST, USERS, &[], Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.body["data"]["has_password"], false);
    let location = created.headers["location"].to_str()?.to_owned();
    let password = Some(json!({ "password": PASSWORD }));
    let set = send(api, Method::PUT, &format!("{location}/password"), &[("if-match", "*")], password).await;
    assert_eq!(set.data()["has_password"], true);
    Ok(location)
}

fn token(answer: &Answered) -> Result<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    Ok(answer.body["data"]["token"].as_str().context("a token")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn session_permits_what_the_roles_permit_until_logout() -> Result<()> {
    let api = Fixture::new().await?;
    user(&api, "grace", &["front_desk"]).await?;
    let first = token(&log_in(&api, " Grace@Example.com ", PASSWORD).await)?;
    let second = token(&log_in(&api, "grace@example.com", PASSWORD).await)?;
    assert_eq!(get_with(&api, &first, USERS).await.refusal(), (403, "FORBIDDEN", vec![]));
    let sessions = get_with(&api, &first, SESSIONS).await;
    assert_eq!(sessions.data().as_array().map(Vec::len), Some(2));
    let current = format!("{SESSIONS}/current");
    let bearer = format!("Bearer {first}");
    let logged_out = send(&api, Method::DELETE, &current, &[("authorization", &bearer)], None).await;
    assert_eq!(logged_out.status, 204);
    assert_eq!(get_with(&api, &first, SESSIONS).await.refusal().0, 401, "at once in this server");
    assert_eq!(get_with(&api, &second, SESSIONS).await.data().as_array().map(Vec::len), Some(1));
    let with_key = send(&api, Method::DELETE, &current, &[], None).await;
    assert_eq!(with_key.refusal().0, 404, "an API key has no session");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn users_revoke_only_their_own_sessions() -> Result<()> {
    let api = Fixture::new().await?;
    for name in ["grace", "joan"] {
        user(&api, name, &["user"]).await?;
    }
    let grace = log_in(&api, "grace@example.com", PASSWORD).await;
    let joan = format!("Bearer {}", token(&log_in(&api, "joan@example.com", PASSWORD).await)?);
    let path = format!("{SESSIONS}/{}", grace.body["data"]["session"]["id"]);
    let other = send(&api, Method::DELETE, &path, &[("authorization", &joan)], None).await;
    assert_eq!(other.refusal().0, 404);
    let grace = token(&grace)?;
    assert_eq!(get_with(&api, &grace, SESSIONS).await.status, 200);
    let grace = format!("Bearer {grace}");
    let own = send(&api, Method::DELETE, &path, &[("authorization", &grace)], None).await;
    assert_eq!(own.status, 204);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_credentials_end_sessions() -> Result<()> {
    let api = Fixture::new().await?;
    let grace = user(&api, "grace", &["user"]).await?;
    let password = json!({ "password": PASSWORD });
    let inactive = json!({
        "email": "grace@example.com", "display_name": "grace", "roles": ["user"], "is_active": false
    });
    let any = [("if-match", "*")];
    for (method, path, headers, body) in [
        (Method::PUT, format!("{grace}/password"), &any[..], Some(password)),
        (Method::DELETE, format!("{grace}/sessions"), &[], None),
        (Method::PUT, grace.clone(), &any, Some(inactive)),
    ] {
        let token = token(&log_in(&api, "grace@example.com", PASSWORD).await)?;
        assert_eq!(get_with(&api, &token, SESSIONS).await.status, 200);
        let changed = send(&api, method, &path, headers, body).await;
        assert!(changed.status.is_success(), "{}", changed.body);
        assert_eq!(get_with(&api, &token, SESSIONS).await.refusal().0, 401, "{path}");
    }
    assert_eq!(log_in(&api, "grace@example.com", PASSWORD).await.refusal().0, 401, "inactive");
    for _ in 0..2 {
        assert_eq!(send(&api, Method::DELETE, &grace, &[], None).await.status, 204);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_old_sessions_are_refused() -> Result<()> {
    let api = Fixture::new().await?;
    let client = client(&api).await?;
    let token = api.user().await?;
    for (change, status) in [
        ("last_activity_at = now() - interval '29 minutes'", 200),
        ("last_activity_at = now() - interval '31 minutes'", 401),
        ("last_activity_at = now(), expires_at = now() + interval '1 minute'", 200),
        ("expires_at = now()", 401),
    ] {
        client.batch_execute(&format!("UPDATE auth_session SET {change}")).await?;
        let request = Request::get(SESSIONS).header("authorization", format!("Bearer {token}"));
        let answer = ask(&api.cold_router()?, request.body(axum::body::Body::empty())?).await;
        assert_eq!(answer.status, status, "{change}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_are_recorded_once_a_minute() -> Result<()> {
    let api = Fixture::new().await?;
    let client = client(&api).await?;
    let token = api.user().await?;
    client.batch_execute("UPDATE auth_session SET last_activity_at = now() - interval '5 minutes'").await?;
    assert_eq!(get_with(&api, &token, SESSIONS).await.status, 200);
    assert_eq!(api.get(USERS).await.status, 200);
    let recorded = "SELECT (SELECT min(last_activity_at) FROM auth_session) > now() - interval '1 minute' \
        AND (SELECT min(last_used_at) FROM api_keys) > now() - interval '1 minute'";
    while client.query_one(recorded, &[]).await?.get::<_, Option<bool>>(0) != Some(true) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let keys = api.get("/api/identity/api-keys").await;
    assert_eq!(keys.data()[0]["created_by"], "operator");
    Ok(())
}

/// Returns whether each login was accepted, its user and the reason of its refusal.
async fn logins(client: &Client) -> Result<Vec<(bool, Option<String>, Option<String>)>> {
    let sql = "SELECT success, resource_id, error_message FROM audit_log WHERE action = 'login' ORDER BY id";
    let rows = client.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_limited_and_audited() -> Result<()> {
    let api = Fixture::new().await?;
    let client = client(&api).await?;
    api.user().await?;
    for login in [USER, "unknown@example.com", "+12025550100"] {
        for attempt in 1..=7 {
            let answer = log_in(&api, login, "wrong").await;
            let expected = if attempt <= 5 { (401, "UNAUTHORIZED") } else { (429, "RATE_LIMITED") };
            assert_eq!((answer.refusal().0, answer.refusal().1), expected, "{login}, attempt {attempt}");
            if attempt > 5 {
                let wait: u64 = answer.headers["retry-after"].to_str()?.parse()?;
                assert!((2_640..=2_700).contains(&wait), "{wait}");
            }
        }
    }
    assert_eq!(log_in(&api, USER, PASSWORD).await.refusal().0, 429, "the right password, too");
    client.batch_execute("UPDATE auth_login_attempts SET expires_at = now()").await?;
    assert_eq!(log_in(&api, USER, "wrong").await.refusal().0, 401);
    assert_eq!(log_in(&api, USER, PASSWORD).await.status, 200);
    let logins = logins(&client).await?;
    let count = |success: bool, user: Option<&str>, reason: Option<&str>| {
        let same = |login: &&(bool, Option<String>, Option<String>)| {
            (login.0, login.1.as_deref(), login.2.as_deref()) == (success, user, reason)
        };
        logins.iter().filter(same).count()
    };
    assert_eq!(count(true, Some("1"), None), 2);
    assert_eq!(count(false, Some("1"), Some("wrong password")), 6);
    assert_eq!(count(false, None, Some("no active user with a password")), 10);
    assert_eq!(count(false, None, Some("too many attempts")), 7);
    assert_eq!(logins.len(), 25);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_attempts_are_all_counted() -> Result<()> {
    let api = Fixture::new().await?;
    api.user().await?;
    let attempts = (0..20).map(|_| log_in(&api, USER, "wrong"));
    let answers = futures_util::future::join_all(attempts).await;
    let refused = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((refused(401), refused(429)), (5, 15));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_logins_of_an_address_are_limited() -> Result<()> {
    let api = Fixture::new().await?;
    api.user().await?;
    let attempt = async |login: String, password: &str| {
        let body = json!({ "login": login, "password": password }).to_string();
        let request = Request::post(SESSIONS).header("content-type", "application/json");
        let mut request = request.body(body.into()).expect("a request");
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 40_000))));
        ask(&api.router, request).await.status.as_u16()
    };
    for _ in 0..30 {
        assert_eq!(attempt(USER.to_owned(), PASSWORD).await, 200, "successes are not counted");
    }
    let mut refused = 0;
    while attempt(format!("unknown-{refused}@example.com"), "wrong").await == 401 {
        refused += 1;
    }
    assert!((20..40).contains(&refused), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_neither_answered_nor_audited() -> Result<()> {
    let api = Fixture::new().await?;
    let client = client(&api).await?;
    let grace = user(&api, "grace", &["user"]).await?;
    let token = token(&log_in(&api, "grace@example.com", PASSWORD).await)?;
    assert_eq!(send(&api, Method::DELETE, &grace, &[], None).await.status, 204);
    let trail = "SELECT string_agg(audit_log::text, ' ') FROM audit_log";
    let trail: String = client.query_one(trail, &[]).await?.get(0);
    let answered = api.get(&grace).await.body.to_string() + &api.get(USERS).await.body.to_string();
    for text in [trail, answered] {
        for secret in ["argon2id", PASSWORD, &token] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_manage_only_users_whose_scopes_they_have() -> Result<()> {
    let api = Fixture::new().await?;
    let admin = user(&api, "grace", &["admin"]).await?;
    let clerk = api_key(&api.store, &["identity:write", "identity:own"]).await?;
    let settings =
        |roles: Value| json!({ "email": "joan@example.com", "display_name": "Joan", "roles": roles });
    let (key, any) = (("x-api-key", clerk.as_str()), ("if-match", "*"));
    for (method, path, body, status) in [
        (Method::POST, USERS.to_owned(), Some(settings(json!(["admin"]))), 403),
        (Method::POST, USERS.to_owned(), Some(settings(json!(["user"]))), 201),
        (Method::PUT, admin.clone(), Some(settings(json!(["user"]))), 403),
        (Method::PUT, format!("{admin}/password"), Some(json!({ "password": PASSWORD })), 403),
        (Method::DELETE, format!("{admin}/sessions"), None, 403),
        (Method::DELETE, admin.clone(), None, 403),
    ] {
        let answer = send(&api, method.clone(), &path, &[key, any], body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_unique_regardless_of_case() -> Result<()> {
    let api = Fixture::new().await?;
    user(&api, "grace", &["user"]).await?;
    let again = json!({ "email": "GRACE@example.com", "display_name": "Grace", "roles": ["user"] });
    let answer = send(&api, Method::POST, USERS, &[], Some(again)).await;
    assert_eq!(answer.refusal(), (409, "DUPLICATE_ENTRY", vec!["email"]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_limited_and_told_what_is_left() -> Result<()> {
    let api = Fixture::new().await?;
    let number = |number| NonZeroU32::new(number).expect("not zero");
    let rate = Some(RateLimit { per_second: number(1), burst: number(3) });
    let (searches, _search_log) = search_log(api.store.clone());
    let settings = CallerSettings { rate, ..callers(&api.store) };
    let (checker, catalogue) = (checker(&api.sandbox)?, catalogue(&api.store)?);
    let router = router(api.store.clone(), checker, catalogue, searches, Draining::default(), settings);
    let mut left = Vec::new();
    let refused = loop {
        let request = Request::get(SESSIONS).header("x-api-key", api.key());
        let answer = ask(&router, request.body(axum::body::Body::empty())?).await;
        assert_eq!(answer.headers["ratelimit-policy"], "\"default\";q=3;w=3");
        left.push(answer.headers["ratelimit"].to_str()?.to_owned());
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused.refusal(), (429, "RATE_LIMITED", vec![]));
    assert!(refused.headers.contains_key("retry-after"));
    assert!(left[0].starts_with("\"default\";r=2;t="), "{left:?}");
    assert!(left[left.len() - 1].starts_with("\"default\";r=0;t=1"), "{left:?}");
    Ok(())
}
