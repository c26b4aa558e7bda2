//! Cases of the ledger and of the finances.

use crate::audit::cases::{keyed, origin, user};
use crate::cases::{ANY, Case};
use crate::practice::seed::{client_id, entry_id};
use crate::practice::{
    CLIENT_BALANCE, CREATE_LEDGER_ENTRY, DELETE_LEDGER_ENTRY, FINANCIAL_DASHBOARD, FINANCIAL_SUMMARY, LEDGER,
    LEDGER_ENTRY, LEDGER_OF_CLIENT, POST_LEDGER_ENTRY, RECONCILE_LEDGER_ENTRY, REVENUE, UPDATE_LEDGER_ENTRY,
    client_balance, create_ledger_entry, delete_ledger_entry, financial_dashboard, financial_summary, ledger,
    ledger_entry, post_ledger_entry, reconcile_ledger_entry, revenue, update_ledger_entry,
};
use crate::prelude::*;
use serde_json::{Value, json};
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    ClientId, LedgerCursor, LedgerDetails, LedgerEntryId, LedgerFilter, LedgerParameters, RevenueDays,
    RevenueParameters,
};
use steadfast_domain::version::{Expected, Version};

/// Returns the cases of the ledger and of the finances.
pub(super) fn all() -> Result<Vec<Case>, Invalid> {
    Ok([lists_of_clients()?, lists()?, changes()?, figures()?].into_iter().flatten().collect())
}

/// Returns the value of a JSON object.
fn read<T: serde::de::DeserializeOwned>(json: Value) -> Result<T, Invalid> {
    serde_json::from_value(json).map_err(|error| Invalid::field("case", error.to_string()))
}

fn filter(parameters: Value) -> Result<LedgerFilter, Invalid> {
    LedgerParameters::parse(&read(parameters)?)
}

fn at(number: u32) -> Result<Position<LedgerCursor>, Invalid> {
    Position::numbered(number, 50)
}

fn after(date: &str) -> Result<Position<LedgerCursor>, Invalid> {
    let cursor = json!({ "service_date": date, "id": entry_id(1 << 64) });
    Ok(Position::after(read(cursor)?, 50))
}

async fn list(store: Store, (filter, position): (LedgerFilter, Position<LedgerCursor>)) -> Result<(), Error> {
    ledger(&store, &filter, &position).await.map(drop)
}

/// Client with 400 entries.
const BUSY: u128 = 12;

/// Returns the cases of the list of a client's entries.
fn lists_of_clients() -> Result<Vec<Case>, Invalid> {
    let busy = || filter(json!({ "client_id": client_id(BUSY) }));
    let of_busy = |name: &str, value: Value| {
        let mut parameters = json!({ "client_id": client_id(BUSY) });
        parameters[name] = value;
        filter(parameters)
    };
    let of = |number| filter(json!({ "client_id": client_id(number) }));
    let cases = [
        ("a client", ANY, (of(30)?, at(1)?)),
        ("no client", ANY, (of(u128::MAX)?, at(1)?)),
        ("a busy client, first page", ANY, (busy()?, at(1)?)),
        ("a busy client, third page", ANY, (busy()?, at(3)?)),
        ("a busy client, past the last page", ANY, (busy()?, at(200)?)),
        ("a busy client, after a cursor", ANY, (busy()?, after("2024-06-30")?)),
        ("a busy client, near the end", ANY, (busy()?, after("2023-01-20")?)),
        ("a busy client, after the last cursor", ANY, (busy()?, after("2020-01-01")?)),
        ("payments", ANY, (of_busy("transaction_type", json!("payment"))?, at(1)?)),
        ("drafts", ANY, (of_busy("is_posted", json!(false))?, at(1)?)),
        ("unreconciled", ANY, (of_busy("is_reconciled", json!(false))?, at(1)?)),
        ("since a day", ANY, (of_busy("service_date_from", json!("2025-06-30"))?, at(1)?)),
        ("until a day", ANY, (of_busy("service_date_to", json!("2023-06-30"))?, at(1)?)),
    ];
    Ok(Case::each(&LEDGER_OF_CLIENT, list, cases))
}

