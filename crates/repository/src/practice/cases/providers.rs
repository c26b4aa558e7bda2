//! Cases of the operations on providers.

use super::{body, with_texts};
use crate::audit::cases::{keyed, origin, user};
use crate::cases::{ANY, Case};
use crate::practice::seed::provider_id;
use crate::practice::{
    CREATE_PROVIDER, PROVIDER, PROVIDERS, UPDATE_PROVIDER, create_provider, provider, providers,
    update_provider,
};
use crate::prelude::*;
use serde_json::{Value, json};
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{ProviderCursor, ProviderDetails, ProviderFilter, ProviderId};
use steadfast_domain::version::{Expected, Version};

/// Returns the cases of the operations on providers.
pub(super) fn all() -> Result<Vec<Case>, Invalid> {
    Ok([lists()?, changes()?].into_iter().flatten().collect())
}

/// Returns the cases of the list.
fn lists() -> Result<Vec<Case>, Invalid> {
    let list = async |store: Store, (filter, position): (ProviderFilter, Position<ProviderCursor>)| {
        providers(&store, &filter, &position).await
    };
    let at = |number| Position::numbered(number, 50);
    let after = |last_name: &str| {
        let (last_name, first_name) = (last_name.to_owned(), "Ada".to_owned());
        Position::after(ProviderCursor { last_name, first_name, id: provider_id(5) }, 50)
    };
    let every = ProviderFilter::default();
    let active = ProviderFilter { is_active: Some(true), ..every.clone() };
    let of = |specialty: &str| ProviderFilter { specialty: Some(specialty.to_owned()), ..every.clone() };
    let accepting = ProviderFilter { accepts_new_patients: Some(true), ..active.clone() };
    let inputs = [
        ("all, first page", ANY, (every.clone(), at(1)?)),
        ("all, third page", ANY, (every.clone(), at(3)?)),
        ("all, past the last page", ANY, (every.clone(), at(200)?)),
        ("all, after a cursor", ANY, (every.clone(), after("Name 3"))),
        ("all, after the last cursor", ANY, (every.clone(), after("Zz"))),
        ("active", ANY, (active, at(1)?)),
        ("active and accepting, after a cursor", ANY, (accepting, after("Name 3"))),
        ("a specialty, third page", ANY, (of("Psychology"), at(3)?)),
        ("a rare specialty", ANY, (of("Hypnotherapy"), at(1)?)),
        ("no specialty", ANY, (of("Alchemy"), at(1)?)),
    ];
    Ok(Case::each(&PROVIDERS, list, inputs))
}

/// Returns the cases of a single provider.
fn changes() -> Result<Vec<Case>, Invalid> {
    let get = async |store: Store, id: ProviderId| provider(&store, id).await;
    let create = async |store: Store, (origin, details): (Origin, Valid<ProviderDetails>)| {
        create_provider(&store, &origin, &details).await
    };
    let update =
        async |store: Store,
               (origin, id, version, details): (Origin, ProviderId, i32, Valid<ProviderDetails>)| {
            let expected = Expected::Only(Version::from_stored(version));
            update_provider(&store, &origin, (id, expected), &details).await
        };
    let unknown = provider_id(u128::MAX);
    let mut cases =
        Case::each(&PROVIDER, get, [("a provider", ANY, provider_id(30)), ("no provider", ANY, unknown)]);
    let plain = origin(None)?;
    cases.extend(Case::each(
        &CREATE_PROVIDER,
        create,
        [
            ("without idempotency key", ANY, (plain.clone(), details("one")?)),
            ("all details", ANY, (user(), all_details("all", "9876543210")?)),
            ("with idempotency key", ANY, (origin(Some("a-provider"))?, details("two")?)),
            ("by a user, with idempotency key", ANY, (keyed(user(), "a-provider")?, details("three")?)),
            ("with the key of another request", ANY, (origin(Some("request-7"))?, details("four")?)),
        ],
    ));
    cases.extend(Case::each(
        &UPDATE_PROVIDER,
        update,
        [
            ("a provider", ANY, (user(), provider_id(40), 1, details("five")?)),
            ("all details", ANY, (plain.clone(), provider_id(50), 1, all_details("eight", "9876543211")?)),
            ("another version", ANY, (plain.clone(), provider_id(40), 7, details("six")?)),
            ("no provider", ANY, (plain, unknown, 1, details("seven")?)),
        ],
    ));
    Ok(cases)
}

/// Names of the optional details that are text.
const OPTIONAL: [&str; 16] = [
    "middle_name",
    "title",
    "credentials",
    "specialty",
    "license_number",
    "license_state",
    "phone",
    "office_phone",
    "office_address_line1",
    "office_address_line2",
    "office_city",
    "office_state",
    "office_zip_code",
    "tax_id",
    "bio",
    "administrative_notes",
];

/// Returns the required details of a provider, whose e-mail address is that of `name`.
fn details(name: &str) -> Result<Valid<ProviderDetails>, Invalid> {
    body(required(name))
}

/// Returns all details of a provider, whose e-mail address is that of `name`.
fn all_details(name: &str, npi_number: &str) -> Result<Valid<ProviderDetails>, Invalid> {
    let mut json = with_texts(required(name), &OPTIONAL);
    json["npi_number"] = npi_number.into();
    body(json)
}

fn required(name: &str) -> Value {
    json!({ "first_name": "Ada", "last_name": "Lovelace", "email": format!("{name}@cases.example.com") })
}
