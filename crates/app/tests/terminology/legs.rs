//! The legs of one search: they run concurrently, and all read one release.

use crate::support::{PATIENCE, database, eventually};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use steadfast_domain::terminology::{IcdCode, ImportRow, Query};
use steadfast_repository::{Store, terminology};
use steadfast_services::terminology::search;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_postgres::{NoTls, connect};

/// Returns a release in which every term has the word `mark`.
fn release(mark: &str) -> Result<Vec<ImportRow>> {
    let row = |number: usize| {
        let code = IcdCode::parse("code", &format!("M10{number}"))?;
        let (category, block) = (IcdCode::parse("category", "M10")?, "M05-M14".to_owned());
        let (term, chapter) = (format!("Gout {mark} {number}"), "13 Muscles (M00-M99)".to_owned());
        Ok(ImportRow { code, term, category, parent_code: None, block, chapter, billable: true })
    };
    (0..10).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn legs_of_one_search_run_concurrently() -> Result<()> {
    let database = database().await?;
    let store = Store::connect(&database.application_url())?;
    terminology::import(&store, "one", &release("one")?, |_| ()).await?;
    let (mut owner, connection) = connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    let (looker, connection) = connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    let held = owner.transaction().await?;
    held.batch_execute("LOCK TABLE icd10_codes IN ACCESS EXCLUSIVE MODE").await?;
    // A word has two legs. A code would have one.
    let searching = tokio::spawn(async move { search(&store, &Query::new("gout", None)?).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("both wait", async || Ok(looker.query_one(waiting, &[]).await?.get::<_, i64>(0) == 2)).await?;
    held.rollback().await?;
    let found = timeout(PATIENCE, searching).await???;
    assert_eq!((found.matches.len(), found.failed.len()), (10, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_never_mix_releases() -> Result<()> {
    let database = database().await?;
    let store = Store::connect(&database.application_url())?;
    let marks = ["elderly", "younger"];
    terminology::import(&store, marks[0], &release(marks[0])?, |_| ()).await?;
    let (is_over, searches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut searchers = JoinSet::new();
    for query in ["gout", "m10", "guot 3"] {
        let (store, is_over, searches) = (store.clone(), is_over.clone(), searches.clone());
        searchers.spawn(async move {
            let query = Query::new(query, None)?;
            while !is_over.load(Relaxed) {
                let found = search(&store, &query).await?;
                let of = |mark: &str| found.matches.iter().filter(|found| found.term.contains(mark)).count();
                let all = found.matches.len();
                ensure!(all > 0 && marks.iter().any(|mark| of(mark) == all), "{found:?}");
                searches.fetch_add(1, Relaxed);
            }
            Ok(())
        });
    }
    for round in 1..=6 {
        let mark = marks[round % 2];
        // Another number of rows makes it another release than the one before the last.
        let mut rows = release(mark)?;
        rows.truncate(10 - round % 3);
        terminology::import(&store, mark, &rows, |_| ()).await?;
        terminology::roll_back(&store).await?;
    }
    is_over.store(true, Relaxed);
    while let Some(ended) = searchers.join_next().await {
        ended??;
    }
    assert!(searches.load(Relaxed) > 20, "only {searches:?} searches ran during the switches");
    Ok(())
}
