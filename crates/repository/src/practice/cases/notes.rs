//! Cases of the operations on notes.

use super::body;
use crate::audit::cases::{keyed, origin, user};
use crate::cases::{ANY, Case};
use crate::practice::seed::{client_id, note_id, provider_id};
use crate::practice::{
    ADVANCE_NOTE, CREATE_NOTE, DELETE_NOTE, NOTE, NOTES, UPDATE_NOTE, advance_note, create_note, delete_note,
    note, notes, update_note,
};
use crate::prelude::*;
use chrono::{NaiveDate, NaiveTime};
use serde_json::json;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{NoteCursor, NoteDetails, NoteFilter, NoteId, NoteStep, NoteType};
use steadfast_domain::version::{Expected, Version};

/// Returns the cases of the operations on notes.
pub(super) fn all() -> Result<Vec<Case>, Invalid> {
    Ok([lists()?, lists_by_state()?, creations()?, changes()?].into_iter().flatten().collect())
}

fn at(number: u32) -> Result<Position<NoteCursor>, Invalid> {
    Position::numbered(number, 50)
}

fn july(year: i32) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(year, 7, 1).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
}

fn after(year: i32) -> Position<NoteCursor> {
    Position::after(NoteCursor { created_at: july(year), id: note_id(5) }, 50)
}

/// Restricts `filter` to a year that has no notes.
fn never(filter: NoteFilter) -> NoteFilter {
    NoteFilter { from: Some(july(2040)), to: Some(july(2041)), ..filter }
}

async fn list(store: Store, (filter, position): (NoteFilter, Position<NoteCursor>)) -> Result<(), Error> {
    notes(&store, &filter, &position).await.map(drop)
}

/// Returns the cases of the lists of all notes, of a client and of a provider.
fn lists() -> Result<Vec<Case>, Invalid> {
    let every = NoteFilter::default;
    let client = |number| NoteFilter { client_id: Some(client_id(number)), ..every() };
    let provider = |number| NoteFilter { provider_id: Some(provider_id(number)), ..every() };
    let both = NoteFilter { provider_id: Some(provider_id(9)), ..client(12) };
    let open_bills = NoteFilter { is_signed: Some(false), billable: Some(true), ..client(12) };
    let of_client: &[_] = &["idx_notes_client_type_date"];
    let of_provider: &[_] = &["idx_notes_provider_type_date"];
    let cases = [
        ("all, first page", ANY, (every(), at(1)?)),
        ("all, third page", ANY, (every(), at(3)?)),
        ("all, past the last page", ANY, (every(), at(200)?)),
        ("all, after a cursor", ANY, (every(), after(2024))),
        ("all, after the last cursor", ANY, (every(), after(2001))),
        (
            "all of a year",
            ANY,
            (NoteFilter { from: Some(july(2023)), to: Some(july(2024)), ..every() }, at(1)?),
        ),
        ("all of a year without notes", ANY, (never(every()), at(1)?)),
        ("a client", of_client, (client(30), at(1)?)),
        ("a busy client, third page", of_client, (client(12), at(3)?)),
        ("a busy client, past the last page", of_client, (client(12), at(200)?)),
        ("a busy client, after a cursor", of_client, (client(12), after(2024))),
        ("a busy client, after the last cursor", of_client, (client(12), after(2001))),
        ("a client and a provider", of_client, (both, at(1)?)),
        (
            "a client, of one kind",
            of_client,
            (NoteFilter { note_type: Some(NoteType::Billing), ..open_bills }, at(1)?),
        ),
        ("no client", of_client, (client(u128::MAX), at(1)?)),
        ("a provider", of_provider, (provider(9), at(1)?)),
        ("a provider, third page", of_provider, (provider(9), at(3)?)),
        ("a provider, past the last page", of_provider, (provider(9), at(200)?)),
        ("a provider, after a cursor", of_provider, (provider(9), after(2024))),
        (
            "a provider, not signed",
            of_provider,
            (NoteFilter { is_signed: Some(false), ..provider(9) }, at(1)?),
        ),
        ("no provider", of_provider, (provider(u128::MAX), at(1)?)),
    ];
    Ok(Case::each(&NOTES, list, cases))
}

