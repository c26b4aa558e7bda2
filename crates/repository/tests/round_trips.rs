//! Round trips: what is said to travel together is counted on the wire.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/flights.rs"]
mod flights;
mod support;

use anyhow::Result;
use flights::Flights;
use steadfast_domain::keys::{Filter, KeyCursor, KeyStatus, ProductKey};
use steadfast_domain::page::Position;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::{Store, keys, terminology};
use support::Fixture;

/// The fixture, a store that reaches its database through the proxy, and the proxy.
async fn watched() -> Result<(Fixture, Store, Flights)> {
    let fixture = Fixture::new().await?;
    let (flights, through) = Flights::before(&fixture.database.application_url()).await?;
    let store = Store::connect(&through)?;
    Ok((fixture, store, flights))
}

fn status(number: u32) -> KeyStatus {
    KeyStatus {
        key: ProductKey::parse(&format!("{number:025}")).expect("25 digits"),
        product: "Office16".to_owned(),
        extended_pid: None,
        key_type: None,
        is_retail: None,
        sub_type: None,
        remaining: 3,
        blocked: false,
        error_code: None,
        had_occurred: None,
        invalid: None,
        checked_text: None,
        checked_at: None,
    }
}

#[tokio::test]
async fn a_warm_search_of_keys_is_two_statements_in_one_round_trip() -> Result<()> {
    let (fixture, store, flights) = watched().await?;
    keys::upsert(&fixture.store, &[status(1), status(2)]).await?;
    let cursor = KeyCursor { product: "Office16".to_owned(), remaining: 3, id: 1 };
    for position in [Position::numbered(1, 50)?, Position::after(cursor, 50)] {
        let search = async || keys::search(&store, &Filter::default(), &position).await;
        assert_eq!(flights.of(search).await?, 1, "{position:?}");
        let (found, reading) = fixture.meter().await?.read(search()).await?;
        assert_eq!((reading.statements, found?.pagination.total_items), (2, 2), "{position:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_place_of_a_code_is_one_warm_statement() -> Result<()> {
    let (fixture, store, flights) = watched().await?;
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
    let place = async || terminology::code_with_relatives(&store, &code).await;
    assert_eq!(flights.of(place).await?, 1);
    let (placed, reading) = fixture.meter().await?.read(place()).await?;
    assert_eq!((reading.statements, placed?.is_some()), (1, true));
    Ok(())
}

#[tokio::test]
async fn a_warm_upsert_is_three_round_trips() -> Result<()> {
    let (_fixture, store, flights) = watched().await?;
    let upsert = async || keys::upsert(&store, &[status(1), status(2)]).await;
    // BEGIN with its settings, the statement, COMMIT. This also shows that flights one after the other are told apart.
    assert_eq!(flights.of(upsert).await?, 3);
    Ok(())
}
