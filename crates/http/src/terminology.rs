//! Medical terminology: searching ICD-10-CM by code or words, looking codes up, its chapters, and what is searched for.

mod wire;

use crate::access_log::{CacheSlot, CallerSlot};
use crate::envelope::Envelope;
use crate::extract::{Json, Path, Query};
use crate::problem::{Code, Problem};
use crate::route::{Access, Route};
use crate::state::AppState;
use axum::Extension;
use axum::extract::State;
use chrono::{Days, Utc};
use steadfast_domain::terminology::{Batch, IcdCode, SearchLog};
use steadfast_repository::{Store, terminology as stored};
use steadfast_services::terminology::{Answer, Catalogue, SearchRecorder};
use tokio::time::Instant;
use wire::{
    AutocompleteParameters, BatchFindings, BatchRequest, Chapters, CodeParameters, Found, Placed,
    SearchParameters, Statistics, Suggested,
};

const READ: Access = Access::Scope("terminology:read");

/// Why a search may send more statements than other routes. It sends four otherwise.
const SEARCHED_ANEW: &str = "a search during which another release is put in use begins again, twice at most";

/// Days before today that the statistics count.
const STATISTICS_DAYS: Days = Days::new(29);

/// The routes of this area. Some have a second path: existing callers know them by it.
pub(crate) fn routes() -> Vec<Route<AppState>> {
    let looked_up =
        ["/api/v1/code/{code}", "/api/v1/code/{code}/hierarchy", "/api/v1/enterprise/icd10/{code}/hierarchy"];
    let batch = ["/api/v1/batch/codes", "/api/v1/enterprise/batch/codes"];
    let chapters = ["/api/v1/chapters", "/api/v1/enterprise/chapters"];
    let statistics = ["/api/v1/analytics/search-stats", "/api/v1/enterprise/analytics/search-stats"];
    let mut routes = searches();
    routes.extend(looked_up.map(look_up_at));
    routes.extend(batch.map(batch_at));
    routes.extend(chapters.map(chapters_at));
    routes.extend(statistics.map(statistics_at));
    routes
}

fn searches() -> Vec<Route<AppState>> {
    vec![
        Route::get("/api/v1/search/icd10", READ, search)
            .summary("Search ICD-10-CM by the beginning of a code, by words, or by what looks like them")
            .statements(13, SEARCHED_ANEW)
            .query::<SearchParameters>()
            .answers::<Found>(),
        Route::get("/api/v1/autocomplete/icd10", READ, autocomplete)
            .summary("Suggest ICD-10-CM codes for what somebody is typing")
            .statements(14, SEARCHED_ANEW)
            .query::<AutocompleteParameters>()
            .answers::<Suggested>(),
    ]
}

fn look_up_at(path: &'static str) -> Route<AppState> {
    Route::get(path, READ, look_up)
        .summary("One ICD-10-CM code and its relatives")
        .path_parameters::<CodeParameters>()
        .answers::<Placed>()
        .codes(&[Code::NotFound])
}

fn batch_at(path: &'static str) -> Route<AppState> {
    Route::post(path, READ, batch)
        .reading()
        .summary("Up to 100 ICD-10-CM codes at once")
        .takes::<BatchRequest>()
        .answers::<BatchFindings>()
}

fn chapters_at(path: &'static str) -> Route<AppState> {
    Route::get(path, READ, chapters)
        .summary("The chapters of ICD-10-CM and how many codes each has")
        .answers::<Chapters>()
}

fn statistics_at(path: &'static str) -> Route<AppState> {
    Route::get(path, READ, statistics)
        .summary("How much and what was searched for in the last 30 days")
        .answers::<Statistics>()
}

async fn search(
    State(catalogue): State<Catalogue>,
    State(searches): State<SearchRecorder>,
    Extension(caller): Extension<CallerSlot>,
    Extension(cache): Extension<CacheSlot>,
    Query(parameters): Query<SearchParameters>,
) -> Result<Envelope<Found>, Problem> {
    let started = Instant::now();
    let query = parameters.parse()?;
    let found = catalogue.search(&query).await?;
    let (took, is_hit, total) = (started.elapsed(), found.status.is_hit(), found.value.total);
    cache.fill(is_hit);
    searches.record(SearchLog::of(caller.id(), query.text(), total, took, is_hit));
    let message = format!("{} of {total} codes", found.value.matches.len());
    Ok(Envelope::new(Found::new(found, took), message))
}

/// Not recorded: half of a word is not what anybody searched for.
async fn autocomplete(
    State(catalogue): State<Catalogue>,
    Extension(cache): Extension<CacheSlot>,
    Query(parameters): Query<AutocompleteParameters>,
) -> Result<Envelope<Suggested>, Problem> {
    let started = Instant::now();
    let found = catalogue.autocomplete(&parameters.parse()?).await?;
    cache.fill(found.status.is_hit());
    let message = format!("{} of {} codes", found.value.matches.len(), found.value.total);
    Ok(Envelope::new(Suggested::new(found, started.elapsed()), message))
}

async fn look_up(
    State(catalogue): State<Catalogue>,
    Extension(cache): Extension<CacheSlot>,
    Path(parameters): Path<CodeParameters>,
) -> Result<Envelope<Placed>, Problem> {
    let started = Instant::now();
    let code = IcdCode::parse("code", &parameters.code)?;
    let Answer { value, status } = catalogue.place(&code).await?;
    cache.fill(status.is_hit());
    let Some(placed) = value else {
        return Err(Problem::says(Code::NotFound, format!("There is no code {code}.")));
    };
    Ok(Envelope::new(Placed::new(placed, status, started.elapsed()), format!("Code {code}")))
}

async fn batch(
    State(catalogue): State<Catalogue>,
    Extension(cache): Extension<CacheSlot>,
    Json(request): Json<BatchRequest>,
) -> Result<Envelope<BatchFindings>, Problem> {
    let started = Instant::now();
    let batch = Batch::new(request.codes)?;
    let wanted = batch.wanted();
    let found = catalogue.find(&wanted).await?;
    cache.fill(found.status.is_hit());
    let message = format!("{} of {} codes", found.found.len(), wanted.len());
    Ok(Envelope::new(BatchFindings::new(batch, &found, started.elapsed()), message))
}

async fn chapters(State(store): State<Store>) -> Result<Envelope<Chapters>, Problem> {
    let chapters = stored::chapters(&store).await?;
    let message = format!("{} chapters", chapters.len());
    Ok(Envelope::new(Chapters::from(chapters), message))
}

async fn statistics(
    State(store): State<Store>,
    State(searches): State<SearchRecorder>,
) -> Result<Envelope<Statistics>, Problem> {
    let today = Utc::now().date_naive();
    let since = today.checked_sub_days(STATISTICS_DAYS).unwrap_or(today);
    let statistics = stored::search_statistics(&store, since).await?;
    let message = format!("{} searches since {since}", statistics.totals.searches);
    Ok(Envelope::new(Statistics::new(statistics, searches.lost()), message))
}
