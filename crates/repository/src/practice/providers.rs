//! Providers.

use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    NpiNumber, Provider, ProviderCursor, ProviderDetails, ProviderFilter, ProviderId,
};
use steadfast_domain::version::Expected;
use steadfast_postgres::diesel::dsl::{now, sql};
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::sql_types::{Bool, Text, Uuid as SqlUuid};
use steadfast_postgres::diesel::{insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::providers;
use uuid::Uuid;

/// Name of the resource in the audit trail.
const RESOURCE: &str = "provider";

/// Lists a page of the providers that match a filter, with the total.
pub const PROVIDERS: Operation<Read> = Operation::read("practice.providers")
    .statements(2)
    .reads(Reads::All, "a practice has some hundred providers, who fit on a few pages of the table");

/// Reads a provider.
pub const PROVIDER: Operation<Read> = Operation::read("practice.provider").served_by(&["providers_pkey"]);

/// Creates a provider.
pub const CREATE_PROVIDER: Operation<Write> =
    Operation::write("practice.create_provider").statements(3).served_by(&["idempotency_records_pkey"]);

/// Changes a provider.
pub const UPDATE_PROVIDER: Operation<Write> =
    Operation::write("practice.update_provider").statements(3).served_by(&["providers_pkey"]);

/// Returns a page of the providers that match `filter`, with the total, sorted by last and first name.
pub async fn providers(
    store: &Store,
    filter: &ProviderFilter,
    position: &Position<ProviderCursor>,
) -> Result<Page<Provider>, Error> {
    let order = (providers::last_name, providers::first_name, providers::id);
    let selected = || filtered(filter).select(ProviderRow::as_select()).order(order);
    // The DSL has no comparison of rows.
    let after = |last: &ProviderCursor| {
        sql::<Bool>("(last_name, first_name, id) > (")
            .bind::<Text, _>(last.last_name.clone())
            .sql(", ")
            .bind::<Text, _>(last.first_name.clone())
            .sql(", ")
            .bind::<SqlUuid, _>(last.id.0)
            .sql(")")
    };
    let rows = || page_at(selected(), position, after);
    let count = || BoundedCount(filtered(filter).select(providers::id).order(order));
    let key = |ProviderRow { details, id, .. }: &ProviderRow| ProviderCursor {
        last_name: details.last_name.clone(),
        first_name: details.first_name.clone(),
        id: ProviderId(*id),
    };
    page(store, &PROVIDERS, position, (rows, count), key).await
}

/// Restricts the providers to those that match `filter`. The statement is the same whatever the filter.
fn filtered(filter: &ProviderFilter) -> providers::BoxedQuery<'_, Pg> {
    let ProviderFilter { specialty, is_active, accepts_new_patients } = filter;
    let of_specialty = providers::specialty.eq(specialty.as_deref().unwrap_or_default());
    let of_activity = providers::is_active.eq(is_active.unwrap_or_default());
    let accepting = providers::accepts_new_patients.eq(accepts_new_patients.unwrap_or_default());
    providers::table
        .filter(of_specialty.or(specialty.is_none().into_sql::<Bool>()))
        .filter(of_activity.or(is_active.is_none().into_sql::<Bool>()))
        .filter(accepting.or(accepts_new_patients.is_none().into_sql::<Bool>()))
        .into_boxed()
}

/// Returns the provider `id`. Served by `providers_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such provider.
pub async fn provider(store: &Store, id: ProviderId) -> Result<Provider, Error> {
    let provider = async |conn: &mut _| {
        providers::table.find(id.0).select(ProviderRow::as_select()).first(conn).await.optional()
    };
    store.read(&PROVIDER, provider).await?.ok_or(Error::NotFound)?.parse()
}

/// Stores a new provider.
///
/// # Errors
/// Returns [`Error::Duplicate`] if another provider has the e-mail address or the NPI number.
pub async fn create_provider(
    store: &Store,
    origin: &Origin,
    details: &Valid<ProviderDetails>,
) -> Result<Created, Error> {
    let id = ProviderId::generate();
    idempotency::create(store, &CREATE_PROVIDER, origin, RESOURCE, async |conn| {
        let stored: ProviderRow = insert_into(providers::table)
            .values((providers::id.eq(id.0), DetailsRow::of(details)))
            .returning(ProviderRow::as_select())
            .get_result(conn)
            .await?;
        Ok((id.to_string(), stored.parse()?))
    })
    .await
}

/// Changes the provider `id` to `details` and returns it. Served by `providers_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such provider, [`Error::VersionMismatch`] if its version is not `expected`,
/// and [`Error::Duplicate`] if another provider has the e-mail address or the NPI number.
pub async fn update_provider(
    store: &Store,
    origin: &Origin,
    (id, expected): (ProviderId, Expected),
    details: &Valid<ProviderDetails>,
) -> Result<Provider, Error> {
    entries::change(store, &UPDATE_PROVIDER, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let change = update(providers::table.find(id.0))
            .filter(providers::version.eq(expected.or(old.version)))
            .set((
                DetailsRow::of(details),
                providers::updated_at.eq(now),
                providers::version.eq(providers::version + 1),
            ))
            .returning(ProviderRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    })
    .await
}

/// Returns the provider `id`, locked until the end of the transaction.
async fn locked(conn: &mut Conn, id: ProviderId) -> Result<Provider, Abort<Error>> {
    let provider = providers::table.find(id.0).select(ProviderRow::as_select()).for_no_key_update();
    Ok(provider.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?)
}

details! {
    /// Details of a provider, as the practice records them.
    DetailsRow of providers for ProviderDetails {
        first_name: String,
        last_name: String,
        middle_name: Option<String>,
        title: Option<String>,
        credentials: Option<String>,
        specialty: Option<String>,
        license_number: Option<String>,
        license_state: Option<String>,
        email: String,
        phone: Option<String>,
        office_phone: Option<String>,
        office_address_line1: Option<String>,
        office_address_line2: Option<String>,
        office_city: Option<String>,
        office_state: Option<String>,
        office_zip_code: Option<String>,
        npi_number: Option<String>,
        tax_id: Option<String>,
        default_appointment_minutes: i32,
        accepts_new_patients: bool,
        is_active: bool,
        bio: Option<String>,
        administrative_notes: Option<String>,
    }
}

row! {
    /// A provider.
    ProviderRow of providers for Provider {
        #[diesel(embed)]
        details: DetailsRow,
        id: Uuid,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        version: i32,
    }
}

wrapper!(ProviderId: ProviderId, |id| id.0, Uuid);
wrapper!(NpiNumber: NpiNumber::from_stored, |number| number.as_str().to_owned(), String);
