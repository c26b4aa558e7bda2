//! What the log of searches is seeded with. The codes themselves come from a release, by the import.

use crate::cases::{Rows, Table, mixed};
use bytes::BytesMut;
use chrono::{Days, NaiveDate};
use std::fmt::Write as _;

/// The tables of the area.
pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "search_logs",
        columns: "id, user_id, query, results_count, response_time_ms, cache_hit, created_at",
        per_mille: 1000,
        at_most: u64::MAX,
        rows: Rows::Copied(search),
    },
    Table {
        name: "search_stats_daily",
        columns: "day, searches, without_results, cache_hits, response_time_ms",
        per_mille: 10,
        at_most: u64::MAX,
        rows: Rows::Copied(day),
    },
];

fn search(number: u64, line: &mut BytesMut) {
    let chance = mixed(number, 21);
    // Ten of each query, and of this month: what counts as popular, and what the upkeep keeps.
    _ = writeln!(
        line,
        "{}\t{}\tquery {}\t{}\t{}\t{}\ttoday",
        number + 1,
        chance % 50,
        number / 10,
        chance % 11,
        chance % 90 + 1,
        if chance.is_multiple_of(3) { "t" } else { "f" },
    );
}

fn day(number: u64, line: &mut BytesMut) {
    let date = newest_day() - Days::new(number);
    _ = writeln!(
        line,
        "{date}\t{}\t{}\t{}\t{}",
        number % 900 + 100,
        number % 50,
        number % 80,
        number % 7_000
    );
}

/// The last day that is seeded; the others go back from it.
pub(super) fn newest_day() -> NaiveDate {
    NaiveDate::default() + Days::new(20_000)
}
