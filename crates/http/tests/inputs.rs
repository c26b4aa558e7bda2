//! Arbitrary query strings, paths and bodies: the answer is always an envelope, and never a failure of the server.

use crate::support::{Answered, Fixture};
use anyhow::Result;
use axum::http::Uri;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::json;
use std::fmt::Debug;
use tokio::runtime::Runtime;

/// Number of inputs per test. Each is a request with a real database.
const CASES: u32 = 200;

/// Parameters of all routes, and an unknown one.
const NAMES: &str = "product|min_remaining|max_remaining|blocked|page|per_page|page_size|limit|cursor|query|\
    chapter|include_inactive|user_id|action|resource_type|resource_id|correlation_id|success|from|to|nope";

/// Runs `ask` with inputs of `strategy` and checks that no answer is a failure of the server.
fn check_inputs<S, A>(strategy: S, ask: A) -> Result<()>
where
    S: Strategy<Value: Clone + Debug + Send + Sync + 'static>,
    A: AsyncFn(&Fixture, S::Value) -> Answered,
{
    let runtime = Runtime::new()?;
    let api = runtime.block_on(Fixture::new())?;
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(&strategy, |input| {
        let answer = runtime.block_on(ask(&api, input));
        prop_assert!(answer.status.as_u16() < 500, "{}: {}", answer.status, answer.body);
        prop_assert!(answer.body["success"].is_boolean(), "{}", answer.body);
        Ok::<(), TestCaseError>(())
    })?;
    // A request after all others detects damage that they left.
    assert_eq!(runtime.block_on(api.get("/api/pidms/products")).status, 200);
    Ok(())
}

/// Returns query strings: names and values as browsers send them, with any text, and strings that no browser sends.
fn queries() -> impl Strategy<Value = String> {
    let value =
        prop_oneof![any::<String>(), "-?[0-9]{1,20}", "[A-Za-z0-9_-]{0,60}", "[%_\\\\\"'():&|!*<> -]{0,20}"];
    let pairs = proptest::collection::vec((NAMES, value), 0..4)
        .prop_map(|pairs| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    let raw = format!("({NAMES}|[ -~]{{0,9}})=[ -~]{{0,40}}(&[ -~]{{0,20}})?");
    prop_oneof![pairs, proptest::string::string_regex(&raw).expect("an expression")]
}

/// Returns `uri` if it is valid, else `other`.
fn uri_or(uri: String, other: &str) -> String {
    if uri.parse::<Uri>().is_ok() { uri } else { other.to_owned() }
}

#[test]
fn searches_of_keys_never_fail_server() -> Result<()> {
    check_inputs(queries(), async |api, query| {
        api.get(&uri_or(format!("/api/pidms/search?{query}"), "/api/pidms/search")).await
    })
}

#[test]
fn lists_of_audit_entries_never_fail_server() -> Result<()> {
    // Mostly requests with valid names, whose values are arbitrary.
    let pair = prop_oneof![Just("action"), Just("correlation_id"), Just("from"), Just("cursor")];
    let query = (pair, prop_oneof![any::<String>(), "[+-]?[0-9]{4,6}-0[1-9]-1[0-9]T00:00:00Z"]).prop_map(
        |(name, text)| {
            form_urlencoded::Serializer::new(String::new())
                .append_pair("action", "read")
                .append_pair(name, &text)
                .finish()
        },
    );
    check_inputs(prop_oneof![1 => query, 1 => queries()], async |api, query| {
        api.get(&uri_or(format!("/api/audit/entries?{query}"), "/api/audit/entries")).await
    })
}

#[test]
fn lists_of_ledger_never_fail_server() -> Result<()> {
    let names = "client_id|transaction_type|is_posted|is_reconciled|service_date_from|service_date_to|cursor";
    let values =
        "[+-]?[0-9]{1,6}-[01][0-9]-[0-3][0-9]|true|false|charge|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
    let pair = (names, prop_oneof![1 => any::<String>(), 4 => values]);
    let query = proptest::collection::vec(pair, 0..3)
        .prop_map(|pairs| form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
    check_inputs(prop_oneof![2 => query, 1 => queries()], async |api, query| {
        api.get(&uri_or(format!("/api/ledger?{query}"), "/api/ledger")).await
    })
}

#[test]
fn searches_of_terminology_never_fail_server() -> Result<()> {
    // Mostly requests with one `query` and no other parameters, which are usually valid.
    let one = any::<String>().prop_map(|text| {
        form_urlencoded::Serializer::new(String::new()).append_pair("query", &text).finish()
    });
    check_inputs(prop_oneof![2 => one, 1 => queries()], async |api, query| {
        api.get(&uri_or(format!("/api/v1/search/icd10?{query}"), "/api/v1/search/icd10")).await
    })
}

#[test]
fn chapters_and_autocomplete_never_fail_server() -> Result<()> {
    let texts = (prop_oneof![any::<String>(), "[A-Za-z0-9.-]{0,21}"], any::<String>(), any::<bool>());
    check_inputs(texts, async |api, (chapter, text, completes)| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let path = if completes { "autocomplete" } else { "search" };
        if !completes {
            pairs.append_pair("chapter", &chapter).append_pair("include_inactive", "true");
        }
        let pairs = pairs.append_pair("query", &format!("fever{text}")).finish();
        api.get(&format!("/api/v1/{path}/icd10?{pairs}")).await
    })
}

#[test]
fn batches_of_codes_never_fail_server() -> Result<()> {
    let code = prop_oneof![any::<String>(), "[A-Z][0-9][0-9A-Z]\\.?[0-9A-Z]{0,4}"];
    let bodies = prop_oneof![
        proptest::collection::vec(code, 0..110).prop_map(|codes| json!({ "codes": codes }).to_string()),
        "\\{\"(codes|x)\":[\\[\\]{}\",:0-9nul\\\\]{0,30}\\}?",
    ];
    check_inputs(bodies, async |api, body| api.post("/api/v1/batch/codes", body).await)
}

#[test]
fn codes_in_paths_never_fail_server() -> Result<()> {
    let codes = prop_oneof![
        any::<String>().prop_map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>()),
        "[A-Z][0-9][0-9A-Z](%2[eE]|\\.)?[0-9A-Z]{0,5}",
        "[ -~]{0,30}",
    ];
    check_inputs(codes, async |api, code| {
        api.get(&uri_or(format!("/api/v1/code/{code}"), "/api/v1/code/x")).await
    })
}

#[test]
fn bodies_of_checks_never_fail_server() -> Result<()> {
    let keys = "(([A-Za-z0-9]{5}-){4}[A-Za-z0-9]{5}|[A-Za-z0-9]{25}|[ -~]{0,30})";
    let pasted = format!("({keys}(\r\n|\n|,|;| |\t)?){{0,6}}");
    let pasted = proptest::string::string_regex(&pasted)?;
    let bodies = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        any::<String>().prop_map(|text| json!({ "keys": text }).to_string().into_bytes()),
        pasted.prop_map(|text| json!({ "keys": text }).to_string().into_bytes()),
        "\\{\"(keys|x)\":[\\[\\]{}\",:0-9nul\\\\]{0,30}\\}?".prop_map(String::into_bytes),
    ];
    check_inputs(bodies, async |api, body| api.post("/api/pidms/check", body).await)
}
