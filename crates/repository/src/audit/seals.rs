//! Seals over the rows of the trail.
//!
//! A row draws its id after its transaction has a number. So once all transactions have ended whose numbers are below that
//! of a transaction that began after an id was drawn, no row with that id or a lower one can appear any more. Such an id
//! is the [`Horizon`] up to which rows can be sealed.

use crate::prelude::*;
use chrono::SubsecRound as _;
use steadfast_domain::audit::seals::{ChainEnd, Hash, SEAL_MAX, Seal, SealedRow};
use steadfast_domain::page::NUMBERED_MAX;
use steadfast_postgres::diesel::dsl::{AsSelect, auto_type};
use steadfast_postgres::diesel::insert_into;
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use steadfast_schema::schema::{audit_log, audit_seals};

/// Determines the horizon. The second statement is sent only if ids were drawn.
pub const MARK_HORIZON: Operation<Write> = Operation::write("audit.mark_horizon").statements(2);

/// Seals rows.
pub const SEAL: Operation<Write> =
    Operation::write("audit.seal").statements(4).served_by(&["audit_seals_pkey", "audit_log_pkey"]);

/// Reads the last seal.
pub const LAST_SEAL: Operation<Read> = Operation::read("audit.last_seal").served_by(&["audit_seals_pkey"]);

/// Reads a batch of seals.
pub const SEALS: Operation<Read> = Operation::read("audit.seals").served_by(&["audit_seals_pkey"]);

/// Reads a batch of rows, to compare them with their seals.
pub const ROWS: Operation<Read> = Operation::read("audit.rows").served_by(&["audit_log_pkey"]);

/// Counts the rows without a seal.
pub const COUNT_UNSEALED: Operation<Read> = Operation::read("audit.count_unsealed")
    .served_by(&["audit_log_pkey"])
    .reads(Reads::UpTo(NUMBERED_MAX + 1), "counts up to 10,001 rows; servers seal rows within seconds");

/// Maximum number of seals in a batch.
const SEALS_BATCH: i64 = 100;

/// Maximum number of rows in a batch, apart from rows with the same id.
const ROWS_BATCH: i64 = 1_000;

/// All columns of a row as one text, whatever the settings of the session. Numbers, texts and times have one form in JSON,
/// and `jsonb` has one form for each value.
const CANONICAL: &str = "jsonb_build_array(id, created_at AT TIME ZONE 'UTC', correlation_id, user_id, session_id, \
     api_key_id, action, resource_type, resource_id, old_values, new_values, details, success, error_message, \
     ip_address, user_agent)::text";

/// Id up to which rows can be sealed, as soon as all transactions before a certain one have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Last id that was drawn.
    pub last_id: i64,
    /// Number of a transaction that began afterwards.
    pub(super) transaction: i64,
}

/// Outcome of an attempt to seal rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Another process is sealing rows.
    Busy,
    /// Transactions from before the horizon are still open.
    Waiting,
    /// All rows up to the horizon are sealed.
    Complete,
    /// Rows were sealed. More may be left.
    Sealed(ChainEnd),
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Returns the horizon of this moment; `None` if the last id that was drawn is `known`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn mark_horizon(store: &Store, known: i64) -> Result<Option<Horizon>, Error> {
    // SQL, because the DSL has neither sequences nor transaction numbers.
    let last_id = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS number FROM audit_log_ids";
    // The message makes the commit durable, and with it the numbers: after a crash they are not drawn again.
    let transaction = "SELECT pg_current_xact_id()::text::bigint AS number \
        FROM pg_logical_emit_message(true, 'steadfast', 'audit_seals')";
    store
        .write(&MARK_HORIZON, async |conn| {
            let Number { number: last_id } = cached(sql_query(last_id)).get_result(conn).await?;
            if last_id == known {
                return Ok(None);
            }
            // A second statement: a snapshot or a number that is older than the id would prove nothing.
            let Number { number: transaction } = cached(sql_query(transaction)).get_result(conn).await?;
            Ok(Some(Horizon { last_id, transaction }))
        })
        .await
}

