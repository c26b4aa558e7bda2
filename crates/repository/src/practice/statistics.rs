//! Statistics of the practice.

use crate::prelude::*;
use chrono::TimeDelta;
use steadfast_domain::practice::{PracticeStatistics, RECENT_MAX};
use steadfast_postgres::diesel::sql_types::{BigInt, Nullable, Timestamptz};

/// Reads the sizes of the tables, and counts what happened on a day.
pub const PRACTICE_STATISTICS: Operation<Read> = Operation::read("practice.statistics")
    .served_by(&["idx_appointments_date_range", "idx_notes_billable_date"])
    .reads(
        Reads::UpTo(3 * RECENT_MAX),
        "counts up to 10,001 appointments and notes of a day, in indexes alone",
    );

/// Returns the statistics of the practice at the time `now`.
pub async fn practice_statistics(store: &Store, now: DateTime<Utc>) -> Result<PracticeStatistics, Error> {
    let estimated = |table: &str| {
        format!(
            "(SELECT nullif(reltuples, -1)::bigint FROM pg_class WHERE oid = '{table}'::regclass) AS {table}"
        )
    };
    let tables = ["clients", "providers", "appointments", "notes", "ledger"].map(estimated).join(", ");
    let since = "created_at >= $1 AND created_at < $2 ORDER BY created_at DESC";
    // By hand, because the DSL does not know the catalogue. All notes are the billed ones and the others.
    let sql = format!(
        "SELECT {tables}, \
            (SELECT count(*) FROM (SELECT FROM appointments WHERE scheduled_start >= $1 AND scheduled_start < $2 \
                ORDER BY scheduled_start DESC LIMIT {RECENT_MAX}) begun) AS appointments_of_last_day, \
            (SELECT count(*) FROM (SELECT FROM ( \
                (SELECT FROM notes WHERE billable AND {since} LIMIT {RECENT_MAX}) UNION ALL \
                (SELECT FROM notes WHERE NOT billable AND {since} LIMIT {RECENT_MAX})) written \
                LIMIT {RECENT_MAX}) counted) AS notes_of_last_day"
    );
    let query =
        || sql_query(&sql).bind::<Timestamptz, _>(now - TimeDelta::days(1)).bind::<Timestamptz, _>(now);
    let row: StatisticsRow =
        store.read(&PRACTICE_STATISTICS, async |conn| query().get_result(conn).await).await?;
    Ok(PracticeStatistics {
        clients: row.clients,
        providers: row.providers,
        appointments: row.appointments,
        notes: row.notes,
        ledger: row.ledger,
        appointments_of_last_day: row.appointments_of_last_day,
        notes_of_last_day: row.notes_of_last_day,
    })
}

/// Sizes of the tables, and counts.
#[derive(QueryableByName)]
struct StatisticsRow {
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
    #[diesel(sql_type = BigInt)]
    appointments_of_last_day: i64,
    #[diesel(sql_type = BigInt)]
    notes_of_last_day: i64,
}
