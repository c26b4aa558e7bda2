//! Cases of the operations of the practice.

mod appointments;
mod ledger;
mod notes;
mod providers;

use super::seed::client_id;
use super::{
    CLIENT, CLIENTS, CREATE_CLIENT, LOOK_UP_CLIENTS, PRACTICE_STATISTICS, SEARCH_CLIENTS, UPDATE_CLIENT,
    client, clients, create_client, practice_statistics, update_client,
};
use crate::audit::cases::{keyed, origin, user};
use crate::cases::{ANY, Case};
use crate::prelude::*;
use chrono::{NaiveDate, NaiveTime};
use serde::de::DeserializeOwned;
use serde_json::Value;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::{Check, Valid};
use steadfast_domain::practice::{
    ClientCursor, ClientDetails, ClientFilter, ClientId, ClientInclusion, ClientParameters,
};
use steadfast_domain::version::{Expected, Version};

/// Indexes that no case needs, but a requirement document: name and document.
pub(crate) const DOCUMENTED: &[(&str, &str)] =
    &[("idx_notes_appointment_signed", "requirements of the practice")];

/// Returns the cases of this area.
pub(crate) fn all() -> Result<Vec<Case>, Invalid> {
    let people = [lists()?, searches()?, changes()?, providers::all()?];
    let all = people.into_iter().chain([appointments::all()?, notes::all()?, ledger::all()?]);
    Ok(all.flatten().chain(statistics()).collect())
}

/// Returns a list of clients with a search, or all clients if it is empty.
fn filter(search: &str, active_only: bool) -> Result<ClientFilter, Invalid> {
    let search = (!search.is_empty()).then(|| search.to_owned());
    let parameters = ClientParameters { search, active_only: Some(active_only), include_stats: None };
    ClientParameters::parse(&parameters)
}

/// Returns a list of clients, of whom some have left, with figures about them.
fn with_stats(search: &str) -> Result<ClientFilter, Invalid> {
    Ok(ClientFilter { include_stats: true, ..filter(search, false)? })
}

fn search(search: &str) -> Result<ClientFilter, Invalid> {
    filter(search, true)
}

fn at(number: u32) -> Result<Position<ClientCursor>, Invalid> {
    Position::numbered(number, 50)
}

fn after(rank: i32, first: &str, second: &str) -> Position<ClientCursor> {
    let (first, second) = (first.to_owned(), second.to_owned());
    Position::after(ClientCursor { rank, first, second, id: client_id(5) }, 50)
}

async fn list(store: Store, (filter, position): (ClientFilter, Position<ClientCursor>)) -> Result<(), Error> {
    clients(&store, &filter, &position).await.map(drop)
}

/// Indexes of the figures about clients.
const FIGURES: &[&str] =
    &["client_balances_pkey", "idx_appointments_client_date_status", "idx_notes_client_type_date"];

/// Returns the cases of the list of clients.
fn lists() -> Result<Vec<Case>, Invalid> {
    let (active, all) = (filter("", true)?, filter("", false)?);
    let of_active: &[_] = &["idx_clients_active_only"];
    let of_all: &[_] = &["idx_clients_name_search"];
    let cases = Case::each(
        &CLIENTS,
        list,
        [
            ("active, first page", of_active, (active.clone(), at(1)?)),
            ("active, third page", of_active, (active.clone(), at(3)?)),
            ("active, past the last page", of_active, (active.clone(), at(200)?)),
            ("active, after a cursor", of_active, (active.clone(), after(0, "Morlaer", "Ada"))),
            ("active, near the end", of_active, (active.clone(), after(0, "Weithewitz", "Victor"))),
            ("active, after the last cursor", of_active, (active, after(0, "Zz", ""))),
            ("all, first page", of_all, (all.clone(), at(1)?)),
            ("all, past the last page", of_all, (all.clone(), at(200)?)),
            ("all, after a cursor", of_all, (all.clone(), after(0, "Morlaer", "Ada"))),
            ("all, near the end", of_all, (all.clone(), after(0, "Weithewitz", "Victor"))),
            ("all, after the last cursor", of_all, (all, after(0, "Zz", ""))),
            ("with figures, first page", FIGURES, (with_stats("")?, at(1)?)),
            ("with figures, third page", FIGURES, (with_stats("")?, at(3)?)),
            ("with figures, past the last page", of_all, (with_stats("")?, at(200)?)),
            ("with figures, after a cursor", FIGURES, (with_stats("")?, after(0, "Morlaer", "Ada"))),
        ],
    );
    Ok(cases)
}

