//! What is kept of a search, and what the kept ones add up to.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Characters of a query that are kept.
const QUERY_MAX: usize = 100;

/// Digits from which on a word may be a birthday, a telephone or a record number. No code has so many.
const DIGITS_MAX: usize = 6;

/// One search, as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchLog {
    /// The row id of the caller's API key, where it is known.
    pub caller: Option<i64>,
    /// What was searched for, where it may be kept.
    pub query: Option<String>,
    /// How many codes were found.
    pub results: i32,
    /// How long it took.
    pub took: Duration,
    /// Whether the answer came from the cache.
    pub cache_hit: bool,
    /// When it was answered.
    pub at: DateTime<Utc>,
}

impl SearchLog {
    /// What may be kept of a search for `query` that found `results` codes.
    ///
    /// Callers paste what is before them, and that may be a patient's name, so the text of a query is kept only when it
    /// found something and no word of it has more than six digits: in lower case, with single spaces, 100 characters at
    /// most.
    pub fn of(caller: Option<i64>, query: &str, results: usize, took: Duration, cache_hit: bool) -> Self {
        let results = i32::try_from(results).unwrap_or(i32::MAX);
        let query = (results > 0).then(|| kept(query)).flatten();
        Self { caller, query, results, took, cache_hit, at: Utc::now() }
    }
}

fn kept(query: &str) -> Option<String> {
    let lower = query.to_lowercase();
    let digits = |word: &str| word.chars().filter(|c| c.is_numeric()).count();
    if lower.split_whitespace().any(|word| digits(word) > DIGITS_MAX) {
        return None;
    }
    let words: Vec<&str> = lower.split_whitespace().collect();
    Some(words.join(" ").chars().take(QUERY_MAX).collect())
}

/// What the searches of some days add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SearchTotals {
    /// Searches.
    pub searches: i64,
    /// Of those, the ones that found nothing.
    pub without_results: i64,
    /// Of those, the ones that the cache answered.
    pub cache_hits: i64,
    /// What they took together, in milliseconds.
    pub took_ms: f64,
}

impl SearchTotals {
    /// Milliseconds a search on average; `None` without any.
    pub fn average_ms(&self) -> Option<f64> {
        (self.searches > 0).then(|| self.took_ms / self.searches as f64)
    }

    /// The share that the cache answered, from 0 to 1; `None` without any search.
    pub fn cache_hit_share(&self) -> Option<f64> {
        (self.searches > 0).then(|| self.cache_hits as f64 / self.searches as f64)
    }
}

/// A query that at least five searches asked for.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct PopularQuery {
    /// The query in lower case.
    pub query: String,
    /// Number of searches.
    pub searches: i64,
    /// Average duration of these searches in milliseconds.
    pub average_response_time_ms: f64,
    /// Average number of results.
    pub average_results: f64,
    /// Time of the last search.
    pub last_searched: DateTime<Utc>,
}

/// What was searched for lately.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchStatistics {
    /// The first day (UTC) that is counted.
    pub since: NaiveDate,
    /// All searches since then.
    pub totals: SearchTotals,
    /// The most frequent queries of 30 days first, as they were when they were last added up.
    pub popular: Vec<PopularQuery>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str, results: usize) -> Option<String> {
        SearchLog::of(None, text, results, Duration::ZERO, false).query
    }

    #[test]
    fn a_query_that_found_something_is_kept_in_one_form() {
        assert_eq!(query("  Heart   FAILURE ", 3).as_deref(), Some("heart failure"));
        assert_eq!(
            query(&"İ".repeat(100), 1).expect("kept").chars().count(),
            100,
            "lower case is longer here"
        );
    }

    #[test]
    fn what_found_nothing_or_may_name_a_person_is_not_kept() {
        assert_eq!(query("john smith", 0), None);
        for text in ["fracture 01/02/1960", "fever 555-123-4567", "MRN0012345 asthma"] {
            assert_eq!(query(text, 3), None, "{text}");
        }
        assert_eq!(query("E11.65 S72.001A H35.3110", 3).as_deref(), Some("e11.65 s72.001a h35.3110"));
    }

    #[test]
    fn nothing_has_no_average() {
        assert_eq!(
            (SearchTotals::default().average_ms(), SearchTotals::default().cache_hit_share()),
            (None, None)
        );
        let some = SearchTotals { searches: 4, without_results: 1, cache_hits: 3, took_ms: 10.0 };
        assert_eq!((some.average_ms(), some.cache_hit_share()), (Some(2.5), Some(0.75)));
    }
}
