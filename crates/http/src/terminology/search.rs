//! Search and autocomplete.

use super::codes::CODE;
use super::{READ, milliseconds};
use crate::access_log::{CacheSlot, CallerSlot};
use crate::prelude::*;
use axum::Extension;
use axum::response::{IntoResponse, Response};
use steadfast_domain::terminology::{self as domain, IcdCode, Leg, Match, SearchLog};
use steadfast_services::terminology::{Answer, CacheStatus, Catalogue, Found, SearchRecorder};
use tokio::time::Instant;

/// Reason why a search may send more statements than other routes. It usually sends four.
const RESTARTED: &str = "a search restarts, at most twice, if another release is put in use while it runs";

pub(super) fn routes() -> Vec<Route<AppState>> {
    vec![
        Route::get("/api/v1/search/icd10", READ, search)
            .summary("Search ICD-10-CM by the beginning of a code, by words, or by similar words")
            .statements(13, RESTARTED)
            .query::<SearchParameters>()
            .answers::<SearchResults<'_>>()
            .links_to(CODE, "code", "/data/results/0/code"),
        Route::get("/api/v1/autocomplete/icd10", READ, autocomplete)
            .summary("Suggest ICD-10-CM codes for an unfinished query")
            .statements(14, RESTARTED)
            .query::<AutocompleteParameters>()
            .answers::<Suggestions<'_>>()
            .links_to(CODE, "code", "/data/suggestions/0/code"),
    ]
}

async fn search(
    State(catalogue): State<Catalogue>,
    State(searches): State<SearchRecorder>,
    Extension(caller): Extension<CallerSlot>,
    Extension(cache): Extension<CacheSlot>,
    Query(parameters): Query<SearchParameters>,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let query = parameters.parse()?;
    let Answer { value: found, status } = catalogue.search(&query).await?;
    let took = started.elapsed();
    cache.fill(status.is_hit());
    searches.record(SearchLog::of(caller.id(), query.text(), found.total, took, status.is_hit()));
    let message = message(&found);
    let results = SearchResults {
        results: &found.matches,
        total_count: found.total,
        query_time_ms: milliseconds(took),
        cache_status: status,
        failed_legs: &found.failed,
    };
    Ok(Envelope::new(results, message).into_response())
}

/// Suggests codes. Does not record the query, which is likely to be a part of a word.
async fn autocomplete(
    State(catalogue): State<Catalogue>,
    Extension(cache): Extension<CacheSlot>,
    Query(parameters): Query<AutocompleteParameters>,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let query = domain::Query::new(&parameters.query, parameters.limit)?;
    let Answer { value: found, status } = catalogue.autocomplete(&query).await?;
    cache.fill(status.is_hit());
    let message = message(&found);
    let suggestions = Suggestions {
        suggestions: found.matches.iter().map(SuggestedCode::from).collect(),
        total_count: found.total,
        query_time_ms: milliseconds(started.elapsed()),
        cache_status: status,
        failed_legs: &found.failed,
    };
    Ok(Envelope::new(suggestions, message).into_response())
}

fn message(found: &Found) -> String {
    format!("{} of {} codes", found.matches.len(), found.total)
}

/// Parameters of a search.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct SearchParameters {
    /// The beginning of a code (`E11.9`, `e11 9`), or words, which may be misspelt. A code is not searched as words.
    #[param(
        max_length = 100,
        pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f]\\s*$",
        example = "diabetes"
    )]
    query: String,
    /// Maximum number of results. Defaults to 10.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<u64>,
    /// Restricts the search to a chapter, given by its number or its range of categories.
    #[param(min_length = 1, max_length = 20, pattern = "^\\s*[A-Za-z0-9.-]+\\s*$", example = "I00-I99")]
    chapter: Option<String>,
    /// Also finds codes that are no longer in use. Defaults to false.
    include_inactive: Option<bool>,
}

impl SearchParameters {
    fn parse(&self) -> Result<domain::Query, Invalid> {
        let query = domain::Query::new(&self.query, self.limit)?.in_chapter(self.chapter.as_deref())?;
        Ok(query.with_inactive(self.include_inactive.unwrap_or(false)))
    }
}

/// Parameters of autocomplete.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct AutocompleteParameters {
    /// The query as typed so far.
    #[param(
        max_length = 100,
        pattern = "^\\s*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f]\\s*$",
        example = "hyperten"
    )]
    query: String,
    /// Maximum number of suggestions. Defaults to 10.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<u64>,
}

/// Results of a search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundCodes)]
struct SearchResults<'a> {
    /// Results in descending order of confidence.
    results: &'a [Match],
    /// Number of codes found. A search stops at 50 codes, or at 50 terms with all words and 20 similar ones.
    total_count: usize,
    /// Duration of the search in milliseconds.
    query_time_ms: f64,
    /// `hit`: cached, of the release in use; `miss`: loaded now; `stale`: cached, while the release in use cannot be
    /// confirmed.
    cache_status: CacheStatus,
    /// Legs of the search that failed. There may be more results.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    failed_legs: &'a [Leg],
}

/// Suggestions for an unfinished query.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedCodes)]
struct Suggestions<'a> {
    /// Suggestions in descending order of confidence.
    suggestions: Vec<SuggestedCode<'a>>,
    /// Number of codes found.
    total_count: usize,
    /// Duration of the search in milliseconds.
    query_time_ms: f64,
    /// `hit`, `miss` or `stale`, as in a search.
    cache_status: CacheStatus,
    /// Legs of the search that failed. There may be more results.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    failed_legs: &'a [Leg],
}

/// A suggested code.
#[derive(Debug, Serialize, ToSchema)]
struct SuggestedCode<'a> {
    /// The code, without dot.
    code: &'a IcdCode,
    /// Meaning of the code.
    term: &'a str,
    /// Number and title of the chapter.
    chapter: &'a str,
    /// Confidence from 0 to 1.
    confidence: f64,
}

impl<'a> From<&'a Match> for SuggestedCode<'a> {
    fn from(found: &'a Match) -> Self {
        let Match { code, term, chapter, confidence, match_type: _ } = found;
        Self { code, term, chapter, confidence: *confidence }
    }
}
