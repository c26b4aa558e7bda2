//! Partitions of the audit trail, one per month.

use crate::prelude::*;
use chrono::{NaiveDate, NaiveTime};
use std::time::Duration;
use steadfast_postgres::diesel::define_sql_function;
use steadfast_postgres::diesel::dsl::select;
use steadfast_postgres::diesel::sql_types::{Array, Date, Integer, Nullable, Text};

/// Creates partitions of the trail for future months and detaches old ones. Blocks writes to the trail while it runs,
/// which is short, and waits at most a second for transactions that use the trail.
pub const MAINTAIN_PARTITIONS: Operation<Write> = Operation::write("audit.maintain_partitions")
    .deadline(Duration::from_secs(60))
    .slow_after(Duration::from_secs(5));

/// Reads the first month that has an attached partition.
pub const OLDEST_PARTITION: Operation<Read> = Operation::read("audit.oldest_partition");

/// Creates the partitions from this month to six months later, and detaches those whose rows are all older than
/// `retention_days`, which is at least 30. Returns the names of the detached tables that still exist, or `None` if another
/// process is doing this.
///
/// # Errors
/// Returns [`Error`] if the partitions could not be changed, for example because a transaction that uses the trail blocked
/// them for too long. Repeating the call is safe.
pub async fn maintain_partitions(store: &Store, retention_days: u32) -> Result<Option<Vec<String>>, Error> {
    let days = i32::try_from(retention_days).unwrap_or(i32::MAX);
    store.write(&MAINTAIN_PARTITIONS, async |conn| select(upkeep(days)).get_result(conn).await).await
}

define_sql_function! {
    #[sql_name = "audit_log_upkeep"]
    fn upkeep(retention_days: Integer) -> Nullable<Array<Text>>;
}

/// Beginning of the first month with a partition; null without partitions.
#[derive(QueryableByName)]
struct Month {
    #[diesel(sql_type = Nullable<Date>)]
    first_day: Option<NaiveDate>,
}

/// Returns the time since which all months have partitions that are attached; `None` if there are no such partitions.
///
/// # Errors
/// Returns [`Error`] if the database does not answer.
pub async fn attached_since(store: &Store) -> Result<Option<DateTime<Utc>>, Error> {
    // SQL, because the partitions are in the catalogue.
    let oldest = "SELECT min(to_date(right(relid::text, 7), 'YYYY_MM')) AS first_day \
        FROM pg_partition_tree('audit_log') WHERE isleaf AND relid::text ~ '^audit_log_\\d{4}_\\d{2}$'";
    let month: Month =
        store.read(&OLDEST_PARTITION, async |conn| cached(sql_query(oldest)).get_result(conn).await).await?;
    Ok(month.first_day.map(|day| day.and_time(NaiveTime::MIN).and_utc()))
}
