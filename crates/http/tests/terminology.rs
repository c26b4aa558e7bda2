//! The routes of medical terminology over a small table.

use crate::support::Fixture;
use anyhow::Result;
use serde_json::json;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::terminology;

/// Code, parent, term.
const TABLE: [(&str, &str, &str); 6] = [
    ("E11", "", "Type 2 diabetes mellitus"),
    ("E116", "E11", "Type 2 diabetes mellitus with other specified complications"),
    ("E1165", "E116", "Type 2 diabetes mellitus with hyperglycemia"),
    ("E1169", "E116", "Type 2 diabetes mellitus with other specified complication"),
    ("E119", "E11", "Type 2 diabetes mellitus without complications"),
    ("I10", "", "Essential (primary) hypertension"),
];

async fn filled() -> Result<Fixture> {
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
                chapter: "4 Endocrine, nutritional and metabolic diseases".to_owned(),
                billable: own.len() > 3,
            })
        })
        .collect();
    terminology::import(&api.store, &rows?).await?;
    Ok(api)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_by_code_by_words_and_by_likeness() -> Result<()> {
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
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_fails_is_left_out_and_named_and_only_when_all_fail_is_there_no_answer() -> Result<()> {
    let api = filled().await?;
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    // Takes the operator of the similarity leg away, and the index of the term leg, which gets by without it.
    client.batch_execute("DROP EXTENSION pg_trgm CASCADE").await?;
    let answer = api.get("/api/v1/search/icd10?query=diabetes").await;
    assert_eq!(answer.data()["failed_legs"], json!(["similarity"]));
    assert_eq!(answer.data()["total_count"], 5);
    client.batch_execute("DROP TABLE icd10_codes").await?;
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
async fn a_code_is_found_with_its_relatives_however_it_is_written() -> Result<()> {
    let api = filled().await?;
    for code in ["E11.6", "e116", "E11-6", "%45116"] {
        let answer = api.get(&format!("/api/v1/code/{code}")).await;
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
async fn a_code_that_is_not_there_is_404() -> Result<()> {
    let api = filled().await?;
    assert_eq!(api.get("/api/v1/code/Z99").await.refusal(), (404, "NOT_FOUND", vec![]));
    assert_eq!(api.get("/api/v1/code/").await.refusal(), (404, "NOT_FOUND", vec![]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_searched_for_is_refused_by_name() -> Result<()> {
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
        ("/api/v1/search/icd10?query=ab&chapter=4", "chapter"),
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
