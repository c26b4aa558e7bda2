//! Entries in the ledger.

use crate::audit::entries::{self, Change};
use crate::audit::idempotency::{self, Created};
use crate::prelude::*;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use steadfast_domain::Invalid;
use steadfast_domain::audit::Origin;
use steadfast_domain::fields::Valid;
use steadfast_domain::practice::{
    ClientId, LedgerCursor, LedgerDetails, LedgerEntry, LedgerEntryId, LedgerFilter, PaymentMethod,
    RELATED_MAX, ServiceDate, TransactionType,
};
use steadfast_domain::version::Expected;
use steadfast_postgres::diesel::dsl::{not, now};
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Bool, Date, Text, Uuid as SqlUuid};
use steadfast_postgres::diesel::{delete, insert_into, update};
use steadfast_postgres::{Abort, Conn};
use steadfast_schema::schema::ledger;
use uuid::Uuid;

/// Name of the resource in the audit trail.
const RESOURCE: &str = "ledger_entry";

/// Index that the triggers use to maintain the balance of the client.
const BALANCES: &[&str] = &["client_balances_pkey"];

/// Lists a page of the entries of a client, with the total.
pub const LEDGER_OF_CLIENT: Operation<Read> = Operation::read("practice.ledger_of_client")
    .statements(2)
    .served_by(&["idx_ledger_client_type_date", "ledger_pkey"])
    .reads(Reads::UpTo(800), "a client has hundreds of entries at most, which the total counts");

/// Lists a page of the entries of all clients, with the total.
pub const LEDGER: Operation<Read> = Operation::read("practice.ledger")
    .statements(2)
    .served_by(&["idx_ledger_posted_reconciled", "idx_ledger_service_date_posted", "ledger_pkey"])
    .reads(Reads::All, "entries of a rare kind are found by reading the index on the dates");

/// Reads an entry.
pub const LEDGER_ENTRY: Operation<Read> =
    Operation::read("practice.ledger_entry").served_by(&["ledger_pkey"]);

/// Creates an entry.
pub const CREATE_LEDGER_ENTRY: Operation<Write> = Operation::write("practice.create_ledger_entry")
    .statements(3)
    .served_by(&["idempotency_records_pkey"])
    .supports_fk(BALANCES);

/// Changes an entry.
pub const UPDATE_LEDGER_ENTRY: Operation<Write> = Operation::write("practice.update_ledger_entry")
    .statements(3)
    .served_by(&["ledger_pkey"])
    .supports_fk(BALANCES);

/// Posts an entry.
pub const POST_LEDGER_ENTRY: Operation<Write> = Operation::write("practice.post_ledger_entry")
    .statements(3)
    .served_by(&["ledger_pkey"])
    .supports_fk(BALANCES);

/// Reconciles an entry.
pub const RECONCILE_LEDGER_ENTRY: Operation<Write> =
    Operation::write("practice.reconcile_ledger_entry").statements(3).served_by(&["ledger_pkey"]);

/// Deletes an entry.
pub const DELETE_LEDGER_ENTRY: Operation<Write> =
    Operation::write("practice.delete_ledger_entry").statements(3).served_by(&["ledger_pkey"]);

/// Returns a page of the entries that match `filter`, with the total, the newest service date first.
pub async fn ledger(
    store: &Store,
    filter: &LedgerFilter,
    position: &Position<LedgerCursor>,
) -> Result<Page<LedgerEntry>, Error> {
    let operation = if filter.client.is_some() { &LEDGER_OF_CLIENT } else { &LEDGER };
    let statements = (|| rows(filter, position), || count(filter));
    let key =
        |row: &EntryRow| LedgerCursor { service_date: row.details.service_date, id: LedgerEntryId(row.id) };
    page(store, operation, position, statements, key).await
}

/// Returns the newest entries of `client`, up to [`RELATED_MAX`].
pub(super) async fn of_client(conn: &Conn, client: ClientId) -> Result<Vec<LedgerEntry>, Abort<Error>> {
    let filter = LedgerFilter {
        client: Some(client),
        transaction_type: None,
        is_posted: None,
        is_reconciled: None,
        dates: (ServiceDate::MIN.0, ServiceDate::MAX.0),
    };
    newest::<EntryRow, _, _>(conn, rows(&filter, &Position::first(RELATED_MAX)), RELATED_MAX).await
}

/// Selects the entries of the page at `position`, and one more. Their ids are found first, in an index that has all
/// columns of the filter. By hand, because the DSL has neither comparisons of rows nor arrays of sub-queries.
fn rows<'a>(filter: &LedgerFilter, position: &Position<LedgerCursor>) -> BoxedSql<'a> {
    let (first_date, last_date) = filter.dates;
    let (date, id) = match position.cursor() {
        // Cursors can be forged, with dates that the database does not have.
        Some(last) if last.service_date <= last_date => (last.service_date.max(first_date), last.id.0),
        // The entries before the end of the range.
        _ => (last_date, Uuid::max()),
    };
    let condition = condition(filter, "$9");
    let sql = sql_query(format!(
        "SELECT {COLUMNS} FROM ledger WHERE id = ANY (ARRAY( \
            SELECT id FROM ledger WHERE {condition} AND (service_date, id) < ($2, $6) \
            ORDER BY service_date DESC, id DESC LIMIT $7 OFFSET $8)) \
         ORDER BY service_date DESC, id DESC"
    ));
    let bound = bind(sql.into_boxed(), filter, date).bind::<SqlUuid, _>(id);
    let bound = bound.bind::<BigInt, _>(position.limit()).bind::<BigInt, _>(position.offset());
    filter.client.iter().fold(bound, |bound, client| bound.bind::<SqlUuid, _>(client.0))
}

