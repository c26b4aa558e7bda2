//! Tests of the cases and their seed data, on which the plan gate relies.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/release.rs"]
mod release;
#[path = "cases/seeding.rs"]
mod seeding;
mod support;

use anyhow::{Context as _, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use steadfast_domain::terminology::{IcdCode, ImportRow, Leg, Query};
use steadfast_postgres::{Db, DbSettings, PoolSettings, Recorder, SessionSettings};
use steadfast_repository::Store;
use steadfast_repository::cases::{self, Case};
use steadfast_repository::terminology::{self, Imported};
use support::{Fixture, Reading};

/// Number of rows in the largest table: two of its keys are of the rare product.
const ROWS: u64 = 10_000;

/// Parts of the release that the cases need. The rest would only take time.
const PARTS: [&str; 4] = ["A0", "E", "I1", "S72"];

/// Creates a database with rows in every table.
async fn filled() -> Result<Fixture> {
    let fixture = Fixture::new().await?;
    terminology::import(&fixture.store, "parts", &release::rows_of(&PARTS)?, |_| ()).await?;
    seeding::seed(&fixture, ROWS).await?;
    Ok(fixture)
}

/// Returns a store whose statements are recorded.
fn recorded(fixture: &Fixture) -> Result<(Store, Recorder)> {
    let recorder = Recorder::new();
    let session = SessionSettings { recorder: Some(recorder.clone()), ..SessionSettings::default() };
    let pool = PoolSettings { session, ..PoolSettings::default() };
    let db = Db::new(&fixture.database.application_url(), DbSettings { pool, ..DbSettings::default() })?;
    Ok((Store::new(db), recorder))
}

/// Returns all cases, heavy ones last because they change more than their arguments say.
fn in_order() -> Vec<Case> {
    let mut cases = cases::all().expect("valid inputs");
    cases.sort_by_key(|case| case.is_heavy);
    cases
}

fn case(operation: &str, name: &str) -> Case {
    let found = in_order().into_iter().find(|case| (case.operation.name(), case.name) == (operation, name));
    found.expect("a case of this name")
}

/// Number of rows that the main statement returns or changes, by operation and case.
const ROWS_BY_CASE: [(&str, &str, RangeInclusive<u64>); 150] = [
    ("keys.search", "rare", 2..=2),
    ("keys.search", "common", 51..=51),
    ("keys.search", "absent", 0..=0),
    ("keys.search", "wildcard", 0..=0),
    ("keys.search", "widest", 51..=51),
    ("keys.search", "at least 100 left", 51..=51),
    ("keys.search", "at most 5 left", 51..=51),
    ("keys.search", "a range left", 1..=51),
    ("keys.search", "usable", 51..=51),
    ("keys.search", "usable, many left", 51..=51),
    ("keys.search", "usable and absent", 0..=0),
    ("keys.search", "blocked", 51..=51),
    ("keys.search", "after a cursor", 51..=51),
    ("keys.search", "usable, after a cursor", 51..=51),
    ("keys.search", "blocked, after a cursor", 51..=51),
    ("keys.search", "the hundredth page", 51..=51),
    ("keys.search", "after the last key", 0..=0),
    ("keys.search", "usable, after the last key", 0..=0),
    ("keys.search", "blocked, after the last key", 0..=0),
    ("keys.search", "blocked and absent", 0..=0),
    ("keys.search", "usable, the third page", 51..=51),
    ("keys.products", "first page", 51..=51),
    ("keys.products", "third page", 51..=51),
    ("keys.products", "past the last page", 0..=0),
    ("keys.products", "after a cursor", 51..=51),
    ("keys.products", "after a cursor near the end", 1..=5),
    ("keys.products", "after the last cursor", 0..=0),
    ("identity.find_caller", "a caller", 1..=1),
    ("identity.find_caller", "another caller", 1..=1),
    ("identity.find_caller", "nobody", 0..=0),
    ("identity.revoke_api_key", "a key", 1..=1),
    ("identity.api_keys", "first page", 51..=51),
    ("identity.api_keys", "third page", 51..=51),
    ("identity.api_keys", "after a cursor", 51..=51),
    ("identity.api_key", "a key", 1..=1),
    ("identity.update_api_key", "a key that expires", 1..=1),
    ("identity.find_session", "a session", 1..=1),
    ("identity.find_session", "a revoked session", 0..=0),
    ("identity.find_session", "an expired session", 0..=0),
    ("identity.users", "first page", 51..=51),
    ("identity.user", "a user", 1..=1),
    ("identity.sessions", "some", 1..=10),
    ("identity.sessions", "many", 100..=100),
    ("identity.touch_session", "a session", 1..=1),
    ("identity.touch_session", "a session in use", 0..=0),
    ("identity.touch_api_key", "a new key", 1..=1),
    ("identity.expire_sessions", "a full batch", 500..=500),
    ("identity.expire_revoked_sessions", "a full batch", 500..=500),
    ("audit.expire_idempotency_records", "less than a batch", 1..=999),
    ("practice.clients", "active, first page", 51..=51),
    ("practice.clients", "all, past the last page", 0..=0),
    ("practice.search_clients", "two parts", 1..=50),
    ("practice.search_clients", "absent", 0..=0),
    ("practice.look_up_clients", "a phone number", 1..=1),
    ("practice.look_up_clients", "many with an address", 51..=51),
    ("practice.clients", "with figures, third page", 51..=51),
    ("practice.search_clients", "few, with figures", 1..=50),
    ("practice.look_up_clients", "busy with appointments, with figures", 1..=1),
    ("practice.look_up_clients", "busy with notes, with figures", 1..=1),
    ("practice.statistics", "a busy day", 1..=1),
    ("practice.client", "a client", 1..=1),
    ("practice.client", "no client with all relations", 0..=0),
    ("practice.notes", "all, third page", 51..=51),
    ("practice.notes", "all, after the last cursor", 0..=0),
    ("practice.notes", "a client", 1..=10),
    ("practice.notes", "a busy client, third page", 51..=51),
    ("practice.notes", "a client and a provider", 1..=51),
    ("practice.notes", "a provider", 51..=51),
    ("practice.notes", "an absent kind", 0..=0),
    ("practice.notes", "not signed", 51..=51),
    ("practice.notes", "not billed, after a cursor", 51..=51),
    ("practice.note", "a note", 1..=1),
    ("practice.providers", "active", 51..=51),
    ("practice.providers", "active and accepting, after a cursor", 51..=51),
    ("practice.providers", "a specialty, third page", 51..=51),
    ("practice.providers", "a rare specialty", 1..=10),
    ("practice.provider", "a provider", 1..=1),
    ("practice.ledger_of_client", "a client", 1..=50),
    ("practice.ledger_of_client", "no client", 0..=0),
    ("practice.ledger_of_client", "a busy client, third page", 51..=51),
    ("practice.ledger_of_client", "a busy client, near the end", 1..=50),
    ("practice.ledger_of_client", "payments", 51..=51),
    ("practice.ledger_of_client", "drafts", 1..=50),
    ("practice.ledger", "all, first page", 51..=51),
    ("practice.ledger", "all, near the end", 1..=51),
    ("practice.ledger", "all, after the last cursor", 0..=0),
    ("practice.ledger", "refunds", 51..=51),
    ("practice.ledger", "unreconciled, third page", 51..=51),
    ("practice.ledger", "drafts", 1..=50),
    ("practice.ledger", "unreconciled refunds", 1..=51),
    ("practice.ledger_entry", "an entry", 1..=1),
    ("practice.client_balance", "a client", 1..=1),
    ("practice.financial_summary", "a busy client", 1..=1),
    ("practice.financial_summary", "no client", 1..=1),
    ("practice.revenue", "92 days", 92..=92),
    ("practice.revenue", "before all", 0..=0),
    ("practice.financial_dashboard", "92 days", 10..=10),
    ("practice.appointments", "a client", 1..=10),
    ("practice.appointments", "a busy client, third page", 51..=51),
    ("practice.appointments", "a client with a provider", 0..=1),
    ("practice.appointments", "a busy provider, scheduled", 40..=51),
    ("practice.appointments", "a rare status", 40..=51),
    ("practice.appointments", "all, after a cursor", 51..=51),
    ("practice.appointments", "never", 0..=0),
    ("practice.calendar", "a week", 25..=75),
    ("practice.find_overlap", "another appointment", 1..=1),
    ("practice.find_overlap", "the appointment itself", 0..=0),
    ("practice.find_overlap", "a group", 0..=0),
    ("practice.reminders", "in an hour", 0..=500),
    ("audit.entries", "all", 51..=51),
    ("audit.entries", "all, the third page", 51..=51),
    ("audit.entries", "all, after a cursor", 51..=51),
    ("audit.entries", "all, after the last cursor", 0..=0),
    ("audit.entries", "reads of a user", 51..=51),
    ("audit.entries", "reads of a user in a week", 1..=51),
    ("audit.entries", "reads of a user, after a cursor", 51..=51),
    ("audit.entries", "what no user did", 0..=0),
    ("audit.entries", "changes of notes", 51..=51),
    ("audit.entries", "changes of notes, after a cursor", 51..=51),
    ("audit.entries", "a busy client", 51..=51),
    ("audit.entries", "a busy client in a week", 1..=51),
    ("audit.entries", "no client", 0..=0),
    ("audit.entries", "a request", 3..=3),
    ("audit.entries", "an import", 51..=51),
    ("audit.entries", "a rare action", 2..=51),
    ("audit.entries", "failures", 51..=51),
    ("audit.entries", "failures, after the last cursor", 0..=0),
    ("audit.seal", "all rows that are left", 1..=1),
    ("audit.seals", "from the first", 100..=100),
    ("audit.seals", "after the last", 0..=0),
    ("audit.rows", "of some seals", 300..=300),
    ("audit.rows", "a full batch", 1_000..=1_000),
    ("audit.last_seal", "the last", 1..=1),
    ("terminology.search_code", "a whole code", 1..=1),
    ("terminology.search_code", "absent", 0..=0),
    ("terminology.search_code", "a letter", 50..=50),
    ("terminology.search_code", "in a chapter of other codes", 0..=0),
    ("terminology.search_code", "inactive ones too", 50..=50),
    ("terminology.search_term", "inactive ones too", 50..=50),
    ("terminology.search_term", "rare", 1..=10),
    ("terminology.search_term", "common", 50..=50),
    ("terminology.search_term", "absent", 0..=0),
    ("terminology.search_term", "in a chapter", 50..=50),
    ("terminology.search_similarity", "absent", 0..=0),
    ("terminology.search_similarity", "misspelt", 10..=300),
    ("terminology.place", "a leaf", 2..=50),
    ("terminology.place", "no such code", 0..=0),
    ("terminology.find", "one", 1..=1),
    ("terminology.find", "a hundred", 50..=90),
    ("terminology.find", "unknown codes", 0..=0),
];

#[tokio::test]
async fn cases_run_their_operation_and_find_expected_rows() -> Result<()> {
    let fixture = filled().await?;
    let (store, recorder) = recorded(&fixture)?;
    let mut found = BTreeMap::new();
    for case in in_order() {
        recorder.start();
        case.run(&store).await.with_context(|| format!("{case:?}"))?;
        let captured = recorder.take();
        assert_eq!(captured.missing, 0, "{case:?}");
        // Heavy cases run other operations first.
        let (own, before): (Vec<_>, Vec<_>) =
            captured.own().partition(|statement| statement.operation == case.operation.name());
        assert!(before.is_empty() || case.is_heavy, "{case:?}: {before:#?}");
        assert!((1..=case.operation.statement_limit() as usize).contains(&own.len()), "{case:?}: {own:#?}");
        // The page is requested before its count; words are looked up before the terms.
        let has_count = matches!(
            case.operation.name(),
            "keys.search"
                | "keys.products"
                | "identity.api_keys"
                | "identity.users"
                | "practice.providers"
                | "practice.appointments"
                | "audit.entries"
                | "practice.notes"
                | "practice.ledger"
                | "practice.ledger_of_client"
        );
        let main = if has_count { own.first() } else { own.last() };
        found.insert((case.operation.name(), case.name), main.and_then(|statement| statement.rows()));
    }
    for (operation, name, expected) in ROWS_BY_CASE {
        let rows = found.get(&(operation, name)).copied().flatten();
        assert!(rows.is_some_and(|rows| expected.contains(&rows)), "{operation} [{name}] found {rows:?}");
    }
    Ok(())
}

#[tokio::test]
async fn upsert_cases_insert_as_many_keys_as_named() -> Result<()> {
    let fixture = filled().await?;
    let client = fixture.client().await?;
    let count = async || -> Result<i64> {
        Ok(client.query_one("SELECT count(*) FROM pidms_keys", &[]).await?.get(0))
    };
    for (name, new) in [
        ("one new", 1),
        ("fifty new", 50),
        ("one stored", 0),
        ("fifty stored", 0),
        ("some new, some stored", 25),
    ] {
        let before = count().await?;
        case("keys.upsert", name).run(&fixture.store).await?;
        assert_eq!(count().await? - before, new, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn batch_sends_one_statement() -> Result<()> {
    let fixture = filled().await?;
    let meter = fixture.meter().await?;
    for (operation, one, many) in [
        ("keys.upsert", "one stored", "fifty stored"),
        ("keys.upsert", "one new", "fifty new"),
        ("terminology.find", "one", "a hundred"),
        ("terminology.log_searches", "one", "a hundred"),
    ] {
        let (one, many) = (case(operation, one), case(operation, many));
        // The first run in a session also looks up types.
        many.run(&fixture.store).await?;
        let (ran, of_one) = meter.read(one.run(&fixture.store)).await?;
        ran?;
        let (ran, of_many) = meter.read(many.run(&fixture.store)).await?;
        ran?;
        assert_eq!((of_one.statements, of_one.utility), (of_many.statements, of_many.utility), "{operation}");
        assert_eq!(of_many.statements, 1, "{operation}");
    }
    Ok(())
}

#[tokio::test]
async fn statement_count_is_independent_of_row_count() -> Result<()> {
    let fixture = Fixture::new().await?;
    let (store, meter) = (&fixture.store, fixture.meter().await?);
    let import = async |children: usize| {
        let release = [family("B00", "lonely", 1)?, family("A00", "many", children)?].concat();
        Ok::<_, anyhow::Error>(terminology::import(store, "families", &release, |_| ()).await?)
    };
    // The first two imports fill both slots and look up types.
    import(2).await?;
    import(3).await?;
    let (few, of_few) = meter.read(import(1)).await?;
    let (many, of_many) = meter.read(import(100)).await?;
    assert!(matches!((few?, many?), (Imported::Switched { .. }, Imported::Switched { .. })));
    assert_eq!(counts(of_few), counts(of_many), "an import");

    let children = async |code: &str| -> Result<i64> {
        let found = terminology::code_with_relatives(store, &IcdCode::parse("code", code)?).await?;
        Ok(found.context("the code exists")?.children.total)
    };
    children("A00").await?;
    let (one, of_one) = meter.read(children("B00")).await?;
    let (hundred, of_hundred) = meter.read(children("A00")).await?;
    assert_eq!((one?, hundred?), (1, 100));
    assert_eq!(counts(of_one), counts(of_hundred), "a code with its relatives");

    for (leg, one, many) in
        [(Leg::Code, "B000", "A00"), (Leg::Term, "lonely", "many"), (Leg::Similarity, "lonely", "many")]
    {
        let found = async |text: &str| -> Result<usize> {
            let found = terminology::search(store, leg, &Query::new(text, None)?).await?;
            Ok(found.context("the leg applies")?.matches.len())
        };
        found(many).await?;
        let (first, of_one) = meter.read(found(one)).await?;
        let (second, of_many) = meter.read(found(many)).await?;
        let (first, second) = (first?, second?);
        assert!(first <= 2 && second >= 5, "{leg:?}: {first} and {second}");
        assert_eq!(counts(of_one), counts(of_many), "{leg:?}");
    }
    Ok(())
}

fn counts(reading: Reading) -> (i64, i64) {
    (reading.statements, reading.utility)
}

/// Returns a category and its children, all with `word` in their terms.
fn family(category: &str, word: &str, children: usize) -> Result<Vec<ImportRow>> {
    let row = |code: &str, parent: Option<&str>| {
        Ok(ImportRow {
            code: IcdCode::parse("code", code)?,
            term: format!("{word} as {code}"),
            category: IcdCode::parse("category", category)?,
            parent_code: parent.map(|parent| IcdCode::parse("parent_code", parent)).transpose()?,
            block: "A00-B09".to_owned(),
            chapter: "1 Certain infectious and parasitic diseases (A00-B99)".to_owned(),
            billable: parent.is_some(),
        })
    };
    let below = (0..children).map(|number| row(&format!("{category}{number}"), Some(category)));
    std::iter::once(row(category, None)).chain(below).collect()
}

#[test]
fn cases_have_unique_names_and_declared_indexes() {
    let mut seen = BTreeSet::new();
    for case in in_order() {
        assert!(seen.insert(format!("{case:?}")), "duplicate case {case:?}");
        for index in case.served_by {
            assert!(case.operation.indexes().contains(index), "{case:?}: {index} is not declared");
        }
    }
}

#[test]
fn every_operation_has_cases() -> Result<()> {
    let mut declared = BTreeSet::new();
    declared_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut declared)?;
    let with_cases: BTreeSet<String> =
        cases::all()?.iter().map(|case| case.operation.name().to_owned()).collect();
    assert!(declared.len() > 10, "the declarations were not found: {declared:?}");
    let lacking: Vec<_> = declared.difference(&with_cases).collect();
    assert!(lacking.is_empty(), "operations without a case: {lacking:?}");
    let unknown: Vec<_> = with_cases.difference(&declared).collect();
    assert!(unknown.is_empty(), "operations whose declaration was not found: {unknown:?}");
    Ok(())
}

/// Collects the names of the operations that are declared below `folder`.
fn declared_in(folder: &Path, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            declared_in(&path, names)?;
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let declarations =
            ["Operation::read(", "Operation::write("].into_iter().flat_map(|call| text.split(call).skip(1));
        let named = declarations.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        names.extend(named.map(str::to_owned));
    }
    Ok(())
}
