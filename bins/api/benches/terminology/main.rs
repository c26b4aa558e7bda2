//! Benchmark of the search of ICD-10-CM over HTTP: `cargo xtask bench terminology [--quick]`
//!
//! Compares the time, by class of query, with the statement of the previous system, and measures the quality of the
//! results in the same run.

mod classes;
mod database;
mod import;
mod questions;
mod service;

use anyhow::{Result, ensure};
use classes::{CLASSES, Class};
use questions::{Kind, Quality, Similarities, questions};
use service::Service;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use steadfast_domain::terminology::{Leg, Query};
use steadfast_repository::{Store, terminology};
use tokio_postgres::{Client, NoTls, Statement};

/// Statement of the previous system, unchanged except for the names of its parameters.
const BEFORE: &str = "SELECT code, term, chapter FROM icd10_codes \
    WHERE active = true AND (similarity(term, $1) > 0.3 OR similarity(code, $1) > 0.3) \
    ORDER BY (similarity(term, $1) + similarity(code, $1)) DESC LIMIT 20";

/// Minimum speedup of the median of a class.
const MEDIAN_MIN: f64 = 20.0;

/// Minimum speedup of each query.
const WORST_MIN: f64 = 5.0;

/// Minimum share of answers with the intended code.
const FOUND_MIN: f64 = 0.95;

/// Minimum share of answers with the three most similar terms.
const TOP_MIN: f64 = 0.90;

/// Number of searches for each run of the previous statement, which takes much longer.
const REPEATS: usize = 5;

const QUESTIONS: usize = 200;

#[tokio::main]
async fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let rounds = if is_quick { 1 } else { 5 };
    let service = Service::start().await?;
    let (client, connection) = tokio_postgres::connect(&service.database_url(), NoTls).await?;
    tokio::spawn(connection);
    let before = client.prepare(BEFORE).await?;
    let was_fast = speed(&service, &client, &before, rounds).await?;
    let was_good = quality(&service).await?;
    legs(&service).await?;
    let was_import_fast = import::import(&service, rounds).await?;
    ensure!(was_fast && was_good && was_import_fast, "a goal was missed");
    Ok(())
}

/// Measures all classes and prints their table. Returns true if all meet their goals.
async fn speed(service: &Service, client: &Client, before: &Statement, rounds: usize) -> Result<bool> {
    println!("{:<14} {:>10} {:>10} {:>8} {:>8}  worst query", "class", "before", "search", "median", "worst");
    let mut all_met = true;
    for class in &CLASSES {
        let mut measured = Vec::new();
        for query in class.queries {
            measured.push((pair(service, client, before, query, rounds).await?, *query));
        }
        all_met &= report(class, &mut measured);
    }
    println!("goals: median of a class {MEDIAN_MIN}x, worst query {WORST_MIN}x");
    Ok(all_met)
}

fn report(class: &Class, measured: &mut [((Duration, Duration), &str)]) -> bool {
    let ratio = |(before, search): (Duration, Duration)| before.as_secs_f64() / search.as_secs_f64();
    measured.sort_by(|(one, _), (other, _)| ratio(*one).total_cmp(&ratio(*other)));
    let ((before, search), _) = measured[(measured.len() - 1) / 2];
    let (least, worst) = measured[0];
    let (median, least) = (ratio((before, search)), ratio(least));
    println!(
        "{:<14} {:>7.1} ms {:>7.2} ms {median:>7.1}x {least:>7.1}x  {worst}",
        class.name,
        before.as_secs_f64() * 1e3,
        search.as_secs_f64() * 1e3
    );
    median >= MEDIAN_MIN && least >= WORST_MIN
}

/// Measures the previous statement and the whole answer in turn, both warm. Returns the medians.
async fn pair(
    service: &Service,
    client: &Client,
    before: &Statement,
    query: &str,
    rounds: usize,
) -> Result<(Duration, Duration)> {
    let (mut befores, mut searches) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let began = Instant::now();
        client.query(before, &[&query]).await?;
        let took = began.elapsed();
        for _ in 0..REPEATS {
            let began = Instant::now();
            service.search(query).await?;
            searches.extend((round > 0).then(|| began.elapsed()));
        }
        befores.extend((round > 0).then_some(took));
    }
    Ok((median(befores), median(searches)))
}

/// Measures the quality of the search and prints it. Returns true if the goals are met.
async fn quality(service: &Service) -> Result<bool> {
    let seed = rand::random();
    let similarities = Similarities::new(&service.rows);
    let (mut all, mut kinds) = (Quality::default(), BTreeMap::<Kind, Quality>::new());
    for question in questions(&service.rows, seed, QUESTIONS) {
        let answer = service.search(&question.text).await?;
        all.count(&similarities, &question, &answer);
        kinds.entry(question.kind).or_default().count(&similarities, &question, &answer);
    }
    println!("{:<14} {:>8} {:>12} {:>12}", "queries", "asked", "code found", "top 3 found");
    for (kind, Quality { asked, found, has_top }) in kinds {
        println!("{:<14} {asked:>8} {found:>12} {has_top:>12}", format!("{kind:?}"));
    }
    let (found, top) = (all.found_share(), all.top_share());
    println!(
        "seed {seed}: {:.1} % with the intended code, goal {:.0} %; {:.1} % with the top 3 terms, goal {:.0} %",
        found * 1e2,
        FOUND_MIN * 1e2,
        top * 1e2,
        TOP_MIN * 1e2
    );
    Ok(found >= FOUND_MIN && top >= TOP_MIN)
}

/// Measures the legs one after the other and at once, and prints the speedup.
async fn legs(service: &Service) -> Result<()> {
    let store = Store::connect(&service.database_url())?;
    let (mut in_turn, mut at_once) = (Vec::new(), Vec::new());
    for query in CLASSES.iter().flat_map(|class| class.queries).cycle().take(500) {
        let query = Query::new(query, None)?;
        let began = Instant::now();
        for leg in [Leg::Code, Leg::Term, Leg::Similarity] {
            terminology::search(&store, leg, &query).await?;
        }
        in_turn.push(began.elapsed());
        let began = Instant::now();
        steadfast_services::terminology::search(&store, &query).await?;
        at_once.push(began.elapsed());
    }
    let (in_turn, at_once) = (median(in_turn).as_secs_f64(), median(at_once).as_secs_f64());
    println!(
        "legs in turn {:.2} ms, at once {:.2} ms: {:.2}x",
        in_turn * 1e3,
        at_once * 1e3,
        in_turn / at_once
    );
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