#[derive(QueryableByName)]
struct Turn {
    #[diesel(sql_type = Bool)]
    is_ours: bool,
    #[diesel(sql_type = BigInt)]
    oldest_open: i64,
}

/// Seals up to 1,000 rows up to `horizon`. Served by `audit_seals_pkey` and `audit_log_pkey`.
///
/// # Errors
/// Returns [`Error`]; nothing was sealed then, except after [`Error::OutcomeUnknown`].
pub async fn seal(store: &Store, horizon: &Horizon) -> Result<Sealing, Error> {
    // SQL, because the DSL has no functions on snapshots.
    let turn = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit_seals', 0)) AS is_ours, \
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_open";
    store
        .try_write(&SEAL, async |conn| {
            let turn: Turn = cached(sql_query(turn)).get_result(conn).await?;
            if !turn.is_ours {
                return Ok(Sealing::Busy);
            }
            if turn.oldest_open < horizon.transaction {
                return Ok(Sealing::Waiting);
            }
            let last: Option<EndRow> = last().first(conn).await.optional()?;
            let end = last.map(EndRow::parse).transpose()?.unwrap_or(ChainEnd::START);
            let rows: Vec<TextRow> =
                rows_in("LIMIT $3", end.last_id, horizon.last_id, SEAL_MAX as i64).get_results(conn).await?;
            if rows.is_empty() {
                return Ok(Sealing::Complete);
            }
            let rows: Vec<SealedRow> = rows.into_iter().map(TextRow::hashed).collect();
            let last_id = rows.last().map(|row| row.id).filter(|_| rows.len() == SEAL_MAX);
            // The precision of the database, in which the time is hashed.
            let sealed_at = Utc::now().trunc_subsecs(6);
            let seal = Seal::after(&end, rows, last_id.unwrap_or(horizon.last_id), sealed_at);
            insert_into(audit_seals::table).values(columns(&seal)).execute(conn).await?;
            Ok(Sealing::Sealed(seal.end()))
        })
        .await
}

/// Returns the end of the chain; `None` if there are no seals. Served by `audit_seals_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn last_seal(store: &Store) -> Result<Option<ChainEnd>, Error> {
    let end = store.read(&LAST_SEAL, async |conn| last().first(conn).await.optional()).await?;
    end.map(EndRow::parse).transpose()
}

/// Returns up to 100 seals that come after the number `after`. Served by `audit_seals_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn seals(store: &Store, after: i64) -> Result<Vec<Seal>, Error> {
    let batch = || {
        audit_seals::table
            .filter(audit_seals::number.gt(after))
            .select(SealRow::as_select())
            .order(audit_seals::number)
            .limit(SEALS_BATCH)
    };
    all(store, &SEALS, batch).await
}

/// Returns the next rows whose ids are above `after`, which may be absent, and at most `through`: all of them if there are
/// fewer than 1,000. Rows with the same id are in the same batch. Served by `audit_log_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn rows(store: &Store, after: Option<i64>, through: i64) -> Result<Vec<SealedRow>, Error> {
    let after = after.unwrap_or(i64::MIN);
    let batch = || rows_in("FETCH FIRST $3 ROWS WITH TIES", after, through, ROWS_BATCH);
    let rows: Vec<TextRow> = store.read(&ROWS, async |conn| batch().get_results(conn).await).await?;
    Ok(rows.into_iter().map(TextRow::hashed).collect())
}

/// Returns true if a batch of [`rows`] may be followed by another one.
pub const fn is_full(batch: &[SealedRow]) -> bool {
    batch.len() as i64 >= ROWS_BATCH
}

