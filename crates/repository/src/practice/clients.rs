//! Clients.

use super::client_search as search;
use super::{appointments, ledger, notes};
use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use chrono::NaiveDate;
use futures_util::future::try_join4;
use rust_decimal::Decimal;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    BirthDate, Client, ClientCursor, ClientDetails, ClientFilter, ClientId, ClientInclusion, ClientRecord,
    ClientSearch, ClientStats, ClientSummary, ListedClient,
};
use steadfast_domain::version::Expected;
use steadfast_postgres::diesel::dsl::now;
use steadfast_postgres::diesel::sql_types::{BigInt, Integer, Nullable, Numeric, Text, Timestamptz};
use steadfast_postgres::diesel::{insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::clients;
use uuid::Uuid;

/// Name of the resource in the audit trail.
const RESOURCE: &str = "client";

/// Lists a page of the clients, with the total.
pub const CLIENTS: Operation<Read> = paged(Operation::read("practice.clients").served_by(&[
    "idx_clients_active_only",
    "idx_clients_name_search",
    // Of the figures about each client, also below.
    "client_balances_pkey",
    "idx_appointments_client_date_status",
    "idx_notes_client_type_date",
]));

/// Finds a page of the clients by parts of their names or addresses, with the total.
pub const SEARCH_CLIENTS: Operation<Read> = Operation::read("practice.search_clients")
    .statements(2)
    .served_by(&[
        "idx_clients_text_pairs",
        "idx_clients_last_name",
        "clients_pkey",
        "client_balances_pkey",
        "idx_appointments_client_date_status",
        "idx_notes_client_type_date",
    ])
    .reads(Reads::All, "two characters can occur in most clients, who are counted up to 10,001");

/// Finds a page of the clients by their e-mail address or phone number, with the total.
pub const LOOK_UP_CLIENTS: Operation<Read> = Operation::read("practice.look_up_clients")
    .statements(2)
    .served_by(&[
        "idx_clients_email_active",
        "idx_clients_phone_active",
        "client_balances_pkey",
        "idx_appointments_client_date_status",
        "idx_notes_client_type_date",
    ])
    .reads(Reads::UpTo(800), "counts the appointments and notes of each client, hundreds at most");

/// Reads a client with up to three relations, and adds the read to the audit trail.
pub const CLIENT: Operation<Write> = Operation::write("practice.client").statements(5).served_by(&[
    "clients_pkey",
    "idx_appointments_client_date_status",
    "idx_ledger_client_type_date",
    "idx_notes_client_type_date",
    "ledger_pkey",
    "notes_pkey",
]);

/// Creates a client.
pub const CREATE_CLIENT: Operation<Write> =
    Operation::write("practice.create_client").statements(3).served_by(&["idempotency_records_pkey"]);

/// Changes a client.
pub const UPDATE_CLIENT: Operation<Write> =
    Operation::write("practice.update_client").statements(3).served_by(&["clients_pkey"]);

/// Returns a page of the clients that match `filter`, with the total, sorted by last and first name. A search sorts by
/// rank first, see [`ClientParameters`](steadfast_domain::practice::ClientParameters). Figures about the clients are read
/// only for those of the page.
pub async fn clients(
    store: &Store,
    filter: &ClientFilter,
    position: &Position<ClientCursor>,
) -> Result<Page<ListedClient>, Error> {
    let operation = match &filter.search {
        None => &CLIENTS,
        Some(ClientSearch::Parts(_)) => &SEARCH_CLIENTS,
        Some(ClientSearch::Email(_) | ClientSearch::Phone(_)) => &LOOK_UP_CLIENTS,
    };
    let (rows, count): (Vec<FoundRow>, i64) = store
        .read(operation, async |conn| {
            let count = search::count(filter).get_result(conn).await?;
            Ok((search::rows(filter, count, position, Utc::now()).get_results(conn).await?, count))
        })
        .await?;
    let key = |row: &FoundRow| ClientCursor {
        rank: row.rank,
        first: row.first_key.clone(),
        second: row.second_key.clone(),
        id: ClientId(row.client.id),
    };
    Page::new(rows, count, position, key).try_map(|row| row.listed(filter.include_stats))
}

/// Returns the client `id` with the relations in `inclusion`, and adds the read to the audit trail. The client, served by
/// `clients_pkey`, and the relations are read in one round trip.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such client.
pub async fn client(
    store: &Store,
    origin: &Origin,
    id: ClientId,
    inclusion: ClientInclusion,
) -> Result<ClientRecord, Error> {
    let ClientInclusion { include_appointments, include_notes, include_ledger } = inclusion;
    entries::read(store, &CLIENT, origin, (RESOURCE, id.to_string()), async |conn| {
        let conn = &*conn;
        let (details, appointments, notes, ledger) = try_join4(
            found(conn, id),
            included(include_appointments, appointments::of_client(conn, id)),
            included(include_notes, notes::of_client(conn, id)),
            included(include_ledger, ledger::of_client(conn, id)),
        )
        .await?;
        Ok(ClientRecord { details: details.ok_or(Error::NotFound)?, appointments, notes, ledger })
    })
    .await
}

/// Returns the client `id`, if there is one.
async fn found(conn: &Conn, id: ClientId) -> Result<Option<Client>, Abort<Error>> {
    let client = clients::table.find(id.0).select(ClientRow::as_select());
    let client = client.first(&mut &*conn).await.optional()?;
    Ok(client.map(ClientRow::parse).transpose()?)
}

/// Returns the items of `relation` if it is included. Otherwise, its statement is not sent.
async fn included<T>(
    is_included: bool,
    relation: impl Future<Output = Result<Vec<T>, Abort<Error>>>,
) -> Result<Option<Vec<T>>, Abort<Error>> {
    if is_included { relation.await.map(Some) } else { Ok(None) }
}

/// Stores a new client.
///
/// # Errors
/// Returns [`Error`]; nothing was stored then, except after [`Error::OutcomeUnknown`].
pub async fn create_client(
    store: &Store,
    origin: &Origin,
    details: &Valid<ClientDetails>,
) -> Result<Created, Error> {
    let id = ClientId::generate();
    idempotency::create(store, &CREATE_CLIENT, origin, RESOURCE, async |conn| {
        let stored: ClientRow = insert_into(clients::table)
            .values((clients::id.eq(id.0), DetailsRow::of(details)))
            .returning(ClientRow::as_select())
            .get_result(conn)
            .await?;
        Ok((id.to_string(), stored.parse()?))
    })
    .await
}

/// Changes the client `id` to `details` and returns it. Served by `clients_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such client, and [`Error::VersionMismatch`] if its version is not
/// `expected`.
pub async fn update_client(
    store: &Store,
    origin: &Origin,
    (id, expected): (ClientId, Expected),
    details: &Valid<ClientDetails>,
) -> Result<Client, Error> {
    entries::change(store, &UPDATE_CLIENT, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let change = update(clients::table.find(id.0))
            .filter(clients::version.eq(expected.or(old.version)))
            .set((
                DetailsRow::of(details),
                clients::updated_at.eq(now),
                clients::version.eq(clients::version + 1),
            ))
            .returning(ClientRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    })
    .await
}

/// Returns the client `id`, locked until the end of the transaction.
async fn locked(conn: &mut Conn, id: ClientId) -> Result<Client, Abort<Error>> {
    let client = clients::table.find(id.0).select(ClientRow::as_select()).for_no_key_update();
    Ok(client.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?)
}

details! {
    /// Details of a client, as the practice records them.
    DetailsRow of clients for ClientDetails {
        first_name: String,
        last_name: String,
        middle_name: Option<String>,
        email: Option<String>,
        phone: Option<String>,
        address_line1: Option<String>,
        address_line2: Option<String>,
        city: Option<String>,
        state: Option<String>,
        zip_code: Option<String>,
        date_of_birth: Option<NaiveDate>,
        gender: Option<String>,
        insurance_provider: Option<String>,
        insurance_id: Option<String>,
        emergency_contact_name: Option<String>,
        emergency_contact_phone: Option<String>,
        emergency_contact_relationship: Option<String>,
        primary_diagnosis: Option<String>,
        secondary_diagnoses: Option<String>,
        medications: Option<String>,
        allergies: Option<String>,
        is_active: bool,
        preferred_language: String,
        communication_preferences: Option<String>,
        intake_notes: Option<String>,
        administrative_notes: Option<String>,
    }
}

row! {
    /// A client.
    ClientRow of clients for Client {
        id: Uuid,
        #[diesel(embed)]
        details: DetailsRow,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        version: i32,
    }
}

wrapper!(ClientId: ClientId, |id| id.0, Uuid);
wrapper!(BirthDate: BirthDate, |date| date.0, NaiveDate);

/// Columns of [`SummaryRow`].
pub(super) const SUMMARY: &str =
    "id, first_name, last_name, email, phone, date_of_birth, is_active, created_at";

row! {
    /// A client in a list.
    SummaryRow of clients for ClientSummary {
        id: Uuid,
        first_name: String,
        last_name: String,
        email: Option<String>,
        phone: Option<String>,
        date_of_birth: Option<NaiveDate>,
        is_active: bool,
        created_at: DateTime<Utc>,
    }
}

/// A client in a list, with its place.
#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = Integer)]
    rank: i32,
    #[diesel(sql_type = Text)]
    first_key: String,
    #[diesel(sql_type = Text)]
    second_key: String,
    #[diesel(embed)]
    client: SummaryRow,
    #[diesel(embed)]
    stats: StatsRow,
}

/// Figures about a client, which are zero unless they are requested.
#[derive(QueryableByName)]
struct StatsRow {
    #[diesel(sql_type = BigInt)]
    appointments: i64,
    #[diesel(sql_type = BigInt)]
    upcoming_appointments: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_appointment_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    notes: i64,
    #[diesel(sql_type = Numeric)]
    balance: Decimal,
}

impl FoundRow {
    /// Converts the row, with the figures if they are requested.
    fn listed(self, has_stats: bool) -> Result<ListedClient, Error> {
        let StatsRow { appointments, upcoming_appointments, last_appointment_at, notes, balance } =
            self.stats;
        let stats = has_stats.then_some(ClientStats {
            appointments,
            upcoming_appointments,
            last_appointment_at,
            notes: Some(notes),
            balance: Some(balance),
        });
        Ok(ListedClient { details: self.client.parse()?, stats })
    }
}