/// Returns the cases of the searches for clients.
fn searches() -> Result<Vec<Case>, Invalid> {
    let pairs: &[_] = &["idx_clients_text_pairs"];
    let mut cases = Case::each(
        &SEARCH_CLIENTS,
        list,
        [
            ("two frequent letters", ANY, (search("an")?, at(1)?)),
            ("two frequent letters, later", ANY, (search("an")?, at(3)?)),
            ("two rare letters", pairs, (search("uq")?, at(1)?)),
            ("every address", ANY, (search("example")?, at(1)?)),
            ("every address, after a last name", ANY, (search("example")?, after(1, "anlaer", "ada"))),
            ("every address, after another match", ANY, (search("example")?, after(2, "morla", "ada"))),
            ("last names", pairs, (search("smison")?, at(1)?)),
            ("two parts", pairs, (search("elena smi")?, at(1)?)),
            ("absent", pairs, (search("zzxq")?, at(1)?)),
            ("of all clients", ANY, (filter("stein", false)?, at(1)?)),
            ("few, after a cursor", pairs, (search("elena smi")?, after(1, "smila", "elena"))),
            ("few, after the last match", pairs, (search("elena smi")?, after(2, "zz", ""))),
            ("few, with figures", FIGURES, (with_stats("elena smi")?, at(1)?)),
            (
                "few, with figures, after a cursor",
                FIGURES,
                (with_stats("elena smi")?, after(1, "smila", "elena")),
            ),
            ("many, with figures", FIGURES, (with_stats("example")?, at(1)?)),
        ],
    );
    let (phones, emails): (&[_], &[_]) = (&["idx_clients_phone_active"], &["idx_clients_email_active"]);
    cases.extend(Case::each(
        &LOOK_UP_CLIENTS,
        list,
        [
            ("a phone number", phones, (search("555-3967419")?, at(1)?)),
            ("the end of phone numbers", phones, (search("0000")?, at(1)?)),
            ("the end of phone numbers, later", phones, (search("0000")?, at(2)?)),
            ("no phone number", phones, (search("999999999999")?, at(1)?)),
            ("after a phone number", phones, (search("0000")?, after(0, "0000000555", ""))),
            ("after the last phone number", phones, (search("0000")?, after(0, "00009", ""))),
            ("of all clients", phones, (filter("67419", false)?, at(1)?)),
            ("an address", emails, (search("victor.hofostein501@example.com")?, at(1)?)),
            ("no address", emails, (search("unknown@example.com")?, at(1)?)),
            ("many with an address", emails, (search("family@example.com")?, at(1)?)),
            ("many with an address, later", emails, (search("family@example.com")?, at(2)?)),
            ("after an address", emails, (search("family@example.com")?, after(0, "f", ""))),
            (
                "near the last address",
                emails,
                (search("victor.hofostein501@example.com")?, after(0, "v", "")),
            ),
            ("after the last address", emails, (search("family@example.com")?, after(0, "g", ""))),
            ("busy with appointments, with figures", FIGURES, (with_stats("555-0055433")?, at(1)?)),
            ("busy with notes, with figures", FIGURES, (with_stats("555-0095028")?, at(1)?)),
            ("many with an address, with figures", FIGURES, (with_stats("family@example.com")?, at(1)?)),
            ("no address, with figures", emails, (with_stats("unknown@example.com")?, at(1)?)),
        ],
    ));
    Ok(cases)
}