/// Counts the matching entries, up to the limit of totals.
fn count<'a>(filter: &LedgerFilter) -> BoundedCount<BoxedSql<'a>> {
    let condition = condition(filter, "$6");
    let sql = format!("SELECT FROM ledger WHERE {condition} ORDER BY service_date DESC, id DESC");
    let bound = bind(sql_query(sql).into_boxed(), filter, filter.dates.1);
    BoundedCount(filter.client.iter().fold(bound, |bound, client| bound.bind::<SqlUuid, _>(client.0)))
}

/// Returns the condition of a filter. The client or the predicate of the partial index decides which index is read.
/// Filters that are not given allow all values, so they need no statements of their own. `client` names the parameter of
/// the client.
fn condition(filter: &LedgerFilter, client: &str) -> String {
    let selection = match filter {
        LedgerFilter { client: Some(_), .. } => format!("client_id = {client}"),
        LedgerFilter { is_reconciled: Some(false), .. } => "NOT is_reconciled".to_owned(),
        _ => "true".to_owned(),
    };
    format!(
        "{selection} AND service_date >= $1 AND service_date <= $2 AND transaction_type = ANY ($3) \
         AND is_posted = ANY ($4) AND is_reconciled = ANY ($5)"
    )
}

/// Binds the parameters `$1` to `$5` of [`condition`], with `last_date` as the end of the dates.
fn bind<'a>(sql: BoxedSql<'a>, filter: &LedgerFilter, last_date: NaiveDate) -> BoxedSql<'a> {
    let all = TransactionType::ALL.iter().copied();
    let types = all.filter(|name| filter.transaction_type.is_none_or(|only| only == *name));
    let flags = |only: Option<bool>| only.map_or_else(|| vec![false, true], |only| vec![only]);
    sql.bind::<Date, _>(filter.dates.0)
        .bind::<Date, _>(last_date)
        .bind::<Array<Text>, _>(types.map(TransactionType::as_str).collect::<Vec<_>>())
        .bind::<Array<Bool>, _>(flags(filter.is_posted))
        .bind::<Array<Bool>, _>(flags(filter.is_reconciled))
}

/// Returns the entry `id`. Served by `ledger_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such entry.
pub async fn ledger_entry(store: &Store, id: LedgerEntryId) -> Result<LedgerEntry, Error> {
    let entry = async |conn: &mut _| {
        ledger::table.find(id.0).select(EntryRow::as_select()).first(conn).await.optional()
    };
    store.read(&LEDGER_ENTRY, entry).await?.ok_or(Error::NotFound)?.parse()
}

/// Stores a new entry.
///
/// # Errors
/// Returns [`Error::UnknownReference`] if there is no such client.
pub async fn create_ledger_entry(
    store: &Store,
    origin: &Origin,
    details: &Valid<LedgerDetails>,
) -> Result<Created, Error> {
    let id = LedgerEntryId::generate();
    let created = idempotency::create(store, &CREATE_LEDGER_ENTRY, origin, RESOURCE, async |conn| {
        let stored: EntryRow = insert_into(ledger::table)
            .values((ledger::id.eq(id.0), DetailsRow::of(details)))
            .returning(EntryRow::as_select())
            .get_result(conn)
            .await?;
        Ok((id.to_string(), stored.parse()?))
    });
    created.await.map_err(|error| error.naming(&REFERENCES))
}

/// Changes the entry `id` to `details` and returns it. Served by `ledger_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such entry, [`Error::VersionMismatch`] if its version is not `expected`,
/// [`Error::State`] if it is reconciled, or posted and not in `details`, and [`Error::UnknownReference`] if there is no
/// such client.
pub async fn update_ledger_entry(
    store: &Store,
    origin: &Origin,
    (id, expected): (LedgerEntryId, Expected),
    details: &Valid<LedgerDetails>,
) -> Result<LedgerEntry, Error> {
    let changed = entries::change(store, &UPDATE_LEDGER_ENTRY, origin, ("update", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        if old.is_reconciled {
            Err(Error::State("A reconciled entry cannot be changed. Create an adjustment or a refund."))?;
        }
        if old.details.is_posted && !details.is_posted {
            Err(Error::State("A posted entry stays posted. Create an adjustment or a refund."))?;
        }
        let change = update(ledger::table.find(id.0))
            .filter(ledger::version.eq(expected.or(old.version)))
            .set((
                DetailsRow::of(details),
                ledger::updated_at.eq(now),
                ledger::version.eq(ledger::version + 1),
            ))
            .returning(EntryRow::as_select());
        Change::updated(id, old, change.get_result(conn).await)
    });
    changed.await.map_err(|error| error.naming(&REFERENCES))
}

