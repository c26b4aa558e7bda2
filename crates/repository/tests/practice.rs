//! The practice on a real server: the search for clients against a model, and concurrent changes.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "practice/appointments.rs"]
mod appointments;
#[path = "practice/ledger.rs"]
mod ledger;
#[path = "practice/notes.rs"]
mod notes;
mod support;

use anyhow::Result;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::page::{PageParameters, Position};
use steadfast_domain::practice::{
    CLIENTS_PAGE, ClientCursor, ClientDetails, ClientId, ClientInclusion, ClientParameters,
};
use steadfast_domain::version::{Expected, Version};
use steadfast_repository::{Error, practice};
use support::Fixture;

fn details(first_name: &str, last_name: &str) -> Valid<ClientDetails> {
    let body = serde_json::json!({ "first_name": first_name, "last_name": last_name });
    Valid::of(serde_json::from_value(body).expect("a body")).expect("valid details")
}

/// Returns the ids of all clients that a search finds, page by page.
async fn search(fixture: &Fixture, text: &str, per_page: u64) -> Result<Vec<ClientId>> {
    let parameters = ClientParameters {
        search: Some(text.to_owned()),
        active_only: Some(false),
        include_stats: Some(text.contains(' ')),
    };
    let (filter, mut found, mut cursor) = (parameters.parse()?, Vec::new(), None);
    loop {
        let page = PageParameters { per_page: Some(per_page), cursor, ..PageParameters::default() };
        let position: Position<ClientCursor> = page.position(CLIENTS_PAGE)?;
        let page = practice::clients(&fixture.store, &filter, &position).await?;
        found.extend(page.items.iter().map(|client| client.details.id));
        cursor = page.pagination.next_cursor;
        if cursor.is_none() {
            assert_eq!(page.pagination.total_items as usize, found.len(), "{text}");
            return Ok(found);
        }
    }
}

/// Names with shared parts, characters of one to four bytes, and characters that patterns give a meaning to.
const NAMES: [&str; 12] =
    ["anna", "Hanna", "ann%", "a_na", "Ännä", "李安娜", "an\\na", "O'Anna", "nana", "AN", "𝒜nna", "na'an"];

#[tokio::test(flavor = "multi_thread")]
async fn search_finds_what_the_model_finds() -> Result<()> {
    let fixture = Fixture::new().await?;
    let insert = "INSERT INTO clients (id, first_name, last_name, email) VALUES (gen_random_uuid(), $1, $2, $3) RETURNING id::text";
    let client = fixture.client().await?;
    let mut clients = Vec::new();
    for first_name in NAMES {
        for last_name in NAMES {
            let email = format!("{}@Ex.org", first_name.chars().count() * 100 + last_name.len());
            let id: String = client.query_one(insert, &[&first_name, &last_name, &email]).await?.get(0);
            let texts = [last_name, first_name, &email].map(str::to_lowercase);
            clients.push((ClientId(id.parse()?), texts));
        }
    }
    let windows = |name: &str| {
        let name: Vec<char> = name.to_lowercase().chars().collect();
        let lengths = 2..=name.len();
        lengths.flat_map(|n| name.windows(n).map(String::from_iter).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    let parts: BTreeSet<String> = NAMES.iter().copied().chain(["@ex.o", "xyzzy"]).flat_map(windows).collect();
    assert!(parts.len() > 30);
    for part in &parts {
        for text in [part.clone(), format!("{part} na")] {
            let contains = |texts: &[String; 3]| {
                text.split(' ').all(|word| texts.iter().any(|text| text.contains(word)))
            };
            let expected: BTreeSet<_> =
                clients.iter().filter(|(_, texts)| contains(texts)).map(|(id, _)| *id).collect();
            let found = search(&fixture, &text, 37).await?;
            assert_eq!(found.len(), expected.len(), "{text}");
            assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{text}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_stay_within_their_budgets() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (store, origin) = (&fixture.store, Origin::operator("test"));
    // Opens the session.
    let created = practice::create_client(store, &origin, &details("Ada", "Lovelace")).await?;
    let id = ClientId(created.id.parse()?);
    let meter = fixture.meter().await?;
    for text in [None, Some("ada"), Some("0142233")] {
        let search = text.map(str::to_owned);
        let parameters = ClientParameters { search, active_only: None, include_stats: Some(true) };
        let (filter, first_page) = (parameters.parse()?, PageParameters::default().position(CLIENTS_PAGE)?);
        let (found, reading) = meter.read(practice::clients(store, &filter, &first_page)).await?;
        found?;
        assert_eq!(reading.statements, 2, "{text:?}");
    }
    let none = ClientInclusion::default();
    let all = ClientInclusion { include_appointments: true, include_notes: true, include_ledger: true };
    for (inclusion, statements) in [(none, 2), (all, 5)] {
        let (client, reading) = meter.read(practice::client(store, &origin, id, inclusion)).await?;
        assert_eq!((client?.details.id, reading.statements), (id, statements), "{inclusion:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_concurrent_changes_of_a_client_succeeds() -> Result<()> {
    let fixture = Fixture::new().await?;
    let origin = Origin::operator("test");
    let created = practice::create_client(&fixture.store, &origin, &details("Ada", "Lovelace")).await?;
    let id = ClientId(created.id.parse()?);
    let change = async |number: usize| {
        let details = details("Ada", &format!("Lovelace {number}"));
        let expected = Expected::Only(Version::FIRST);
        practice::update_client(&fixture.store, &origin, (id, expected), &details).await
    };
    let outcomes = join_all((0..8).map(change)).await;
    let (changed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let stored = practice::client(&fixture.store, &origin, id, ClientInclusion::default()).await?;
    assert_eq!(changed, [Ok(stored.details)]);
    assert!(refused.iter().all(|outcome| *outcome == Err(Error::VersionMismatch)), "{refused:?}");
    Ok(())
}
