//! The table of codes, and the texts of callers and log.

use super::*;
use crate::testing::Lines;
use http_body_util::BodyExt;
use serde_json::Value;

async fn body_of(problem: Problem) -> (Response, Value) {
    let (parts, body) = problem.into_response().into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (Response::from_parts(parts, axum::body::Body::empty()), serde_json::from_slice(&bytes).expect("JSON"))
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let invalid = Invalid::field("page", "starts at 1").and("blocked", "is 1 or -1").headline("No");
    let (response, body) = body_of(invalid.into()).await;
    assert_eq!(response.status(), 400);
    assert_eq!(body["success"], false);
    assert_eq!(body["message"], "No");
    assert_eq!(body["details"]["field_errors"][1]["field"], "blocked");
    assert_eq!(body["details"]["field_errors"][1]["message"], "is 1 or -1");
    assert!(body["details"].get("retry_after_seconds").is_none());
}

#[tokio::test]
async fn retry_after_is_rounded_up_in_header_and_body() {
    for (wait, seconds) in
        [(Some(Duration::from_millis(1)), 1), (Some(Duration::from_millis(2_001)), 3), (None, 5)]
    {
        let (response, body) = body_of(Problem::new(Code::Overloaded).retry_after(wait)).await;
        assert_eq!(response.headers()["retry-after"], seconds.to_string());
        assert_eq!(body["details"]["retry_after_seconds"], seconds);
    }
}

#[tokio::test]
async fn what_the_log_reads_is_not_what_the_caller_reads() {
    let (lines, _guard) = Lines::capture();
    let problem = Problem::new(Code::DbQuery).caused("query", "fault", "SQLSTATE 42P01 on pidms_keys");
    let (_, body) = body_of(problem).await;
    assert!(!body.to_string().contains("42P01"));
    let events = lines.with("42P01");
    assert_eq!(events.len(), 1);
    assert!(events[0].contains("ERROR") && events[0].contains("class=\"fault\""));
}

#[test]
fn mistakes_of_the_caller_are_not_logged_as_failures() {
    let (lines, _guard) = Lines::capture();
    let _ = Problem::from(Invalid::field("page", "starts at 1")).into_response();
    assert!(lines.with("").is_empty());
}
