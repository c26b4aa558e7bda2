//! What is kept of answers, and what is not.

use super::filled;
use anyhow::Result;
use serde_json::{Value, json};

const SEARCH: &str = "/api/v1/search/icd10?query=diabetes";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_lacks_a_leg_is_not_kept() -> Result<()> {
    let api = filled().await?;
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("ALTER VIEW icd10_words RENAME TO gone_words").await?;
    for _ in 0..2 {
        let answer = api.get(SEARCH).await;
        assert_eq!(answer.data()["failed_legs"], json!(["similarity"]));
        assert_eq!(answer.data()["cache_status"], "miss");
    }
    client.batch_execute("ALTER VIEW gone_words RENAME TO icd10_words").await?;
    for status in ["miss", "hit"] {
        let answer = api.get(SEARCH).await;
        assert_eq!(
            (&answer.data()["cache_status"], answer.data().get("failed_legs")),
            (&json!(status), None)
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_parameter_that_changes_the_answer_has_its_own_and_the_case_of_letters_has_not() -> Result<()> {
    let api = filled().await?;
    for (more, status) in [
        ("", "miss"),
        ("&limit=10", "hit"),
        ("&limit=2", "miss"),
        ("&chapter=4", "miss"),
        ("&include_inactive=true", "miss"),
        ("&include_inactive=false", "hit"),
    ] {
        let answer = api.get(&format!("{SEARCH}{more}")).await;
        assert_eq!(answer.data()["cache_status"], status, "{more}");
    }
    let shouted = api.get("/api/v1/search/icd10?query=DIABETES").await;
    assert_eq!(shouted.data()["cache_status"], "hit");
    let typed = api.get("/api/v1/autocomplete/icd10?query=diabetes").await;
    assert_eq!(typed.data()["cache_status"], "miss", "a suggestion is no result");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn that_there_is_nothing_is_kept_too() -> Result<()> {
    let api = filled().await?;
    for (found, status) in [(0, "miss"), (0, "hit")] {
        let answer = api.get("/api/v1/search/icd10?query=zzqqxx").await;
        assert_eq!(
            (&answer.data()["total_count"], &answer.data()["cache_status"]),
            (&json!(found), &json!(status))
        );
    }
    let before = lookups(&api.get("/health/detailed").await.body);
    for _ in 0..3 {
        assert_eq!(api.get("/api/v1/code/Z99").await.refusal(), (404, "NOT_FOUND", vec![]));
    }
    assert_eq!(lookups(&api.get("/health/detailed").await.body), before + 1);
    Ok(())
}

fn lookups(health: &Value) -> u64 {
    health["cache"]["misses"].as_u64().expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_looks_up_only_what_is_not_known_and_spoils_no_other_answer() -> Result<()> {
    let api = filled().await?;
    let whole = api.get("/api/v1/code/E116").await.data().clone();
    for (codes, hits, misses, status) in [
        (json!(["E116", "Z99"]), 0, 2, "miss"),
        (json!(["e11.6", "I10", "no code"]), 1, 1, "miss"),
        (json!(["Z99", "I10", "E116"]), 3, 0, "hit"),
    ] {
        let answer = api.post("/api/v1/batch/codes", json!({ "codes": codes }).to_string()).await;
        let data = answer.data();
        assert_eq!((&data["cache_hits"], &data["cache_misses"]), (&json!(hits), &json!(misses)), "{codes}");
        assert_eq!(data["cache_status"], status);
        for code in codes.as_array().expect("codes").iter().filter_map(Value::as_str) {
            let expected = match code {
                "Z99" => "NOT_FOUND",
                "no code" => "INVALID_PARAMS",
                "I10" => "I10",
                _ => "E116",
            };
            let entry = &data["results"][code];
            let given = entry.get("code").or(entry.get("error"));
            assert_eq!(given, Some(&json!(expected)), "{code}");
        }
    }
    let again = api.get("/api/v1/code/E116").await;
    assert_eq!(again.data()["cache_status"], "hit");
    assert_eq!(again.data()["children"], whole["children"]);
    Ok(())
}
