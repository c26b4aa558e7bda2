//! Statements of the list of clients and of its search.
//!
//! They are written by hand, because the DSL has neither ordered parts of a UNION nor arrays of patterns. A search counts
//! its matches first. If they are few, they are found by the inverted index on the pairs of characters, and sorted. If
//! they are many, the index on the names is walked in its order, until the page is full.

use super::clients::SUMMARY;
use crate::prelude::*;
use steadfast_domain::practice::{ClientCursor, ClientFilter, ClientSearch};
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Bool, Integer, Text, Timestamptz, Uuid};

/// Number of matches from which on the index on the names is walked.
const MANY: i64 = 5_000;

/// Last name and first name as the search sorts them.
const LAST_NAME: &str = "lower(last_name) COLLATE \"C\"";
const FIRST_NAME: &str = "lower(first_name) COLLATE \"C\"";

/// E-mail address as it is looked up.
const EMAIL: &str = "lower(email) COLLATE \"C\"";

/// Digits of the phone number as they are looked up, last one first.
const PHONE: &str = "reverse(regexp_replace(phone, '\\D', '', 'g')) COLLATE \"C\"";

/// Order of a list.
const ORDER: &str = "rank, first_key, second_key, id";

/// Condition on `is_active`, which does not tempt the planner to read all active clients by a partial index.
const ACTIVE: &str = "is_active >= $3";

/// Condition that the texts of a client contain all parts of a search.
const CONTAINS: &str = "search_text LIKE ALL ($6)";

/// Returns the condition that `key` begins with the text of the search.
fn begins(key: &str) -> String {
    format!("{key} >= $4 AND {key} < $5")
}

/// Selects the clients of a page, and one more, with their ranks and sort keys. A search has `total` matches. Figures are
/// those at the time `now`.
pub(super) fn rows<'a>(
    filter: &ClientFilter,
    total: i64,
    position: &'a Position<ClientCursor>,
    now: DateTime<Utc>,
) -> BoxedSql<'a> {
    let cursor = position.cursor();
    let clients = match &filter.search {
        None => listed(filter.active_only, cursor.is_some()),
        Some(ClientSearch::Email(_)) => looked_up(EMAIL, cursor.is_some()),
        Some(ClientSearch::Phone(_)) => looked_up(PHONE, cursor.is_some()),
        Some(ClientSearch::Parts(_)) => found(cursor.is_some()),
    };
    let offset = if cursor.is_some() { "" } else { "OFFSET $2" };
    let is_parts = matches!(filter.search, Some(ClientSearch::Parts(_)));
    let searched = filter.search.as_ref().map_or(0, |_| if is_parts { 6 } else { 3 });
    let after = cursor.map_or(0, |_| if is_parts { 4 } else { 3 });
    let stats = stats(3 + searched + after);
    let sql = format!(
        "SELECT * FROM (SELECT * FROM ({clients}) found ORDER BY {ORDER} LIMIT $1 {offset}) page {stats} ORDER BY {ORDER}"
    );
    let bound = sql_query(sql).into_boxed();
    let bound = bound.bind::<BigInt, _>(position.limit()).bind::<BigInt, _>(position.offset());
    let bound = with_search(bound, filter);
    let bound = if is_parts { bound.bind::<Bool, _>(total >= MANY) } else { bound };
    let bound = if let Some(ClientCursor { rank, first, second, id }) = cursor {
        let bound = bound.bind::<Text, _>(first).bind::<Text, _>(second).bind::<Uuid, _>(id.0);
        if is_parts { bound.bind::<Integer, _>(*rank) } else { bound }
    } else {
        bound
    };
    bound.bind::<Bool, _>(filter.include_stats).bind::<Timestamptz, _>(now)
}

/// Joins the figures about each client of a page. The parameter `first` says whether they are requested; nothing is read
/// otherwise. The next parameter is the current time.
fn stats(first: usize) -> String {
    let (is_requested, now) = (format!("${first}"), format!("${}", first + 1));
    format!(
        "CROSS JOIN LATERAL (SELECT count(*) AS appointments, \
            count(*) FILTER (WHERE scheduled_start >= {now} AND status IN ('scheduled', 'confirmed')) \
                AS upcoming_appointments, \
            max(scheduled_start) FILTER (WHERE scheduled_start < {now}) AS last_appointment_at \
            FROM appointments WHERE client_id = page.id AND {is_requested}) met \
         CROSS JOIN LATERAL (SELECT count(*) AS notes FROM notes WHERE client_id = page.id AND {is_requested}) written \
         CROSS JOIN LATERAL (SELECT coalesce(sum(balance), 0.00) AS balance FROM client_balances \
            WHERE client_id = page.id AND {is_requested}) owed"
    )
}

/// Selects the clients of a list without a search.
fn listed(active_only: bool, is_after_cursor: bool) -> String {
    let after = if is_after_cursor { "(last_name, first_name, id) > ($3, $4, $5)" } else { "true" };
    // Equals the predicate of the partial index.
    let active = if active_only { "is_active = true" } else { "true" };
    format!(
        "SELECT 0 AS rank, last_name AS first_key, first_name AS second_key, {SUMMARY} FROM clients \
         WHERE {active} AND {after} ORDER BY last_name, first_name, id LIMIT $1 + $2"
    )
}

/// Selects the clients whose `key` begins with the text of the search.
fn looked_up(key: &str, is_after_cursor: bool) -> String {
    let (begins, after) =
        (begins(key), if is_after_cursor { format!("({key}, id) > ($6, $8)") } else { "true".into() });
    format!(
        "SELECT 0 AS rank, {key} AS first_key, '' COLLATE \"C\" AS second_key, {SUMMARY} FROM clients \
         WHERE {ACTIVE} AND {begins} AND {after} ORDER BY {key}, id LIMIT $1 + $2"
    )
}