/// Returns the cases of the lists by kind, signature and billing.
fn lists_by_state() -> Result<Vec<Case>, Invalid> {
    let kind = |note_type| NoteFilter { note_type: Some(note_type), ..NoteFilter::default() };
    let signed = |is_signed| NoteFilter { is_signed: Some(is_signed), ..NoteFilter::default() };
    let billed = |billable| NoteFilter { billable: Some(billable), ..NoteFilter::default() };
    let of_type: &[_] = &["idx_notes_type_date"];
    let of_signed: &[_] = &["idx_notes_signed_date"];
    let of_billed: &[_] = &["idx_notes_billable_date"];
    let cases = [
        ("a frequent kind", of_type, (kind(NoteType::ProgressNote), at(1)?)),
        ("a frequent kind, past the last page", of_type, (kind(NoteType::ProgressNote), at(200)?)),
        ("a rare kind, after a cursor", of_type, (kind(NoteType::DischargeSummary), after(2024))),
        ("an absent kind", of_type, (kind(NoteType::Other), at(1)?)),
        ("not signed", of_signed, (signed(false), at(1)?)),
        ("not signed, third page", of_signed, (signed(false), at(3)?)),
        ("not signed, after a cursor", of_signed, (signed(false), after(2024))),
        ("not signed, after the last cursor", of_signed, (signed(false), after(2001))),
        ("not signed, of a year without notes", of_signed, (never(signed(false)), at(1)?)),
        ("signed, past the last page", of_signed, (signed(true), at(200)?)),
        ("billed", of_billed, (billed(true), at(1)?)),
        ("billed, past the last page", of_billed, (billed(true), at(200)?)),
        ("billed, of a year without notes", of_billed, (never(billed(true)), at(1)?)),
        ("not billed, after a cursor", of_billed, (billed(false), after(2024))),
        ("not billed, after the last cursor", of_billed, (billed(false), after(2001))),
    ];
    Ok(Case::each(&NOTES, list, cases))
}

/// Returns the cases of a creation.
fn creations() -> Result<Vec<Case>, Invalid> {
    let create = async |store: Store, (origin, details): (Origin, Valid<NoteDetails>)| {
        create_note(&store, &origin, &details).await
    };
    let cases = [
        ("without idempotency key", ANY, (origin(None)?, details(false)?)),
        ("all details", ANY, (user(), details(true)?)),
        ("with idempotency key", ANY, (origin(Some("a-note"))?, details(false)?)),
        ("by a user, with idempotency key", ANY, (keyed(user(), "a-note")?, details(false)?)),
        ("with the key of another request", ANY, (origin(Some("request-7"))?, details(false)?)),
    ];
    Ok(Case::each(&CREATE_NOTE, create, cases))
}

/// Returns the cases of a single note.
fn changes() -> Result<Vec<Case>, Invalid> {
    let get = async |store: Store, (origin, id): (Origin, NoteId)| note(&store, &origin, id).await;
    let update = async |store: Store, (id, version, details): (NoteId, i32, Valid<NoteDetails>)| {
        update_note(&store, &user(), (id, only(version)), &details).await
    };
    let advance = async |store: Store, (id, version, step): (NoteId, i32, NoteStep)| {
        advance_note(&store, &user(), (id, only(version)), step).await
    };
    let remove = async |store: Store, id: NoteId| delete_note(&store, &user(), id).await;
    // Every fiftieth note is not signed.
    let (open, signed, unknown) = (note_id(100), note_id(101), note_id(u128::MAX));
    let mut cases = Case::each(
        &NOTE,
        get,
        [
            ("a note", ANY, (user(), open)),
            ("a note, by a program", ANY, (origin(None)?, signed)),
            ("no note", ANY, (user(), unknown)),
        ],
    );
    cases.extend(Case::each(
        &UPDATE_NOTE,
        update,
        [
            ("a note", ANY, (open, 1, details(false)?)),
            ("all details", ANY, (note_id(150), 1, details(true)?)),
            ("another version", ANY, (open, 7, details(false)?)),
            ("a signed note", ANY, (signed, 1, details(false)?)),
            ("no note", ANY, (unknown, 1, details(false)?)),
        ],
    ));
    cases.extend(Case::each(
        &ADVANCE_NOTE,
        advance,
        [
            ("sign", ANY, (open, 1, NoteStep::Sign)),
            ("lock", ANY, (signed, 1, NoteStep::Lock)),
            ("another version", ANY, (open, 7, NoteStep::Sign)),
            ("no note", ANY, (unknown, 1, NoteStep::Lock)),
        ],
    ));
    let deleted = [("a note", ANY, open), ("a signed note", ANY, signed), ("no note", ANY, unknown)];
    cases.extend(Case::each(&DELETE_NOTE, remove, deleted));
    Ok(cases)
}

fn only(version: i32) -> Expected {
    Expected::Only(Version::from_stored(version))
}

/// Returns a note, with all optional details if it is `long`.
fn details(is_long: bool) -> Result<Valid<NoteDetails>, Invalid> {
    let mut note = json!({
        "client_id": client_id(3), "provider_id": provider_id(3), "title": "Session", "content": "A good session.",
    });
    if is_long {
        for field in ["treatment_goals", "interventions", "client_response", "plan", "billing_code"] {
            note[field] = "a text".into();
        }
        note["appointment_id"] = json!(crate::practice::seed::appointment_id(3));
        note["diagnosis_codes"] = json!(["F41.1", "E11"]);
    }
    body(note)
}
