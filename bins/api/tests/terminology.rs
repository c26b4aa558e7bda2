//! Quality of the search, with the full table and over HTTP.

#[path = "../benches/terminology/database.rs"]
mod database;
#[path = "../benches/terminology/questions.rs"]
mod questions;
#[path = "../benches/terminology/service.rs"]
mod service;

use anyhow::Result;
use questions::{Kind, Quality, Similarities, questions};
use service::Service;
use std::collections::BTreeMap;
use tokio_postgres::{Client, NoTls};

const QUESTIONS: usize = 200;

/// Number of questions whose most similar terms are also computed by the server, which reads the whole table for each.
const COMPARED: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_intended_code_and_most_similar_terms() -> Result<()> {
    let seed: u64 = match std::env::var("STEADFAST_SEED") {
        Ok(seed) => seed.parse()?,
        // Fixed, so that the test is deterministic. Other seeds are for changes of the search.
        Err(_) => 20_260_401,
    };
    println!("STEADFAST_SEED={seed}");
    let service = Service::start().await?;
    let similarities = Similarities::new(&service.rows);
    let (client, connection) = tokio_postgres::connect(&service.database_url(), NoTls).await?;
    tokio::spawn(connection);
    for question in questions(&service.rows, seed, COMPARED) {
        assert_eq!(
            rounded(similarities.top(&question.text)),
            server_top(&client, &question.text).await?,
            "{question:?}"
        );
    }
    let (mut all, mut kinds) = (Quality::default(), BTreeMap::<Kind, Quality>::new());
    for question in questions(&service.rows, seed, QUESTIONS) {
        let answer = service.search(&question.text).await?;
        all.count(&similarities, &question, &answer);
        kinds.entry(question.kind).or_default().count(&similarities, &question, &answer);
        if !answer.contains(&question.code) || !similarities.has_top(&question.text, &answer) {
            println!("{question:?}: {answer:?}");
        }
    }
    println!("{kinds:#?}");
    assert!(all.found_share() >= 0.95, "seed {seed}: {all:?}");
    assert!(all.top_share() >= 0.90, "seed {seed}: {all:?}");
    Ok(())
}

/// Returns the three highest similarities as computed by the server, in millionths.
async fn server_top(client: &Client, query: &str) -> Result<Vec<i64>> {
    let sql = "SELECT similarity(term, $1)::float8 AS similarity FROM icd10_codes WHERE similarity(term, $1) > 0.3 \
        ORDER BY similarity DESC LIMIT 3";
    let rows = client.query(sql, &[&query]).await?;
    Ok(rounded(rows.iter().map(|row| row.get(0)).collect()))
}

fn rounded(top: Vec<f64>) -> Vec<i64> {
    top.into_iter().map(|similarity| (similarity * 1e6).round() as i64).collect()
}
