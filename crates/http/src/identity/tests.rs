//! Who is let through, and how often that costs a look-up.

use super::*;
use crate::envelope::Envelope;
use crate::route::{Access, Route};
use crate::router::mount;
use crate::testing::{KEY, ask, database_down, get, reader, router};
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use std::sync::atomic::{AtomicUsize, Ordering};

fn routes() -> Vec<Route<()>> {
    let toy = || async { Envelope::new(1, "a toy") };
    vec![
        Route::get("/read", Access::Scope("toys:read"), toy),
        Route::get("/write", Access::Scope("toys:write"), toy),
    ]
}

fn with(headers: &[(&str, &str)], path: &str) -> Request<Body> {
    let request =
        headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    request.body(Body::empty()).expect("a request")
}

/// A router whose look-ups are counted.
fn counted(
    time: Duration,
    find: fn(KeyHash) -> Result<Option<Caller>, Problem>,
) -> (Router, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let callers = Callers::remembering(time, move |hash| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            // Others get the chance to ask for the same key meanwhile.
            tokio::task::yield_now().await;
            find(hash)
        }
    });
    (mount(routes(), &callers).with_state(()), count)
}

#[tokio::test]
async fn a_key_is_taken_from_either_header() {
    let bearer = format!("bearer {KEY}");
    for headers in [
        vec![("x-api-key", KEY)],
        vec![("authorization", bearer.as_str())],
        vec![("authorization", bearer.as_str()), ("x-api-key", KEY)],
        vec![("authorization", bearer.as_str()), ("x-api-key", " ")],
        vec![("authorization", "Bearer "), ("x-api-key", KEY)],
    ] {
        assert_eq!(
            ask(&router(routes()), with(&headers, "/read")).await.status,
            StatusCode::OK,
            "{headers:?}"
        );
    }
}

#[tokio::test]
async fn who_cannot_be_known_is_asked_for_a_key() {
    let long = "x".repeat(300);
    for headers in [
        vec![],
        vec![("x-api-key", "")],
        vec![("x-api-key", "sf_nobody")],
        vec![("x-api-key", long.as_str())],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer ")],
        vec![("authorization", "Basic c2Y6cmVhZGVy")],
    ] {
        let answer = ask(&router(routes()), with(&headers, "/read")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn the_lacking_scope_is_named() {
    let answer = ask(&router(routes()), with(&[("x-api-key", KEY)], "/write")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.body["message"].as_str().is_some_and(|text| text.contains("toys:write")));
}

#[tokio::test]
async fn two_keys_that_differ_are_a_mistake() {
    let headers = [("x-api-key", KEY), ("authorization", "Bearer sf_other")];
    let answer = ask(&router(routes()), with(&headers, "/read")).await;
    assert_eq!((answer.status, answer.fields()), (StatusCode::BAD_REQUEST, vec!["X-API-Key"]));
}

#[tokio::test]
async fn a_key_that_was_found_is_not_looked_up_again() {
    let (router, count) = counted(REMEMBERED_FOR, |hash| Ok(reader(hash)));
    let request = || with(&[("x-api-key", KEY)], "/read");
    let at_once = futures_util::future::join_all((0..20).map(|_| ask(&router, request()))).await;
    assert!(at_once.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(ask(&router, request()).await.status, StatusCode::OK);
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_key_that_was_not_found_is_looked_up_again() {
    let (router, count) = counted(REMEMBERED_FOR, |_| Ok(None));
    for _ in 0..2 {
        let answer = ask(&router, with(&[("x-api-key", "sf_soon")], "/read")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_remembered_key_is_forgotten_in_time() {
    let (router, count) = counted(Duration::from_millis(5), |hash| Ok(reader(hash)));
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while count.load(Ordering::Relaxed) < 2 && std::time::Instant::now() < deadline {
        ask(&router, with(&[("x-api-key", KEY)], "/read")).await;
    }
    assert!(count.load(Ordering::Relaxed) >= 2, "the key was remembered for ever");
}

#[tokio::test]
async fn a_database_that_is_down_is_503_and_not_a_wrong_key() {
    let (router, count) = counted(REMEMBERED_FOR, |_| Err(database_down()));
    for _ in 0..2 {
        let answer = ask(&router, with(&[("x-api-key", KEY)], "/read")).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(count.load(Ordering::Relaxed), 2, "a failure must not be remembered");
}

/// Found at the first look-up; then the database is down, until the key is withdrawn.
#[tokio::test]
async fn who_was_known_before_the_database_went_is_let_through_until_it_says_otherwise() {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let callers = Callers::remembering(Duration::from_nanos(1), move |hash| {
        let answer = match counter.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(reader(hash)),
            1 | 2 => Err(database_down()),
            3 => Ok(None),
            _ => Err(database_down()),
        };
        async { answer }
    });
    let router = mount(routes(), &callers).with_state(());
    for expected in [200, 200, 200, 401, 503] {
        let answer = ask(&router, with(&[("x-api-key", KEY)], "/read")).await;
        assert_eq!(answer.status, expected, "look-up {}", count.load(Ordering::Relaxed));
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_known_before_does_not_wait_for_a_silent_database() {
    let count = AtomicUsize::new(0);
    let callers = Callers::remembering(Duration::from_nanos(1), move |hash| {
        let is_silent = count.fetch_add(1, Ordering::Relaxed) > 0;
        async move {
            if is_silent {
                std::future::pending::<()>().await;
            }
            Ok(reader(hash))
        }
    });
    let router = mount(routes(), &callers).with_state(());
    for _ in 0..2 {
        let began = tokio::time::Instant::now();
        let answer = ask(&router, with(&[("x-api-key", KEY)], "/read")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn an_unknown_path_needs_no_key() {
    assert_eq!(ask(&router(routes()), get("/nowhere")).await.status, StatusCode::NOT_FOUND);
}