/// Returns the cases of the list of all entries.
fn lists() -> Result<Vec<Case>, Invalid> {
    let (dates, open): (&[_], &[_]) =
        (&["idx_ledger_service_date_posted"], &["idx_ledger_posted_reconciled"]);
    let days = |reconciled: Option<bool>| {
        let (from, to) = ("2023-05-01", "2023-05-05");
        filter(json!({ "service_date_from": from, "service_date_to": to, "is_reconciled": reconciled }))
    };
    let before_all = |reconciled: Option<bool>| {
        filter(json!({ "service_date_to": "1999-12-31", "is_reconciled": reconciled }))
    };
    let everything = || filter(json!({}));
    let unreconciled = || filter(json!({ "is_reconciled": false }));
    let cases = [
        ("all, first page", dates, (everything()?, at(1)?)),
        ("all, third page", dates, (everything()?, at(3)?)),
        ("all, after a cursor", dates, (everything()?, after("2024-06-30")?)),
        ("all, near the end", dates, (everything()?, after("2023-01-02")?)),
        ("all, after the last cursor", dates, (everything()?, after("-262143-01-01")?)),
        ("all, after a forged cursor", dates, (everything()?, after("+262142-12-31")?)),
        ("five days", dates, (days(None)?, at(1)?)),
        ("five days, past the last page", dates, (days(None)?, at(200)?)),
        ("refunds", dates, (filter(json!({ "transaction_type": "refund" }))?, at(1)?)),
        ("posted", dates, (filter(json!({ "is_posted": true }))?, at(1)?)),
        ("reconciled", dates, (filter(json!({ "is_reconciled": true }))?, at(1)?)),
        ("before all", dates, (before_all(None)?, at(1)?)),
        ("unreconciled, first page", open, (unreconciled()?, at(1)?)),
        ("unreconciled, third page", open, (unreconciled()?, at(3)?)),
        ("unreconciled, after a cursor", open, (unreconciled()?, after("2025-11-30")?)),
        ("unreconciled, after the last cursor", open, (unreconciled()?, after("2020-01-01")?)),
        ("five days, unreconciled", ANY, (days(Some(false))?, at(1)?)),
        ("five days, unreconciled, past the last page", ANY, (days(Some(false))?, at(200)?)),
        ("unreconciled, before all", ANY, (before_all(Some(false))?, at(1)?)),
        ("drafts", open, (filter(json!({ "is_posted": false }))?, at(1)?)),
        (
            "unreconciled refunds",
            open,
            (filter(json!({ "is_reconciled": false, "transaction_type": "refund" }))?, at(1)?),
        ),
    ];
    Ok(Case::each(&LEDGER, list, cases))
}

/// Returns the details of an entry, with all that are optional or none.
fn details(client: u128, has_all: bool) -> Result<Valid<LedgerDetails>, Invalid> {
    let mut body = json!({
        "client_id": client_id(client), "transaction_type": "payment", "amount": "12.50",
        "description": "A session", "service_date": "2026-03-02",
    });
    if has_all {
        let texts = [
            "billing_code",
            "reference_number",
            "check_number",
            "insurance_claim_number",
            "insurance_authorization",
            "notes",
        ];
        for name in texts {
            body[name] = "a text".into();
        }
        body["diagnosis_code"] = "F41.1".into();
        body["payment_method"] = "check".into();
    }
    Valid::of(read(body)?)
}

