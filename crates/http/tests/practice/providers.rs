//! Providers: filters, and addresses and numbers that only one may have.

use super::{PROVIDER, fill, put};
use crate::support::{Answered, Fixture};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ALL: &str = "/api/providers";

fn provider(last_name: &str, more: Value) -> Value {
    let email = format!("{last_name}@example.com");
    let mut body = json!({ "first_name": "Ada", "last_name": last_name, "email": email });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

fn names(answer: &Answered) -> Vec<&str> {
    let providers = answer.data().as_array().expect("providers");
    providers.iter().filter_map(|provider| provider["last_name"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_combine_their_filters() -> Result<()> {
    let api = Fixture::new().await?;
    for (last_name, specialty, is_active, accepts) in [
        ("Abel", Some("Psychology"), true, true),
        ("Baum", Some("Psychology"), true, false),
        ("Curie", Some("Psychology"), false, true),
        ("Dahl", Some("Counseling"), true, true),
        ("Eder", None, false, false),
    ] {
        let more = json!({ "specialty": specialty, "is_active": is_active, "accepts_new_patients": accepts });
        assert_eq!(api.post(ALL, provider(last_name, more).to_string()).await.status, 201);
    }
    for (query, expected) in [
        ("", vec!["Abel", "Baum", "Curie", "Dahl", "Eder"]),
        ("is_active=true", vec!["Abel", "Baum", "Dahl"]),
        ("is_active=false", vec!["Curie", "Eder"]),
        ("accepts_new_patients=false", vec!["Baum", "Eder"]),
        ("is_active=true&accepts_new_patients=true", vec!["Abel", "Dahl"]),
        ("specialty=Psychology", vec!["Abel", "Baum", "Curie"]),
        ("specialty=Psychology&is_active=true&accepts_new_patients=true", vec!["Abel"]),
        ("specialty=Psychology&is_active=false&accepts_new_patients=false", vec![]),
    ] {
        let answer = api.get(&format!("{ALL}?{query}")).await;
        assert_eq!(names(&answer), expected, "{query}");
        assert_eq!(answer.body["pagination"]["total_items"], expected.len(), "{query}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_by_cursor_have_each_provider_once() -> Result<()> {
    let api = Fixture::new().await?;
    for number in 0..7 {
        let mut body = provider("Abel", json!({ "email": format!("{number}@example.com") }));
        body["first_name"] = json!(["Ada", "Ben"][number % 2]);
        assert_eq!(api.post(ALL, body.to_string()).await.status, 201);
    }
    let (mut seen, mut first_names, mut cursor) = (BTreeSet::new(), Vec::new(), String::new());
    loop {
        let answer = api.get(&format!("{ALL}?per_page=2{cursor}")).await;
        for provider in answer.data().as_array().expect("providers") {
            assert!(seen.insert(provider["id"].to_string()), "twice");
            first_names.push(provider["first_name"].to_string());
        }
        match answer.body["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(seen.len() == 7 && first_names.is_sorted(), "{first_names:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_name_their_field() -> Result<()> {
    let api = Fixture::new().await?;
    fill(&api).await?;
    let same_address = provider("GRACE", json!({}));
    let numbered = |name| provider(name, json!({ "npi_number": "1234567893" }));
    assert_eq!(
        api.post(ALL, same_address.to_string()).await.refusal(),
        (409, "DUPLICATE_ENTRY", vec!["email"])
    );
    assert_eq!(api.post(ALL, numbered("Abel").to_string()).await.status, 201);
    let refused = api.post(ALL, numbered("Baum").to_string()).await;
    assert_eq!(refused.refusal(), (409, "DUPLICATE_ENTRY", vec!["npi_number"]));
    let one = format!("{ALL}/{PROVIDER}");
    assert_eq!(
        put(&api, &one, "*", &numbered("Baum")).await.refusal(),
        (409, "DUPLICATE_ENTRY", vec!["npi_number"])
    );
    assert_eq!(put(&api, &one, "\"1\"", &same_address).await.data()["email"], "GRACE@example.com");
    assert_eq!(put(&api, &one, "\"1\"", &same_address).await.refusal().0, 412);
    Ok(())
}