/// Returns the cases of a single client.
fn changes() -> Result<Vec<Case>, Invalid> {
    let get = async |store: Store, (origin, id, inclusion): (Origin, ClientId, ClientInclusion)| {
        client(&store, &origin, id, inclusion).await
    };
    let create = async |store: Store, (origin, details): (Origin, Valid<ClientDetails>)| {
        create_client(&store, &origin, &details).await
    };
    let update =
        async |store: Store,
               (origin, id, version, details): (Origin, ClientId, i32, Valid<ClientDetails>)| {
            let expected = Expected::Only(Version::from_stored(version));
            update_client(&store, &origin, (id, expected), &details).await
        };
    let (known, unknown) = (client_id(30), client_id(u128::MAX));
    let (short, long) = (|| details(&[]), || details(&OPTIONAL));
    let none = ClientInclusion::default();
    let all = ClientInclusion { include_appointments: true, include_notes: true, include_ledger: true };
    let relations: &[_] =
        &["idx_appointments_client_date_status", "idx_ledger_client_type_date", "idx_notes_client_type_date"];
    let mut cases = Case::each(
        &CLIENT,
        get,
        [
            ("a client", ANY, (user(), known, none)),
            ("a client, by a program", ANY, (origin(None)?, known, none)),
            ("a client with all relations", relations, (user(), known, all)),
            ("busy with appointments", relations, (user(), client_id(7), all)),
            ("busy with notes and entries", relations, (user(), client_id(12), all)),
            ("no client", ANY, (user(), unknown, none)),
            ("no client with all relations", relations, (user(), unknown, all)),
        ],
    );
    cases.extend(Case::each(
        &CREATE_CLIENT,
        create,
        [
            ("without idempotency key", ANY, (origin(None)?, short()?)),
            ("all details", ANY, (user(), long()?)),
            ("with idempotency key", ANY, (origin(Some("a-client"))?, short()?)),
            ("by a user, with idempotency key", ANY, (keyed(user(), "a-client")?, short()?)),
            ("with the key of another request", ANY, (origin(Some("request-7"))?, short()?)),
        ],
    ));
    cases.extend(Case::each(
        &UPDATE_CLIENT,
        update,
        [
            ("a client", ANY, (user(), client_id(40), 1, short()?)),
            ("all details", ANY, (origin(None)?, client_id(50), 1, long()?)),
            ("another version", ANY, (user(), client_id(40), 7, short()?)),
            ("no client", ANY, (user(), unknown, 1, short()?)),
        ],
    ));
    Ok(cases)
}

/// Returns the cases of the statistics.
fn statistics() -> Vec<Case> {
    let read = async |store: Store, (from, to)| practice_statistics(&store, from, to).await;
    let january = |year, day| {
        NaiveDate::from_ymd_opt(year, 1, day).unwrap_or_default().and_time(NaiveTime::MIN).and_utc()
    };
    let cases = [
        ("a busy day", ANY, (january(2024, 15), january(2024, 16))),
        ("a quiet day", ANY, (january(2035, 15), january(2035, 16))),
        ("all times", ANY, (january(2020, 1), january(2035, 1))),
    ];
    Case::each(&PRACTICE_STATISTICS, read, cases)
}

/// Names of the optional details that are text of a short line.
const OPTIONAL: [&str; 21] = [
    "middle_name",
    "phone",
    "address_line1",
    "address_line2",
    "city",
    "state",
    "zip_code",
    "gender",
    "insurance_provider",
    "insurance_id",
    "emergency_contact_name",
    "emergency_contact_phone",
    "emergency_contact_relationship",
    "primary_diagnosis",
    "secondary_diagnoses",
    "medications",
    "allergies",
    "preferred_language",
    "communication_preferences",
    "intake_notes",
    "administrative_notes",
];

/// Returns the details of a client with the `optional` ones.
fn details(optional: &[&str]) -> Result<Valid<ClientDetails>, Invalid> {
    let body = serde_json::json!({ "first_name": "Ada", "last_name": "Lovelace" });
    let mut body = with_texts(body, optional);
    if !optional.is_empty() {
        body["email"] = "ada@example.com".into();
        body["date_of_birth"] = "1985-12-10".into();
    }
    self::body(body)
}

/// Returns `json` with a text in the fields `names`.
fn with_texts(mut json: Value, names: &[&str]) -> Value {
    for name in names {
        json[*name] = "a text".into();
    }
    json
}

/// Returns the body of a request, checked.
fn body<T: Check + DeserializeOwned>(json: Value) -> Result<Valid<T>, Invalid> {
    Valid::of(serde_json::from_value(json).map_err(|error| Invalid::field("body", error.to_string()))?)
}