/// Counts the rows whose ids are above `last_id`, up to 10,001. Served by `audit_log_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn count_unsealed(store: &Store, last_id: i64) -> Result<i64, Error> {
    let rows =
        || audit_log::table.filter(audit_log::id.gt(last_id)).select(audit_log::id).order(audit_log::id);
    store.read(&COUNT_UNSEALED, async |conn| BoundedCount(rows()).get_result(conn).await).await
}

/// Selects the rows with ids above `after` and up to `through`, hashed later.
fn rows_in(limit: &str, after: i64, through: i64, batch: i64) -> Cached<BoxedSql<'static>> {
    // SQL, because the DSL can neither build the text nor keep ties together.
    let select = format!(
        "SELECT id, created_at, {CANONICAL} AS canonical FROM audit_log WHERE id > $1 AND id <= $2 ORDER BY id {limit}"
    );
    let select = sql_query(select).into_boxed().bind::<BigInt, _>(after);
    cached(select.bind::<BigInt, _>(through).bind::<BigInt, _>(batch))
}

/// A row of the trail as one text.
#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    canonical: String,
}

impl TextRow {
    fn hashed(self) -> SealedRow {
        SealedRow { id: self.id, created_at: self.created_at, hash: Hash::of_row(&self.canonical) }
    }
}

row! {
    /// The last seal.
    EndRow of audit_seals for ChainEnd {
        number: i64,
        last_id: i64,
        hash: Vec<u8>,
    }
}

/// Selects the last seal.
#[auto_type]
fn last() -> _ {
    let columns: AsSelect<EndRow, Pg> = EndRow::as_select();
    audit_seals::table.select(columns).order(audit_seals::number.desc())
}

/// A seal.
#[derive(Queryable, Selectable)]
#[diesel(table_name = audit_seals, check_for_backend(Pg))]
struct SealRow {
    number: i64,
    first_id: i64,
    last_id: i64,
    row_ids: Vec<i64>,
    row_times: Vec<DateTime<Utc>>,
    row_hashes: Vec<Vec<u8>>,
    sealed_at: DateTime<Utc>,
    hash: Vec<u8>,
}

impl Parse<Seal> for SealRow {
    fn parse(self, _: &'static str) -> Result<Seal, Error> {
        let Self { number, first_id, last_id, row_ids, row_times, row_hashes, sealed_at, hash } = self;
        let row = |((id, created_at), hash): ((i64, DateTime<Utc>), Vec<u8>)| {
            Ok(SealedRow { id, created_at, hash: hash.parse("audit_seals.row_hashes")? })
        };
        let rows =
            row_ids.into_iter().zip(row_times).zip(row_hashes).map(row).collect::<Result<_, Error>>()?;
        Ok(Seal { number, first_id, last_id, rows, sealed_at, hash: hash.parse("audit_seals.hash")? })
    }
}

impl Parse<Hash> for Vec<u8> {
    fn parse(self, column: &'static str) -> Result<Hash, Error> {
        Hash::from_bytes(&self).ok_or_else(|| invalid(column))
    }
}

#[derive(Insertable)]
#[diesel(table_name = audit_seals)]
struct NewSeal<'a> {
    number: i64,
    first_id: i64,
    last_id: i64,
    row_ids: Vec<i64>,
    row_times: Vec<DateTime<Utc>>,
    row_hashes: Vec<&'a [u8]>,
    sealed_at: DateTime<Utc>,
    hash: &'a [u8],
}

fn columns(seal: &Seal) -> NewSeal<'_> {
    let Seal { number, first_id, last_id, rows, sealed_at, hash } = seal;
    NewSeal {
        number: *number,
        first_id: *first_id,
        last_id: *last_id,
        row_ids: rows.iter().map(|row| row.id).collect(),
        row_times: rows.iter().map(|row| row.created_at).collect(),
        row_hashes: rows.iter().map(|row| row.hash.as_bytes()).collect(),
        sealed_at: *sealed_at,
        hash: hash.as_bytes(),
    }
}