/// Returns the cases of a single entry. Entries 3, 203 and so on are drafts, 101, 201 and so on are posted, and all other
/// old ones are reconciled.
fn changes() -> Result<Vec<Case>, Invalid> {
    type Target = (Origin, LedgerEntryId);
    let get = async |store: Store, id: LedgerEntryId| ledger_entry(&store, id).await;
    let create = async |store: Store, (origin, details): (Origin, Valid<LedgerDetails>)| {
        create_ledger_entry(&store, &origin, &details).await
    };
    let update =
        async |store: Store,
               (origin, id, version, details): (Origin, LedgerEntryId, i32, Valid<LedgerDetails>)| {
            let expected = Expected::Only(Version::from_stored(version));
            update_ledger_entry(&store, &origin, (id, expected), &details).await
        };
    let post = async |store: Store, (origin, id): Target| post_ledger_entry(&store, &origin, id).await;
    let reconcile =
        async |store: Store, (origin, id): Target| reconcile_ledger_entry(&store, &origin, id).await;
    let remove = async |store: Store, (origin, id): Target| delete_ledger_entry(&store, &origin, id).await;
    let unknown = || entry_id(u128::MAX);
    let mut cases =
        Case::each(&LEDGER_ENTRY, get, [("an entry", ANY, entry_id(30)), ("no entry", ANY, unknown())]);
    cases.extend(Case::each(
        &CREATE_LEDGER_ENTRY,
        create,
        [
            ("without idempotency key", ANY, (origin(None)?, details(30, false)?)),
            ("all details", ANY, (user(), details(30, true)?)),
            ("with idempotency key", ANY, (keyed(user(), "an-entry")?, details(30, false)?)),
            ("with the key of another request", ANY, (origin(Some("request-7"))?, details(30, false)?)),
        ],
    ));
    cases.extend(Case::each(
        &UPDATE_LEDGER_ENTRY,
        update,
        [
            ("an entry", ANY, (user(), entry_id(101), 1, details(30, false)?)),
            ("all details of another client", ANY, (user(), entry_id(201), 1, details(31, true)?)),
            ("a reconciled entry", ANY, (user(), entry_id(30), 1, details(30, false)?)),
            ("another version", ANY, (user(), entry_id(301), 7, details(30, false)?)),
            ("no entry", ANY, (user(), unknown(), 1, details(30, false)?)),
        ],
    ));
    cases.extend(Case::each(
        &POST_LEDGER_ENTRY,
        post,
        [
            ("a draft", ANY, (user(), entry_id(203))),
            ("a posted entry", ANY, (user(), entry_id(301))),
            ("no entry", ANY, (user(), unknown())),
        ],
    ));
    cases.extend(Case::each(
        &RECONCILE_LEDGER_ENTRY,
        reconcile,
        [
            ("a posted entry", ANY, (user(), entry_id(401))),
            ("a reconciled entry", ANY, (user(), entry_id(30))),
            ("no entry", ANY, (user(), unknown())),
        ],
    ));
    cases.extend(Case::each(
        &DELETE_LEDGER_ENTRY,
        remove,
        [
            ("a draft", ANY, (user(), entry_id(403))),
            ("a posted entry", ANY, (user(), entry_id(30))),
            ("no entry", ANY, (user(), unknown())),
        ],
    ));
    Ok(cases)
}

/// Returns the cases of the figures that entries add up to.
fn figures() -> Result<Vec<Case>, Invalid> {
    let days =
        |from: &str, to: &str| RevenueParameters::parse(&read(json!({ "date_from": from, "date_to": to }))?);
    let balance = async |store: Store, id: ClientId| client_balance(&store, id).await;
    let summary = async |store: Store, id: ClientId| financial_summary(&store, id).await;
    let daily = async |store: Store, days: RevenueDays| revenue(&store, days).await;
    let dashboard = async |store: Store, days: RevenueDays| financial_dashboard(&store, days).await;
    let (client, unknown) = (client_id(30), client_id(u128::MAX));
    let mut cases =
        Case::each(&CLIENT_BALANCE, balance, [("a client", ANY, client), ("no client", ANY, unknown)]);
    let of_clients =
        [("a client", ANY, client), ("a busy client", ANY, client_id(BUSY)), ("no client", ANY, unknown)];
    cases.extend(Case::each(&FINANCIAL_SUMMARY, summary, of_clients));
    let ranges = [
        ("92 days", ANY, days("2024-02-01", "2024-05-02")?),
        ("a day", ANY, days("2024-02-01", "2024-02-01")?),
        ("before all", ANY, days("2020-02-01", "2020-03-01")?),
    ];
    cases.extend(Case::each(&REVENUE, daily, ranges));
    cases.extend(Case::each(&FINANCIAL_DASHBOARD, dashboard, ranges));
    Ok(cases)
}
