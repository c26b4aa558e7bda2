//! The routes of medical terminology with a small table.

mod cache;
mod search;
mod statistics;

use crate::practice;
use crate::support::Fixture;
use anyhow::Result;
use serde_json::{Value, json};
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::terminology;

/// Rows of the table: code, parent, term.
const TABLE: [(&str, &str, &str); 6] = [
    ("E11", "", "Type 2 diabetes mellitus"),
    ("E116", "E11", "Type 2 diabetes mellitus with other specified complications"),
    ("E1165", "E116", "Type 2 diabetes mellitus with hyperglycemia"),
    ("E1169", "E116", "Type 2 diabetes mellitus with other specified complication"),
    ("E119", "E11", "Type 2 diabetes mellitus without complications"),
    ("I10", "", "Essential (primary) hypertension"),
];

fn chapter(code: &str) -> &'static str {
    match code.starts_with('E') {
        true => "4 Endocrine, nutritional and metabolic diseases (E00-E89)",
        false => "9 Diseases of the circulatory system (I00-I99)",
    }
}

pub(crate) async fn filled() -> Result<Fixture> {
    let api = Fixture::new().await?;
    let code = |text: &str| IcdCode::parse("code", text);
    let rows: Result<Vec<ImportRow>> = TABLE
        .iter()
        .map(|(own, parent, term)| {
            Ok(ImportRow {
                code: code(own)?,
                term: (*term).to_owned(),
                category: code(&own[..3])?,
                parent_code: if parent.is_empty() { None } else { Some(code(parent)?) },
                block: "E08-E13".to_owned(),
                chapter: chapter(own).to_owned(),
                billable: own.len() > 3,
            })
        })
        .collect();
    terminology::import(&api.store, "small", &rows?, |_| ()).await?;
    practice::fill(&api).await?;
    Ok(api)
}

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_codes_words_and_similar_words() -> Result<()> {
    let api = filled().await?;
    for (query, first, match_type, confidence) in [
        ("e11.6", "E116", "exact_code", 1.0),
        ("hypertension", "I10", "term_prefix", 0.9),
        ("hypertention+primary", "I10", "fuzzy", 0.6),
    ] {
        let answer = api.get(&format!("/api/v1/search/icd10?query={query}")).await;
        let found = &answer.data()["results"][0];
        assert_eq!((&found["code"], &found["match_type"]), (&json!(first), &json!(match_type)), "{query}");
        assert_eq!(found["confidence"], confidence, "{query}");
        assert!(answer.data()["query_time_ms"].as_f64().is_some_and(|time| time > 0.0));
        assert!(answer.data().get("failed_legs").is_none());
    }
    let few = api.get("/api/v1/search/icd10?query=diabetes&limit=2").await;
    assert_eq!(few.data()["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(few.data()["total_count"], 5);
    let most = api.get("/api/v1/search/icd10?query=diabetes&limit=50").await;
    assert_eq!(most.data()["results"].as_array().map(Vec::len), Some(5));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_legs_are_named() -> Result<()> {
    let api = filled().await?;
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    // Only the similarity leg reads the words.
    client.batch_execute("ALTER VIEW icd10_words RENAME TO gone_words").await?;
    let answer = api.get("/api/v1/search/icd10?query=diabetes").await;
    assert_eq!(answer.data()["failed_legs"], json!(["similarity"]));
    assert_eq!(answer.data()["total_count"], 5);
    client.batch_execute("ALTER VIEW icd10_codes RENAME TO gone_codes").await?;
    for query in ["E11", "heart+failure", "TB"] {
        let answer = api.get(&format!("/api/v1/search/icd10?query={query}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]),
            (500, &json!("DB_QUERY_ERROR")),
            "{query}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn look_up_accepts_all_spellings_of_code() -> Result<()> {
    let api = filled().await?;
    for code in [
        "code/E11.6",
        "code/e116",
        "code/E11-6",
        "code/%45116",
        "code/E11.6/hierarchy",
        "enterprise/icd10/E11.6/hierarchy",
    ] {
        let answer = api.get(&format!("/api/v1/{code}")).await;
        let placed = answer.data();
        assert_eq!((&placed["code"], &placed["parent_code"]), (&json!("E116"), &json!("E11")), "{code}");
        assert_eq!(placed["parents"], json!([{ "code": "E11", "term": "Type 2 diabetes mellitus" }]));
        assert_eq!((&placed["total_children"], &placed["total_siblings"]), (&json!(2), &json!(1)));
        assert_eq!(placed["children"][0]["code"], "E1165");
        assert_eq!(placed["siblings"][0]["code"], "E119");
        assert_eq!((&placed["hierarchy_depth"], &placed["active"]), (&json!(1), &json!(true)));
    }
    let category = api.get("/api/v1/code/I10").await;
    assert_eq!(category.data()["parent_code"], json!(null));
    assert_eq!(category.data()["hierarchy_depth"], 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_code_is_404() -> Result<()> {
    let api = filled().await?;
    assert_eq!(api.get("/api/v1/code/Z99").await.refusal(), (404, "NOT_FOUND", vec![]));
    assert_eq!(api.get("/api/v1/code/Z99/hierarchy").await.refusal(), (404, "NOT_FOUND", vec![]));
    assert_eq!(api.get("/api/v1/code/").await.refusal(), (404, "NOT_FOUND", vec![]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_parameters_are_rejected_by_name() -> Result<()> {
    let api = filled().await?;
    for (uri, field) in [
        ("/api/v1/search/icd10", "query"),
        ("/api/v1/search/icd10?query=", "query"),
        ("/api/v1/search/icd10?query=x", "query"),
        ("/api/v1/search/icd10?query=a%00b", "query"),
        ("/api/v1/search/icd10?query=%ED%A0%80", "query"),
        ("/api/v1/search/icd10?query=ab&limit=0", "limit"),
        ("/api/v1/search/icd10?query=ab&limit=51", "limit"),
        ("/api/v1/search/icd10?query=ab&limit=9223372036854775808", "limit"),
        ("/api/v1/search/icd10?query=ab&chapter=", "chapter"),
        ("/api/v1/search/icd10?query=ab&chapter=I00%2FI99", "chapter"),
        ("/api/v1/search/icd10?query=ab&chapter=AAAAAAAAAAAAAAAAAAAAA", "chapter"),
        ("/api/v1/search/icd10?query=ab&include_inactive=maybe", "include_inactive"),
        ("/api/v1/search/icd10?query=ab&nope=4", "nope"),
        ("/api/v1/autocomplete/icd10", "query"),
        ("/api/v1/autocomplete/icd10?query=x", "query"),
        ("/api/v1/autocomplete/icd10?query=ab&limit=51", "limit"),
        ("/api/v1/autocomplete/icd10?query=ab&limit=0", "limit"),
        ("/api/v1/code/E11_6/hierarchy", "code"),
        ("/api/v1/enterprise/icd10/E11_6/hierarchy", "code"),
        ("/api/v1/code/%00", "code"),
        ("/api/v1/code/%ff", "code"),
        ("/api/v1/code/E11_6", "code"),
        ("/api/v1/code/...", "code"),
        ("/api/v1/code/AAAAAAAAAAAAAAAAAAAAA", "code"),
    ] {
        assert_eq!(api.get(uri).await.refusal(), (400, "INVALID_PARAMS", vec![field]), "{uri}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn search_can_be_restricted_to_chapter() -> Result<()> {
    let api = filled().await?;
    for (chapter, total) in [("4", 5), ("9", 0)] {
        let answer = api.get(&format!("/api/v1/search/icd10?query=diabetes&chapter={chapter}")).await;
        assert_eq!(answer.data()["total_count"], total, "{chapter}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn autocomplete_suggests_codes() -> Result<()> {
    let api = filled().await?;
    for (typed, first) in [("e1", "E11"), ("E11.6", "E116"), ("hyperten", "I10")] {
        let answer = api.get(&format!("/api/v1/autocomplete/icd10?query={typed}")).await;
        let first_one = &answer.data()["suggestions"][0];
        assert_eq!(first_one["code"], first, "{typed}");
        assert!(first_one["confidence"].as_f64().is_some_and(|sure| sure > 0.0 && sure <= 1.0));
        assert!(first_one.get("match_type").is_none());
    }
    let few = api.get("/api/v1/autocomplete/icd10?query=diab&limit=2").await;
    assert_eq!(few.data()["suggestions"].as_array().map(Vec::len), Some(2));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_answers_each_code() -> Result<()> {
    let api = filled().await?;
    let body = json!({ "codes": ["e11.6", "E116", "Z99", "no code", "I10"] }).to_string();
    for path in ["/api/v1/batch/codes", "/api/v1/enterprise/batch/codes"] {
        let answer = api.post(path, body.clone()).await;
        let (results, total) = (&answer.data()["results"], &answer.data()["total_codes"]);
        assert_eq!(results["e11.6"]["code"], "E116");
        assert_eq!(results["e11.6"], results["E116"], "one entry per spelling");
        assert_eq!((&results["I10"]["parent_code"], &results["I10"]["active"]), (&Value::Null, &json!(true)));
        assert_eq!(results["Z99"]["error"], "NOT_FOUND");
        assert_eq!(results["no code"]["error"], "INVALID_PARAMS");
        assert_eq!((total, answer.body["message"].as_str()), (&json!(5), Some("2 of 3 codes")));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_batches_are_rejected_with_field_name() -> Result<()> {
    let api = Fixture::new().await?;
    for (body, field) in [
        (json!({ "codes": [] }), "codes"),
        (json!({ "codes": vec!["E11"; 101] }), "codes"),
        (json!({ "codes": ["E11", 7] }), "codes[1]"),
        (json!({ "codes": "E11" }), "codes"),
        (json!({}), "codes"),
        (json!({ "codes": ["E11"], "more": 1 }), "more"),
    ] {
        let answer = api.post("/api/v1/batch/codes", body.to_string()).await;
        assert_eq!(answer.refusal(), (400, "INVALID_PARAMS", vec![field]), "{body}");
    }
    let only_wrong = api.post("/api/v1/batch/codes", json!({ "codes": ["?"] }).to_string()).await;
    assert_eq!(only_wrong.data()["results"]["?"]["error"], "INVALID_PARAMS");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn chapters_are_listed_by_number_with_totals() -> Result<()> {
    let api = filled().await?;
    for path in ["/api/v1/chapters", "/api/v1/enterprise/chapters"] {
        let answer = api.get(path).await;
        let chapter = &answer.data()["chapters"][0];
        assert_eq!((&chapter["number"], &chapter["first_code"]), (&json!(4), &json!("E11")));
        assert_eq!(chapter["title"], "Endocrine, nutritional and metabolic diseases (E00-E89)");
        assert_eq!((&chapter["last_code"], &chapter["total_codes"]), (&json!("E119"), &json!(5)));
        assert_eq!((&chapter["active_codes"], &chapter["billable_codes"]), (&json!(5), &json!(4)));
        let second = &answer.data()["chapters"][1];
        assert_eq!((&second["number"], &second["billable_codes"]), (&json!(9), &json!(0)));
    }
    Ok(())
}