/// Posts the entry `id`, which counts in the balance from then on. Served by `ledger_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such entry, and [`Error::State`] if it is posted already.
pub async fn post_ledger_entry(
    store: &Store,
    origin: &Origin,
    id: LedgerEntryId,
) -> Result<LedgerEntry, Error> {
    entries::change(store, &POST_LEDGER_ENTRY, origin, ("post", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let change = update(ledger::table.find(id.0).filter(not(ledger::is_posted)))
            .set((
                ledger::is_posted.eq(true),
                ledger::updated_at.eq(now),
                ledger::version.eq(ledger::version + 1),
            ))
            .returning(EntryRow::as_select());
        let posted = Error::State("The entry is posted already.");
        let new = change.get_result(conn).await.optional()?.ok_or(posted)?.parse()?;
        Ok(Change::Updated { id: id.to_string(), old, new })
    })
    .await
}

/// Reconciles the entry `id`, which cannot be changed from then on. Served by `ledger_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such entry, [`Error::State`] if it is not posted, and [`Error::Invalid`] if it
/// is reconciled already.
pub async fn reconcile_ledger_entry(
    store: &Store,
    origin: &Origin,
    id: LedgerEntryId,
) -> Result<LedgerEntry, Error> {
    entries::change(store, &RECONCILE_LEDGER_ENTRY, origin, ("reconcile", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let change = update(ledger::table.find(id.0))
            .filter(ledger::is_posted.and(not(ledger::is_reconciled)))
            .set((
                ledger::reconciliation_date.eq(Utc::now().date_naive()),
                ledger::updated_at.eq(now),
                ledger::version.eq(ledger::version + 1),
            ))
            .returning(EntryRow::as_select());
        let refused = if old.is_reconciled {
            Error::Invalid(Invalid::field("is_reconciled", "the entry is reconciled already"))
        } else {
            Error::State("The entry is not posted. Post it before it is reconciled.")
        };
        let new = change.get_result(conn).await.optional()?.ok_or(refused)?.parse()?;
        Ok(Change::Updated { id: id.to_string(), old, new })
    })
    .await
}

/// Deletes the entry `id`. Served by `ledger_pkey`.
///
/// # Errors
/// Returns [`Error::NotFound`] if there is no such entry, and [`Error::State`] if it is posted.
pub async fn delete_ledger_entry(store: &Store, origin: &Origin, id: LedgerEntryId) -> Result<(), Error> {
    let deleted = entries::change(store, &DELETE_LEDGER_ENTRY, origin, ("delete", RESOURCE), async |conn| {
        let old = locked(conn, id).await?;
        let draft = ledger::table.find(id.0).filter(not(ledger::is_posted));
        if delete(draft).execute(conn).await? == 0 {
            Err(Error::State("A posted entry is never deleted. Create an adjustment or a refund."))?;
        }
        Ok(Change::Deleted { id: id.to_string(), old })
    });
    deleted.await.map(drop)
}

/// Foreign keys, each with its field.
const REFERENCES: [(&str, &str); 1] = [("ledger_client_id_fkey", "client_id")];

/// Returns the entry `id`, locked until the end of the transaction.
async fn locked(conn: &mut Conn, id: LedgerEntryId) -> Result<LedgerEntry, Abort<Error>> {
    let entry = ledger::table.find(id.0).select(EntryRow::as_select()).for_no_key_update();
    Ok(entry.first(conn).await.optional()?.ok_or(Error::NotFound)?.parse()?)
}

details! {
    /// Details of an entry in the ledger.
    DetailsRow of ledger for LedgerDetails {
        client_id: Uuid,
        transaction_type: String,
        amount: Decimal,
        description: String,
        service_date: NaiveDate,
        billing_code: Option<String>,
        diagnosis_code: Option<String>,
        payment_method: Option<String>,
        reference_number: Option<String>,
        check_number: Option<String>,
        insurance_claim_number: Option<String>,
        insurance_authorization: Option<String>,
        is_posted: bool,
        notes: Option<String>,
    }
}

row! {
    /// An entry in the ledger.
    EntryRow of ledger for LedgerEntry {
        id: Uuid,
        #[diesel(embed)]
        details: DetailsRow,
        signed_amount: Decimal,
        is_reconciled: bool,
        reconciliation_date: Option<NaiveDate>,
        created_at: DateTime<Utc>,
        updated_at: DateTime<Utc>,
        version: i32,
    }
}

/// Columns of [`EntryRow`].
const COLUMNS: &str = "id, client_id, transaction_type, amount, description, service_date, billing_code, \
     diagnosis_code, payment_method, reference_number, check_number, insurance_claim_number, \
     insurance_authorization, is_posted, notes, signed_amount, is_reconciled, reconciliation_date, created_at, \
     updated_at, version";

wrapper!(LedgerEntryId: LedgerEntryId, |id| id.0, Uuid);
wrapper!(ServiceDate: ServiceDate, |date| date.0, NaiveDate);
named!(TransactionType);
named!(PaymentMethod);
