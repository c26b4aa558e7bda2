//! The steps of every request, whatever its route.

use crate::access_log::CacheSlot;
use crate::envelope::Envelope;
use crate::problem::Problem;
use crate::route::{Access, Route};
use crate::testing::{KEY, Lines, ask, get, post, router};
use axum::Extension;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use std::time::Duration;
use steadfast_domain::Invalid;
use tower::ServiceExt;

async fn toy() -> Envelope<u32> {
    Envelope::new(5, "five toys")
}

async fn kept(Extension(cache): Extension<CacheSlot>) -> Envelope<u32> {
    cache.fill(true);
    Envelope::new(5, "the same five toys")
}

async fn breaks() -> Envelope<u32> {
    panic!("a toy broke: sf_secret_of_the_toy")
}

async fn wrong() -> Problem {
    Invalid::field("size", "must be small").into()
}

async fn hangs() -> Envelope<u32> {
    std::future::pending().await
}

fn toys() -> Router {
    let limit = Duration::from_secs(3);
    router(vec![
        Route::get("/toys/{name}", Access::Open, toy),
        Route::get("/owned", Access::Scope("toys:read"), toy),
        Route::get("/kept", Access::Open, kept),
        Route::get("/breaks", Access::Open, breaks),
        Route::get("/wrong", Access::Open, wrong),
        Route::get("/hangs", Access::Open, hangs).within(limit),
        Route::post("/hangs", Access::Open, hangs).within(limit),
        Route::post("/hangs-reading", Access::Open, hangs).within(limit).reading(),
    ])
}

#[tokio::test]
async fn success_has_envelope() {
    let answer = ask(&toys(), get("/toys/bear")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["success"], true);
    assert_eq!(answer.body["data"], 5);
    assert_eq!(answer.body["message"], "five toys");
    assert!(answer.body.get("pagination").is_none());
    assert_eq!(answer.body["correlation_id"], answer.header("x-correlation-id"));
}

#[tokio::test]
async fn every_answer_carries_the_callers_id_or_a_new_one() {
    for path in ["/toys/bear", "/nowhere", "/breaks", "/wrong", "/owned"] {
        let request =
            |id: &str| Request::get(path).header("x-correlation-id", id).body(Body::empty()).expect("fine");
        let kept = ask(&toys(), request("order-7")).await;
        assert_eq!(
            (kept.header("x-correlation-id"), &kept.body["correlation_id"]),
            ("order-7", &"order-7".into())
        );
        let made = ask(&toys(), request("no good")).await;
        assert_eq!(made.header("x-correlation-id").len(), 36, "{path}");
        assert_eq!(made.body["correlation_id"], made.header("x-correlation-id"));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let answer = ask(&toys(), get("/nowhere")).await;
    assert_eq!((answer.status, &answer.body["error"]), (StatusCode::NOT_FOUND, &"NOT_FOUND".into()));
    let answer = ask(&toys(), post("/owned", "{}")).await;
    let expected = (StatusCode::METHOD_NOT_ALLOWED, &"METHOD_NOT_ALLOWED".into());
    assert_eq!((answer.status, &answer.body["error"]), expected);
    assert_eq!(answer.header("allow"), "GET,HEAD");
}

#[tokio::test]
async fn panic_is_answered_without_its_message() {
    let (lines, _guard) = Lines::capture();
    let answer = ask(&toys(), get("/breaks")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body["error"], "INTERNAL_ERROR");
    assert!(!answer.body.to_string().contains("broke"));
    let failures = lines.with("request failed");
    assert_eq!(failures.len(), 1);
    assert!(failures[0].contains("error_type=\"panic\"") && failures[0].contains("correlation_id"));
}

#[tokio::test]
async fn request_is_one_log_event_without_data() {
    let (lines, _guard) = Lines::capture();
    let request =
        Request::get("/owned?name=secret").header("x-api-key", KEY).body(Body::empty()).expect("fine");
    ask(&toys(), request).await;
    ask(&toys(), get("/toys/secret")).await;
    ask(&toys(), get("/secret")).await;
    ask(&toys(), get("/wrong?secret")).await;
    ask(&toys(), get("/kept?secret")).await;
    let events = lines.with(" request method=");
    assert_eq!(events.len(), 5, "{events:?}");
    assert!(lines.with("secret").is_empty() && lines.with(KEY).is_empty());
    assert!(events[0].contains("status=200") && events[0].contains("api_key_id=7"), "{}", events[0]);
    assert!(
        events[1].contains("route=\"/toys/{name}\"") && !events[1].contains("api_key_id"),
        "{}",
        events[1]
    );
    assert!(events[2].contains("route=\"unmatched\"") && events[2].contains("error=\"NOT_FOUND\""));
    assert!(events[3].contains("status=400") && events[3].contains("error=\"INVALID_PARAMS\""));
    assert!(events[4].contains("cache_hit=true") && !events[3].contains("cache_hit"), "{}", events[4]);
}

#[tokio::test]
async fn disconnected_caller_is_logged() {
    let (lines, _guard) = Lines::capture();
    let mut answer = Box::pin(toys().oneshot(get("/hangs")));
    assert!(futures_util::poll!(&mut answer).is_pending());
    drop(answer);
    let events = lines.with(" request method=");
    assert_eq!(events.len(), 1);
    assert!(events[0].contains("status=499") && events[0].contains("correlation_id"), "{}", events[0]);
}

#[tokio::test]
async fn trace_id_is_on_log_lines() {
    let (lines, _guard) = Lines::capture();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    ask(&toys(), Request::get("/wrong").header("traceparent", trace).body(Body::empty()).expect("fine"))
        .await;
    assert_eq!(lines.with("trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn overdue_read_is_408_and_overdue_write_has_unknown_outcome() {
    for request in [get("/hangs"), post("/hangs-reading", "{}")] {
        let read = ask(&toys(), request).await;
        let expected = (StatusCode::REQUEST_TIMEOUT, &"DB_TIMEOUT_ERROR".into());
        assert_eq!((read.status, &read.body["error"]), expected);
    }
    let write = ask(&toys(), post("/hangs", "{}")).await;
    let expected = (StatusCode::INTERNAL_SERVER_ERROR, &"OUTCOME_UNKNOWN".into());
    assert_eq!((write.status, &write.body["error"]), expected);
}
