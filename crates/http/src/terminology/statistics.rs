//! Statistics of searches.

use super::READ;
use crate::prelude::*;
use chrono::{Days, NaiveDate};
use steadfast_domain::terminology::{PopularQuery, SearchStatistics};
use steadfast_repository::terminology;
use steadfast_services::terminology::SearchRecorder;

/// Number of days before today that the statistics cover.
const STATISTICS_DAYS: Days = Days::new(29);

pub(super) fn routes() -> Vec<Route<AppState>> {
    let route = |path| {
        Route::get(path, READ, statistics)
            .summary("Get the number of searches and the popular queries of the last 30 days")
            .answers::<Statistics>()
    };
    ["/api/v1/analytics/search-stats", "/api/v1/enterprise/analytics/search-stats"].map(route).into()
}

async fn statistics(
    State(store): State<Store>,
    State(searches): State<SearchRecorder>,
) -> ApiResult<Statistics> {
    let today = Utc::now().date_naive();
    let since = today.checked_sub_days(STATISTICS_DAYS).unwrap_or(today);
    let statistics = terminology::search_statistics(&store, since).await?;
    let message = format!("{} searches since {since}", statistics.totals.searches);
    Ok(Envelope::new(Statistics::new(statistics, searches.lost()), message))
}

/// Statistics of recent searches.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchStatistics)]
struct Statistics {
    /// First day (UTC) that is counted. Today is the last one.
    since: NaiveDate,
    /// Number of searches, except those of the last seconds.
    searches: i64,
    /// Number of searches without results.
    searches_without_results: i64,
    /// Average duration of a search in milliseconds; null if there was none.
    average_response_time_ms: Option<f64>,
    /// Share of searches answered from the cache, from 0 to 1; null if there was none.
    cache_hit_share: Option<f64>,
    /// Most frequent queries of the last 30 days, up to an hour old.
    popular_queries: Vec<PopularQuery>,
    /// Number of searches that this server could not record since its start.
    lost: u64,
}

impl Statistics {
    fn new(statistics: SearchStatistics, lost: u64) -> Self {
        let SearchStatistics { since, totals, popular } = statistics;
        Self {
            since,
            searches: totals.searches,
            searches_without_results: totals.without_results,
            average_response_time_ms: totals.average_ms(),
            cache_hit_share: totals.cache_hit_share(),
            popular_queries: popular,
            lost,
        }
    }
}
