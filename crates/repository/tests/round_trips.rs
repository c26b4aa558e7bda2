//! Tests of the number of round trips, counted on the wire.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use anyhow::Result;
use proxy::RoundTrips;
use steadfast_domain::keys::{Filter, KeyCursor, KeyStatus, ProductKey};
use steadfast_domain::page::Position;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::{Store, keys, terminology};
use support::Fixture;

/// Returns a fixture, a store that connects through a counting proxy, and the proxy.
async fn counted() -> Result<(Fixture, Store, RoundTrips)> {
    let fixture = Fixture::new().await?;
    let (round_trips, proxied) = RoundTrips::proxy(&fixture.database.application_url()).await?;
    let store = Store::connect(&proxied)?;
    Ok((fixture, store, round_trips))
}

fn status(number: u32) -> KeyStatus {
    let key = ProductKey::parse(&format!("{number:025}")).expect("25 digits");
    KeyStatus { remaining: 3, ..KeyStatus::new(key, "Office16") }
}

#[tokio::test]
async fn key_search_is_one_round_trip() -> Result<()> {
    let (fixture, store, round_trips) = counted().await?;
    keys::upsert(&fixture.store, &[status(1), status(2)]).await?;
    let cursor = KeyCursor { product: "Office16".to_owned(), remaining: 3, id: 1 };
    for position in [Position::numbered(1, 50)?, Position::after(cursor, 50)] {
        let search = async || keys::search(&store, &Filter::default(), &position).await;
        assert_eq!(round_trips.of(search).await?, 1, "{position:?}");
        let (found, reading) = fixture.meter().await?.read(search()).await?;
        assert_eq!((reading.statements, found?.pagination.total_items), (2, 2), "{position:?}");
    }
    Ok(())
}

#[tokio::test]
async fn code_lookup_is_one_round_trip() -> Result<()> {
    let (fixture, store, round_trips) = counted().await?;
    let code = IcdCode::parse("code", "E11")?;
    let row = ImportRow {
        code: code.clone(),
        term: "Type 2 diabetes mellitus".to_owned(),
        category: code.clone(),
        parent_code: None,
        block: "E08-E13".to_owned(),
        chapter: "4 Endocrine".to_owned(),
        billable: false,
    };
    terminology::import(&fixture.store, "small", &[row], |_| ()).await?;
    let lookup = async || terminology::code_with_relatives(&store, &code).await;
    assert_eq!(round_trips.of(lookup).await?, 1);
    let (found, reading) = fixture.meter().await?.read(lookup()).await?;
    assert_eq!((reading.statements, found?.is_some()), (1, true));
    Ok(())
}

#[tokio::test]
async fn upsert_is_three_round_trips() -> Result<()> {
    let (_fixture, store, round_trips) = counted().await?;
    let upsert = async || keys::upsert(&store, &[status(1), status(2)]).await;
    // BEGIN with its settings, the statement, COMMIT. This also shows that the proxy counts consecutive round trips.
    assert_eq!(round_trips.of(upsert).await?, 3);
    Ok(())
}
