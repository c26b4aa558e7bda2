//! The routes of product keys, with PostgreSQL and the sandbox of PIDKey.com.

use crate::support::Fixture;
use anyhow::Result;
use pidkey_sandbox::{Control, Mode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use steadfast_domain::keys::{KeyStatus, ProductKey};
use steadfast_repository::keys;

/// Longer than three attempts of 0.3 s and their delays take on a busy machine, and much shorter than the sandbox
/// hangs.
const ATTEMPTS_MAX: Duration = Duration::from_secs(5);

/// Returns different keys, one per line.
fn pasted(count: usize) -> String {
    (0..count).map(|n| format!("6NRGD-KHFCF-Y4TF7-PRWFD-{n:05}")).collect::<Vec<_>>().join("\r\n")
}

fn status(n: usize, product: &str, remaining: i32, blocked: bool) -> KeyStatus {
    let key = ProductKey::parse(&format!("AAAAABBBBBCCCCCDDDDD{n:05}")).expect("a key");
    KeyStatus { remaining, blocked, ..KeyStatus::new(key, product) }
}

fn names(answer: &Value) -> Vec<String> {
    let keys = answer.as_array().expect("a list");
    keys.iter().map(|key| key["keyname"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn second_check_updates_stored_keys() -> Result<()> {
    let api = Fixture::new().await?;
    let first = api.check(&format!("{}\n{}\nnot a key", pasted(50), pasted(3).to_lowercase())).await;
    let summary = &first.data()["summary"];
    let (new, errors) = (summary["new_keys"].as_u64().expect("a count"), summary["errors"].as_u64());
    assert_eq!((summary["total_keys"].as_u64(), summary["updated_keys"].as_u64()), (Some(51), Some(0)));
    assert_eq!(errors, Some(51 - new));
    assert!(new > 30, "most keys are known: {summary}");
    assert!(first.body["message"].as_str().is_some_and(|text| text.starts_with("51 keys checked: ")));
    let results = first.data()["results"].as_array().expect("results");
    assert_eq!(results[0]["keyname"], "6NRGDKHFCFY4TF7PRWFD00000");
    assert_eq!(results[50]["error"], "line 54 is not a product key");

    let second = api.check(&pasted(50)).await;
    let summary = &second.data()["summary"];
    assert_eq!((summary["new_keys"].as_u64(), summary["updated_keys"].as_u64()), (Some(0), Some(new)));
    let found = api.get("/api/pidms/search?per_page=100").await;
    assert_eq!(found.data().as_array().map(|keys| keys.len() as u64), Some(new));
    assert_eq!(found.body["pagination"]["total_items"].as_u64(), Some(new));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_checks_are_rejected_with_field_name() -> Result<()> {
    let api = Fixture::new().await?;
    let table: [(&str, &str, &str); 9] = [
        (r#"{"keys":""}"#, "keys", "No keys provided"),
        (r#"{"keys":" , \r\n"}"#, "keys", "No keys provided"),
        (r#"{"keys":"hello"}"#, "keys", "No keys provided"),
        (r#"{"keys":"a\u0000b"}"#, "keys", ""),
        (r#"{"keys":"\ud800"}"#, "keys", ""),
        (r#"{"keys":["a"]}"#, "keys", ""),
        (r#"{"keys":null}"#, "keys", ""),
        (r#"{"keys":"a","page":1}"#, "page", ""),
        (r#"["a"]"#, "body", ""),
    ];
    for (body, field, message) in table {
        let answer = api.post("/api/pidms/check", body).await;
        assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec![field]), "{body}");
        assert!(answer.body["message"].as_str().is_some_and(|text| text.starts_with(message)), "{body}");
    }
    let answer = api.check(&pasted(51)).await;
    assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec!["keys"]));
    assert_eq!(answer.body["message"], "Maximum 50 keys per request");
    assert_eq!(answer.body["details"]["field_errors"][0]["message"], "line 51 has key number 51; 1 too many");
    let large = json!({ "keys": "x".repeat(10 * 1024 * 1024) }).to_string();
    assert_eq!(api.post("/api/pidms/check", large).await.refusal(), (413, "PAYLOAD_TOO_LARGE", vec!["body"]));
    assert_eq!(api.sandbox.seen().requests, 0, "invalid checks send no requests");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_pidkey_have_documented_status_and_text() -> Result<()> {
    let table = [
        (
            Mode::RateLimited,
            503,
            "UPSTREAM_RATE_LIMITED",
            "PIDKey.com API rate limit exceeded. Please try again later.",
        ),
        (
            Mode::RateLimitedWithoutRetryAfter,
            503,
            "UPSTREAM_RATE_LIMITED",
            "PIDKey.com API rate limit exceeded. Please try again later.",
        ),
        (
            Mode::Unauthorized,
            500,
            "UPSTREAM_CONFIG",
            "Invalid PIDKey.com API key. Please check configuration.",
        ),
        (Mode::Forbidden, 502, "UPSTREAM_ERROR", "PIDKey.com API error: 403"),
        (Mode::ServerError, 502, "UPSTREAM_ERROR", "PIDKey.com API error: 500"),
        (Mode::Redirect, 502, "UPSTREAM_ERROR", "PIDKey.com API error: 302"),
        (Mode::Garbage, 502, "UPSTREAM_ERROR", "PIDKey.com API error: unreadable answer"),
        (Mode::Object, 502, "UPSTREAM_ERROR", "PIDKey.com API error: unreadable answer"),
        (Mode::CutJson, 502, "UPSTREAM_ERROR", "PIDKey.com API error: unreadable answer"),
        (Mode::Truncated, 502, "UPSTREAM_ERROR", "PIDKey.com API error: unreadable answer"),
        (Mode::Oversized, 502, "UPSTREAM_ERROR", "PIDKey.com API error: unreadable answer"),
        (Mode::Hang, 504, "UPSTREAM_TIMEOUT", "PIDKey.com API timeout. Please try again."),
        (Mode::SlowDrip, 504, "UPSTREAM_TIMEOUT", "PIDKey.com API timeout. Please try again."),
    ];
    for (mode, status, code, message) in table {
        // A new client for each, because the state of `Retry-After` and of the breaker remains after a request.
        let api = Fixture::new().await?;
        api.sandbox.control(Control::mode(mode).retry_after("7"));
        let began = Instant::now();
        let answer = api.check(&pasted(1)).await;
        assert!(began.elapsed() < ATTEMPTS_MAX, "{mode:?} took {:?}", began.elapsed());
        assert_eq!(answer.refusal(), (status, code, vec![]), "{mode:?}");
        assert_eq!(answer.body["message"], message, "{mode:?}");
        let expected: Option<&[u8]> = match mode {
            Mode::RateLimited => Some(b"7"),
            Mode::RateLimitedWithoutRetryAfter => Some(b"60"),
            _ => None,
        };
        let retry_after = answer.headers.get("retry-after").map(|value| value.as_bytes().to_vec());
        assert_eq!(retry_after, expected.map(|seconds| seconds.to_vec()), "{mode:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unreachable_pidkey_opens_breaker() -> Result<()> {
    let mut api = Fixture::new().await?;
    let address = ([127, 0, 0, 1], 0).into();
    let sandbox = std::mem::replace(&mut api.sandbox, pidkey_sandbox::start(address).await?);
    sandbox.stop().await;
    let answer = api.check(&pasted(1)).await;
    assert_eq!(answer.refusal(), (500, "UPSTREAM_UNREACHABLE", vec![]));
    assert_eq!(answer.body["message"], "Failed to communicate with PIDKey.com API");
    // Three failed connects, and two of the next check, open the breaker.
    let answer = api.check(&pasted(1)).await;
    assert_eq!(answer.refusal(), (503, "UPSTREAM_UNREACHABLE", vec![]));
    assert!(answer.headers.contains_key("retry-after"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_pages_and_cursors_list_same_keys() -> Result<()> {
    let api = Fixture::new().await?;
    let statuses: Vec<KeyStatus> =
        (0..23).map(|n| status(n, ["Office", "Windows"][n % 2], (n % 5) as i32, false)).collect();
    keys::upsert(&api.store, &statuses).await?;
    let (mut by_number, mut by_cursor) = (Vec::new(), Vec::new());
    for page in 1..=5 {
        by_number.extend(names(api.get(&format!("/api/pidms/search?page={page}&page_size=5")).await.data()));
    }
    let mut cursor = String::new();
    loop {
        let answer = api.get(&format!("/api/pidms/search?limit=5{cursor}")).await;
        by_cursor.extend(names(answer.data()));
        let Some(next) = answer.body["pagination"]["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(by_number.len(), 23);
    assert_eq!(by_number, by_cursor);
    let page = api.get("/api/pidms/search?page=2&per_page=5").await.body["pagination"].clone();
    for (field, value) in [
        ("page", json!(2)),
        ("per_page", json!(5)),
        ("total_items", json!(23)),
        ("total_pages", json!(5)),
        ("has_next", json!(true)),
        ("has_prev", json!(true)),
        ("total_exact", json!(true)),
    ] {
        assert_eq!(page[field], value, "{field}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_literal_and_combined() -> Result<()> {
    let api = Fixture::new().await?;
    let statuses = [
        status(1, "Office_100%", 10, false),
        status(2, "OfficeX1000", 20, false),
        status(3, "Office_100%", 30, true),
        status(4, "Windows", -1, false),
    ];
    keys::upsert(&api.store, &statuses).await?;
    let table = [
        ("", vec![1, 2, 3, 4]),
        ("product=office", vec![1, 2, 3]),
        ("product=_100%25", vec![1, 3]),
        ("product=%25", vec![1, 3]),
        ("blocked=1", vec![3]),
        ("blocked=-1", vec![1, 2, 4]),
        ("min_remaining=20", vec![2, 3]),
        ("max_remaining=10&min_remaining=0", vec![1]),
        ("product=nothing", vec![]),
    ];
    for (query, expected) in table {
        // Sorted, because the order of products depends on the collation.
        let mut found = names(api.get(&format!("/api/pidms/search?{query}")).await.data());
        found.sort();
        let expected: Vec<String> = expected.iter().map(|n| format!("AAAAABBBBBCCCCCDDDDD{n:05}")).collect();
        assert_eq!(found, expected, "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_searches_are_rejected_with_parameter_name() -> Result<()> {
    let api = Fixture::new().await?;
    let table = [
        ("page=0", "page"),
        ("page=9223372036854775808", "page"),
        ("page=18446744073709551616", "page"),
        ("page=101&per_page=100", "page"),
        ("per_page=0", "per_page"),
        ("page_size=101", "per_page"),
        ("blocked=0", "blocked"),
        ("min_remaining=-1", "min_remaining"),
        ("max_remaining=2147483648", "max_remaining"),
        ("min_remaining=2&max_remaining=1", "max_remaining"),
        ("product=%00", "product"),
        ("product=a%0Ab", "product"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("sort=prd", "sort"),
    ];
    for (query, field) in table {
        let answer = api.get(&format!("/api/pidms/search?{query}")).await;
        assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec![field]), "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_exclude_unknown_numbers() -> Result<()> {
    let api = Fixture::new().await?;
    let statuses = [
        status(1, "Office", 1, false),
        status(2, "Office", 3, true),
        status(3, "Office", 3, false),
        status(4, "Windows", -1, false),
    ];
    keys::upsert(&api.store, &statuses).await?;
    let expected = json!({ "products": [
        { "prd": "Office", "key_count": 3, "total_remaining": 7, "avg_remaining": 2.33, "low_inventory": false },
        { "prd": "Windows", "key_count": 1, "total_remaining": 0, "avg_remaining": 0.0, "low_inventory": true },
    ]});
    assert_eq!(api.get("/api/pidms/products").await.data(), &expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_paged() -> Result<()> {
    let api = Fixture::new().await?;
    let statuses: Vec<KeyStatus> = (0..130).map(|n| status(n, &format!("Product{n:03}"), 1, false)).collect();
    for batch in statuses.chunks(50) {
        keys::upsert(&api.store, batch).await?;
    }
    let products = |answer: &Value| -> Vec<String> {
        let products = answer["products"].as_array().expect("a list");
        products.iter().map(|product| product["prd"].as_str().expect("a name").to_owned()).collect()
    };
    let first = api.get("/api/pidms/products").await;
    let pagination = &first.body["pagination"];
    assert_eq!((products(first.data()).len(), &pagination["total_items"]), (100, &json!(130)));
    assert_eq!((&pagination["has_next"], &pagination["total_exact"]), (&json!(true), &json!(true)));
    let cursor = pagination["next_cursor"].as_str().expect("a next page");
    let rest = api.get(&format!("/api/pidms/products?cursor={cursor}")).await;
    assert_eq!((&rest.body["pagination"]["has_next"], products(rest.data()).len()), (&json!(false), 30));
    let second = api.get("/api/pidms/products?page=2&page_size=30").await;
    assert_eq!(products(second.data())[0], "Product030");
    for (query, field) in
        [("per_page=1001", "per_page"), ("page=0", "page"), ("cursor=x", "cursor"), ("prd=a", "prd")]
    {
        let answer = api.get(&format!("/api/pidms/products?{query}")).await;
        assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec![field]), "{query}");
    }
    Ok(())
}
