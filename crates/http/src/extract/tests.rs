//! Every kind of invalid input is a 4xx envelope that names the field.

use crate::extract::{Json, Path, Query};
use crate::problem::Problem;
use crate::route::{Access, Route};
use crate::testing::{Answered, ask, get, post, router};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use proptest::prelude::*;
use serde::Deserialize;
use std::convert::Infallible;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(rename = "product")]
    _product: Option<String>,
    #[serde(rename = "page")]
    _page: Option<u64>,
    #[serde(rename = "per_page", alias = "limit")]
    _per_page: Option<u64>,
    #[serde(rename = "blocked")]
    _blocked: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(rename = "keys")]
    _keys: String,
    #[serde(rename = "lines")]
    _lines: Option<Vec<Line>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "count")]
    _count: u64,
}

async fn filter(_: Query<Filter>) -> Problem {
    Problem::new(crate::problem::Code::NotFound)
}

async fn order(_: Json<Order>) -> Problem {
    Problem::new(crate::problem::Code::NotFound)
}

async fn code(_: Path<String>) -> Problem {
    Problem::new(crate::problem::Code::NotFound)
}

/// Returns a router whose handlers answer 404, which shows that the input was read.
fn toys() -> Router {
    router(vec![
        Route::get("/filter", Access::Open, filter),
        Route::post("/order", Access::Open, order),
        Route::get("/code/{code}", Access::Open, code),
    ])
}

fn assert_names(answer: &Answered, field: &str, input: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{input}");
    assert_eq!(answer.body["error"], "INVALID_PARAMS", "{input}");
    assert_eq!(answer.fields(), [field], "{input}: {}", answer.body);
}

#[tokio::test]
async fn invalid_query_parameter_is_named() {
    let table = [
        ("page=abc", "page"),
        ("page=-1", "page"),
        ("page=1.5", "page"),
        ("page=", "page"),
        ("page=18446744073709551616", "page"),
        ("blocked=9223372036854775808", "blocked"),
        ("limit=x", "limit"),
        ("limit=1&per_page=2", "per_page"),
        ("page=1&page=1", "page"),
        ("product=%00", "product"),
        ("product=%ED%A0%80", "product"),
        ("product=%ff", "product"),
        ("product=100%", "product"),
        ("product=%4", "product"),
        ("product=%zz", "product"),
        ("%ff=1", "query"),
        ("nope=1", "nope"),
        ("page[]=1", "page[]"),
    ];
    for (query, field) in table {
        assert_names(&ask(&toys(), get(&format!("/filter?{query}"))).await, field, query);
    }
}

#[tokio::test]
async fn valid_query_is_read() {
    for query in ["", "?", "?&&", "?page=1&limit=5", "?product=Pro+Plus%20%E2%82%AC&blocked=-1"] {
        let answer = ask(&toys(), get(&format!("/filter{query}"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
    }
}

#[tokio::test]
async fn invalid_body_is_named() {
    let table: [(&[u8], &str); 17] = [
        (b"", "body"),
        (b"  ", "body"),
        (b"null", "body"),
        (b"[\"a\"]", "body"),
        (b"\"keys\"", "body"),
        (b"{", "body"),
        (b"{}", "keys"),
        (b"{\"keys\":null}", "keys"),
        (b"{\"keys\":3}", "keys"),
        (b"{\"keys\":\"\\ud800\"}", "keys"),
        (b"{\"keys\":\"\xff\"}", "keys"),
        (b"{\"keys\":\"a\",\"keys\":\"b\"}", "keys"),
        (b"{\"keys\":\"a\",\"more\":1}", "more"),
        (b"{\"keys\":\"a\"} x", "body"),
        (b"{\"keys\":\"a\",\"lines\":[{\"count\":1},{\"count\":\"x\"}]}", "lines[1].count"),
        (b"{\"keys\":\"a\",\"lines\":[{\"count\":18446744073709551616}]}", "lines[0].count"),
        (b"{\"keys\":\"a\",\"lines\":[{\"count\":-1}]}", "lines[0].count"),
    ];
    for (body, field) in table {
        let answer = ask(&toys(), post("/order", body)).await;
        assert_names(&answer, field, &String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn unknown_names_are_repeated_in_part() {
    let name = "x".repeat(5_000);
    let answer = ask(&toys(), get(&format!("/filter?{name}=1"))).await;
    assert_eq!(answer.fields(), [&name[..64]]);
    let inputs = [
        ask(&toys(), get(&format!("/filter?page={name}"))).await,
        ask(&toys(), post("/order", format!("{{\"{name}\":1}}"))).await,
        ask(&toys(), post("/order", format!("{{\"keys\":\"\",\"lines\":\"{name}\"}}"))).await,
        answer,
    ];
    for answer in inputs {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let length = answer.body.to_string().len();
        assert!(length < 1_000, "{length} bytes: {}", answer.body);
    }
}

#[tokio::test]
async fn other_media_types_are_415() {
    for media_type in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"] {
        let request = Request::post("/order").header("content-type", media_type);
        let answer = ask(&toys(), request.body(Body::from("{\"keys\":\"a\"}")).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type}");
        assert_eq!(answer.fields(), ["Content-Type"]);
    }
    for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
    {
        let request = Request::post("/order").header("content-type", media_type);
        let answer = ask(&toys(), request.body(Body::from("{\"keys\":\"a\"}")).expect("a request")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{media_type}");
    }
}

#[tokio::test]
async fn large_body_is_413_with_or_without_length() {
    let large = vec![b'x'; 10 * 1024 * 1024];
    let announced = ask(&toys(), post("/order", large)).await;
    // A stream without end: only a server that stops reading ever answers.
    let endless = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])));
    let streamed = ask(&toys(), post("/order", Body::from_stream(endless))).await;
    for answer in [announced, streamed] {
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.body["error"], "PAYLOAD_TOO_LARGE");
        assert_eq!(answer.fields(), ["body"]);
    }
}

#[tokio::test(start_paused = true)]
async fn missing_body_times_out() {
    let silent = stream::pending::<Result<Bytes, Infallible>>();
    let answer = ask(&toys(), post("/order", Body::from_stream(silent))).await;
    assert_names(&answer, "body", "a silent body");
}

#[tokio::test]
async fn incomplete_body_is_named() {
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err("cut")]);
    assert_names(&ask(&toys(), post("/order", Body::from_stream(broken))).await, "body", "a broken body");
}

#[tokio::test]
async fn path_must_be_utf8() {
    for path in ["/code/%ff", "/code/%ED%A0%80"] {
        assert_names(&ask(&toys(), get(path)).await, "code", path);
    }
    assert_eq!(ask(&toys(), get("/code/E11%2E9")).await.status, StatusCode::NOT_FOUND);
}

proptest! {
    #[test]
    fn no_query_fails_the_server(query in "[ -~]{0,60}|(page|limit|product)=%?[0-9a-fA-F%&=+]{0,20}") {
        let Ok(request) = Request::get(format!("/filter?{query}")).body(Body::empty()) else { return Ok(()) };
        let status = answered(request);
        prop_assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{}", status);
    }

    #[test]
    fn no_body_fails_the_server(body in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "\\{\"(keys|lines|x)\":[\\[\\]{}\",:0-9nul\\\\]{0,30}\\}?".prop_map(String::into_bytes),
    ]) {
        let status = answered(post("/order", body));
        prop_assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{}", status);
    }
}

fn answered(request: Request<Body>) -> StatusCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { ask(&toys(), request).await.status })
}
