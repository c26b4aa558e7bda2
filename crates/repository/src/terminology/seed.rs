//! Seed data of the log of searches. The codes come from an imported release.

use crate::cases::{Rows, Table, mixed};
use bytes::BytesMut;
use chrono::{Days, NaiveDate};
use std::fmt::Write as _;

/// Tables of the area.
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
    // Ten searches of each query in the current month: enough to be popular, and too recent to be dropped by upkeep.
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

/// Returns the most recent seeded day; the other days precede it.
pub(super) fn newest_day() -> NaiveDate {
    NaiveDate::default() + Days::new(20_000)
}
