//! Cached answers.

use super::{TABLE, filled};
use crate::support::Fixture;
use anyhow::Result;
use serde_json::{Value, json};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Returns an API that knows the release in use. One that does not know it yet caches answers for the release before.
async fn in_use() -> Result<Fixture> {
    let api = filled().await?;
    let knows = async || {
        let health = api.get("/health/detailed").await.body;
        health["checks"]["data"]["icd10_codes"] == TABLE.len()
    };
    timeout(Duration::from_secs(20), async {
        while !knows().await {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await?;
    Ok(api)
}

const SEARCH: &str = "/api/v1/search/icd10?query=diabetes";

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_failed_legs_are_not_cached() -> Result<()> {
    let api = in_use().await?;
    let (client, connection) = tokio_postgres::connect(&api.database.url(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("ALTER VIEW icd10_words RENAME TO gone_words").await?;
    // A query without completions is searched as misspelt.
    let paths = [SEARCH, "/api/v1/autocomplete/icd10?query=diabetez"];
    for path in [paths, paths].concat() {
        let answer = api.get(path).await;
        assert_eq!(answer.data()["failed_legs"], json!(["similarity"]), "{path}");
        assert_eq!(answer.data()["cache_status"], "miss", "{path}");
    }
    client.batch_execute("ALTER VIEW gone_words RENAME TO icd10_words").await?;
    for (path, status) in [(paths[0], "miss"), (paths[0], "hit"), (paths[1], "miss"), (paths[1], "hit")] {
        let answer = api.get(path).await;
        assert_eq!(
            (&answer.data()["cache_status"], answer.data().get("failed_legs")),
            (&json!(status), None),
            "{path}"
        );
    }
    Ok(())
}

/// Log lines of this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_contains_cache_hits() -> Result<()> {
    let api = in_use().await?;
    let (lines, batch) = (Lines::default(), json!({ "codes": ["I10"] }).to_string());
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    for _ in 0..2 {
        for path in [SEARCH, "/api/v1/autocomplete/icd10?query=diab", "/api/v1/code/I10"] {
            api.get(path).await;
        }
        api.post("/api/v1/batch/codes", batch.clone()).await;
    }
    api.get("/api/v1/chapters").await;
    let logged = String::from_utf8_lossy(&lines.0.lock().expect("not poisoned")).into_owned();
    let requests: Vec<&str> = logged.lines().filter(|line| line.contains("route=")).collect();
    let contain = |part: &str| requests.iter().map(|line| line.contains(part)).collect::<Vec<_>>();
    assert_eq!(contain("cache_hit=false"), [[true; 4].as_slice(), &[false; 5]].concat(), "{logged}");
    assert_eq!(contain("cache_hit=true"), [[false; 4].as_slice(), &[true; 4], &[false]].concat(), "{logged}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cache_distinguishes_parameters_but_not_case() -> Result<()> {
    let api = in_use().await?;
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
    let upper_case = api.get("/api/v1/search/icd10?query=DIABETES").await;
    assert_eq!(upper_case.data()["cache_status"], "hit");
    let typed = api.get("/api/v1/autocomplete/icd10?query=diabetes").await;
    assert_eq!(typed.data()["cache_status"], "miss", "suggestions are cached separately");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_answers_are_cached() -> Result<()> {
    let api = in_use().await?;
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
async fn batch_looks_up_only_uncached_codes() -> Result<()> {
    let api = in_use().await?;
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