/// Selects the clients that a search finds: first those whose last name begins with its text, then all others.
fn found(is_after_cursor: bool) -> String {
    let of_name = begins(LAST_NAME);
    let [of_first, of_second, of_all] = if is_after_cursor {
        let names = format!("({LAST_NAME}, {FIRST_NAME}, id) > ($9, $10, $11)");
        [
            format!("$12 = 1 AND {names}"),
            format!("($12 = 1 OR {names})"),
            format!("({ORDER}) > ($12, $9, $10, $11)"),
        ]
    } else {
        ["true", "true", "true"].map(str::to_owned)
    };
    let walked = |rank, condition| {
        format!(
            "(SELECT {rank} AS rank, {LAST_NAME} AS first_key, {FIRST_NAME} AS second_key, {SUMMARY} FROM clients \
             WHERE $8 AND {ACTIVE} AND {CONTAINS} AND {condition} ORDER BY {LAST_NAME}, {FIRST_NAME}, id LIMIT $1 + $2)"
        )
    };
    let first = walked(1, format!("{of_name} AND {of_first}"));
    let second = walked(2, format!("NOT ({of_name}) AND {of_second}"));
    format!(
        "(SELECT * FROM (SELECT CASE WHEN {of_name} THEN 1 ELSE 2 END AS rank, {LAST_NAME} AS first_key, \
            {FIRST_NAME} AS second_key, {SUMMARY} FROM clients \
            WHERE NOT $8 AND {ACTIVE} AND search_pairs @> $7 AND {CONTAINS}) few WHERE {of_all}) \
         UNION ALL {first} UNION ALL {second}"
    )
}

/// Counts the clients of a list, up to the limit of totals.
pub(super) fn count(filter: &ClientFilter) -> BoundedCount<BoxedSql<'static>> {
    let (condition, order) = match &filter.search {
        None if filter.active_only => ("is_active = true".to_owned(), "last_name, first_name, id"),
        None => ("true".to_owned(), "last_name, first_name, id"),
        Some(ClientSearch::Email(_)) => (format!("{ACTIVE} AND {}", begins(EMAIL)), EMAIL),
        Some(ClientSearch::Phone(_)) => (format!("{ACTIVE} AND {}", begins(PHONE)), PHONE),
        Some(ClientSearch::Parts(_)) => (format!("{ACTIVE} AND search_pairs @> $7 AND {CONTAINS}"), "id"),
    };
    let sql = format!("SELECT FROM clients WHERE {condition} ORDER BY {order}");
    let bound = sql_query(sql).into_boxed();
    if filter.search.is_none() {
        return BoundedCount(bound);
    }
    // The numbers of the parameters are those of the page.
    let bound = bound.bind::<BigInt, _>(0).bind::<BigInt, _>(0);
    BoundedCount(with_search(bound, filter))
}

/// Binds `$3` to `$5` for a search, and `$6` and `$7` for one by parts: whether clients must be active, the text with
/// which a key begins, the first text after all that begin with it, the patterns of all parts, and the pairs of
/// characters of the parts.
fn with_search<'a>(bound: BoxedSql<'a>, filter: &ClientFilter) -> BoxedSql<'a> {
    let with_prefix = |bound: BoxedSql<'a>, prefix: String| {
        let end = text_after(&prefix);
        bound.bind::<Bool, _>(filter.active_only).bind::<Text, _>(prefix).bind::<Text, _>(end)
    };
    match &filter.search {
        None => bound,
        Some(ClientSearch::Email(address)) => with_prefix(bound, address.clone()),
        Some(ClientSearch::Phone(digits)) => with_prefix(bound, digits.chars().rev().collect()),
        Some(ClientSearch::Parts(parts)) => {
            let first = parts.iter().next().cloned().unwrap_or_default();
            let patterns: Vec<String> = parts.iter().map(|part| containing(part)).collect();
            with_prefix(bound, first).bind::<Array<Text>, _>(patterns).bind::<Array<Integer>, _>(pairs(parts))
        }
    }
}

/// Maximum number of pairs that the inverted index intersects. Further ones would exclude few clients more.
const PAIRS_MAX: usize = 6;

/// Returns every second pair of neighbouring characters of the parts, as numbers like those of the function
/// `text_pairs`.
fn pairs(parts: &[String]) -> Vec<i32> {
    let codes = parts.iter().map(|part| part.chars().map(u32::from).collect::<Vec<_>>());
    let pairs = codes.flat_map(|codes| {
        let pairs = codes.windows(2).map(|pair| ((pair[0] << 10) ^ pair[1]).cast_signed());
        pairs.step_by(2).collect::<Vec<_>>()
    });
    pairs.take(PAIRS_MAX).collect()
}

/// Returns the pattern of the texts that contain `part`.
fn containing(part: &str) -> String {
    let escaped =
        part.chars().flat_map(|c| matches!(c, '%' | '_' | '\\').then_some('\\').into_iter().chain([c]));
    format!("%{}%", escaped.collect::<String>())
}

/// Returns the first text, by code points, after all texts that begin with `prefix`.
fn text_after(prefix: &str) -> String {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            chars.push(next);
            break;
        }
    }
    chars.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_ends_after_all_texts_with_the_prefix() {
        for (prefix, end) in [("sm", "sn"), ("a\u{10ffff}", "b"), ("\u{d7ff}", "\u{e000}"), ("é", "ê")] {
            assert_eq!(text_after(prefix), end);
        }
    }

    #[test]
    fn patterns_match_their_part_literally() {
        assert_eq!(containing("a_%\\"), "%a\\_\\%\\\\%");
    }
}
