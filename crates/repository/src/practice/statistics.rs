//! Statistics of the practice.

use crate::prelude::*;
use futures_util::future::try_join;
use steadfast_domain::practice::{PracticeStatistics, RECENT_MAX};
use steadfast_postgres::diesel::sql_types::{BigInt, Nullable, Timestamptz};

/// Reads the sizes of the tables, and counts what happened in a time.
pub const PRACTICE_STATISTICS: Operation<Read> = Operation::read("practice.statistics")
    .statements(2)
    .served_by(&["idx_appointments_date_range", "idx_notes_billable_date", "pg_class_oid_index"])
    .reads(Reads::UpTo(3 * RECENT_MAX), "counts up to 10,001 appointments and notes, in indexes alone");

/// Returns the sizes of the tables, and the counts from the time `from` on, before `to`.
pub async fn practice_statistics(
    store: &Store,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<PracticeStatistics, Error> {
    let (sizes, counts): (SizesRow, CountsRow) = store
        .read(&PRACTICE_STATISTICS, async |conn| {
            try_join(sizes().get_result(&mut &*conn), counts(from, to).get_result(&mut &*conn)).await
        })
        .await?;
    let SizesRow { clients, providers, appointments, notes, ledger } = sizes;
    Ok(PracticeStatistics {
        clients,
        providers,
        appointments,
        notes,
        ledger,
        appointments_of_last_day: counts.appointments,
        notes_of_last_day: counts.notes,
    })
}

/// Selects the planner's estimates. By hand, because the DSL does not know the catalogue.
fn sizes<'a>() -> BoxedSql<'a> {
    let estimate = |table: &str| {
        format!(
            "(SELECT nullif(reltuples, -1)::bigint FROM pg_class WHERE oid = '{table}'::regclass) AS {table}"
        )
    };
    let tables = ["clients", "providers", "appointments", "notes", "ledger"].map(estimate).join(", ");
    sql_query(format!("SELECT {tables}")).into_boxed()
}

/// Counts the appointments and notes of a time. By hand, because the DSL has no UNION ALL in parts. All notes are the billed
/// ones and the others.
fn counts<'a>(from: DateTime<Utc>, to: DateTime<Utc>) -> BoxedSql<'a> {
    let within = "created_at >= $1 AND created_at < $2 ORDER BY created_at DESC";
    let sql = format!(
        "SELECT (SELECT count(*) FROM (SELECT FROM appointments WHERE scheduled_start >= $1 AND scheduled_start < $2 \
                ORDER BY scheduled_start DESC LIMIT {RECENT_MAX}) begun) AS appointments, \
            (SELECT count(*) FROM (SELECT FROM ( \
                (SELECT FROM notes WHERE billable AND {within} LIMIT {RECENT_MAX}) UNION ALL \
                (SELECT FROM notes WHERE NOT billable AND {within} LIMIT {RECENT_MAX})) written \
                LIMIT {RECENT_MAX}) counted) AS notes"
    );
    sql_query(sql).into_boxed().bind::<Timestamptz, _>(from).bind::<Timestamptz, _>(to)
}

/// Estimated sizes of the tables.
#[derive(QueryableByName)]
struct SizesRow {
    #[diesel(sql_type = Nullable<BigInt>)]
    clients: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    providers: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    appointments: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    notes: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    ledger: Option<i64>,
}

/// Numbers of appointments and notes.
#[derive(QueryableByName)]
struct CountsRow {
    #[diesel(sql_type = BigInt)]
    appointments: i64,
    #[diesel(sql_type = BigInt)]
    notes: i64,
}
