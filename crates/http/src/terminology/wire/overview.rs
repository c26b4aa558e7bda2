//! Chapters and the statistics of searches as JSON.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use steadfast_domain::terminology::{ChapterTotals, PopularQuery, SearchStatistics};
use utoipa::ToSchema;

/// One chapter.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::terminology) struct Chapter {
    /// Its number, from 1.
    number: i16,
    /// Its title, the range of its categories at the end.
    title: String,
    /// The first of its codes.
    first_code: String,
    /// The last of its codes.
    last_code: String,
    /// Its codes.
    total_codes: i32,
    /// Of those, the ones in use.
    active_codes: i32,
    /// Of those in use, the ones that may stand on a bill.
    billable_codes: i32,
}

impl From<ChapterTotals> for Chapter {
    fn from(chapter: ChapterTotals) -> Self {
        Self {
            number: chapter.number,
            title: chapter.title,
            first_code: chapter.first_code.to_string(),
            last_code: chapter.last_code.to_string(),
            total_codes: chapter.total_codes,
            active_codes: chapter.active_codes,
            billable_codes: chapter.billable_codes,
        }
    }
}

/// All chapters.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::terminology) struct Chapters {
    /// By number.
    chapters: Vec<Chapter>,
}

impl From<Vec<ChapterTotals>> for Chapters {
    fn from(chapters: Vec<ChapterTotals>) -> Self {
        Self { chapters: chapters.into_iter().map(Chapter::from).collect() }
    }
}

/// A query that at least five searches asked for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PopularQuery)]
struct Popular {
    /// The query in lower case.
    query: String,
    /// How many searches asked for it.
    searches: i64,
    /// Milliseconds that they took on average.
    average_response_time_ms: f64,
    /// Codes that they found on average.
    average_results: f64,
    /// When it was last asked for.
    last_searched: DateTime<Utc>,
}

impl From<PopularQuery> for Popular {
    fn from(popular: PopularQuery) -> Self {
        Self {
            query: popular.query,
            searches: popular.searches,
            average_response_time_ms: popular.average_response_time_ms,
            average_results: popular.average_results,
            last_searched: popular.last_searched,
        }
    }
}

/// What was searched for lately.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchStatistics)]
pub(in crate::terminology) struct Statistics {
    /// The first day (UTC) that is counted; today is the last.
    since: NaiveDate,
    /// Searches, those of the last seconds excepted.
    searches: i64,
    /// Of those, the ones that found nothing.
    searches_without_results: i64,
    /// Milliseconds a search on average; null without any.
    average_response_time_ms: Option<f64>,
    /// The share that the cache answered, from 0 to 1; null without any search.
    cache_hit_share: Option<f64>,
    /// The most frequent queries of the last 30 days, as they were up to an hour ago.
    popular_queries: Vec<Popular>,
    /// Searches that this server could not count since its start.
    lost: u64,
}

impl Statistics {
    /// What was added up, and what could not be.
    pub(in crate::terminology) fn new(statistics: SearchStatistics, lost: u64) -> Self {
        let SearchStatistics { since, totals, popular } = statistics;
        Self {
            since,
            searches: totals.searches,
            searches_without_results: totals.without_results,
            average_response_time_ms: totals.average_ms(),
            cache_hit_share: totals.cache_hit_share(),
            popular_queries: popular.into_iter().map(Popular::from).collect(),
            lost,
        }
    }
}
