//! The log of searches and its statistics.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Maximum number of characters of a logged query.
const QUERY_MAX: usize = 100;

/// Maximum number of digits of a logged word. A word with more digits may be a date of birth, a telephone number or a
/// record number; no code has so many.
const DIGITS_MAX: usize = 6;

/// Log entry of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchLog {
    /// Row id of the caller's API key, if known.
    pub caller: Option<i64>,
    /// Normalized text of the query, if it may be logged.
    pub query: Option<String>,
    /// Number of codes found.
    pub results: i32,
    /// Duration of the search.
    pub took: Duration,
    /// True if the answer came from the cache.
    pub cache_hit: bool,
    /// Time of the answer.
    pub at: DateTime<Utc>,
}

impl SearchLog {
    /// Creates the log entry of a search for `query` that found `results` codes.
    ///
    /// Queries may contain personal data, such as a patient's name. The text is therefore logged only if the search
    /// found something and no word has more than six digits. It is in lower case, with single spaces, and truncated to
    /// 100 characters.
    pub fn of(caller: Option<i64>, query: &str, results: usize, took: Duration, cache_hit: bool) -> Self {
        let results = i32::try_from(results).unwrap_or(i32::MAX);
        let query = (results > 0).then(|| loggable(query)).flatten();
        Self { caller, query, results, took, cache_hit, at: Utc::now() }
    }
}

fn loggable(query: &str) -> Option<String> {
    let lower = query.to_lowercase();
    let digits = |word: &str| word.chars().filter(|c| c.is_numeric()).count();
    if lower.split_whitespace().any(|word| digits(word) > DIGITS_MAX) {
        return None;
    }
    let words: Vec<&str> = lower.split_whitespace().collect();
    Some(words.join(" ").chars().take(QUERY_MAX).collect())
}

/// Totals of the searches of several days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SearchTotals {
    /// Number of searches.
    pub searches: i64,
    /// Number of searches that found nothing.
    pub without_results: i64,
    /// Number of searches that the cache answered.
    pub cache_hits: i64,
    /// Total duration in milliseconds.
    pub took_ms: f64,
}

impl SearchTotals {
    /// Returns the average duration of a search in milliseconds, or `None` if there were no searches.
    pub fn average_ms(&self) -> Option<f64> {
        (self.searches > 0).then(|| self.took_ms / self.searches as f64)
    }

    /// Returns the fraction of searches that the cache answered, or `None` if there were no searches.
    pub fn cache_hit_share(&self) -> Option<f64> {
        (self.searches > 0).then(|| self.cache_hits as f64 / self.searches as f64)
    }
}

/// A query that was searched at least five times.
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

/// Statistics of recent searches.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchStatistics {
    /// First day (UTC) of the totals.
    pub since: NaiveDate,
    /// Totals since that day.
    pub totals: SearchTotals,
    /// Most frequent queries of 30 days, as of the last refresh, in descending order of frequency.
    pub popular: Vec<PopularQuery>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str, results: usize) -> Option<String> {
        SearchLog::of(None, text, results, Duration::ZERO, false).query
    }

    #[test]
    fn logs_normalized_query() {
        assert_eq!(query("  Heart   FAILURE ", 3).as_deref(), Some("heart failure"));
        assert_eq!(
            query(&"İ".repeat(100), 1).expect("logged").chars().count(),
            100,
            "this letter is longer in lower case"
        );
    }

    #[test]
    fn omits_queries_that_found_nothing_or_may_be_personal() {
        assert_eq!(query("john smith", 0), None);
        for text in ["fracture 01/02/1960", "fever 555-123-4567", "MRN0012345 asthma"] {
            assert_eq!(query(text, 3), None, "{text}");
        }
        assert_eq!(query("E11.65 S72.001A H35.3110", 3).as_deref(), Some("e11.65 s72.001a h35.3110"));
    }

    #[test]
    fn average_of_no_searches_is_none() {
        assert_eq!(
            (SearchTotals::default().average_ms(), SearchTotals::default().cache_hit_share()),
            (None, None)
        );
        let some = SearchTotals { searches: 4, without_results: 1, cache_hits: 3, took_ms: 10.0 };
        assert_eq!((some.average_ms(), some.cache_hit_share()), (Some(2.5), Some(0.75)));
    }
}
