//! Look-up of codes: one with its relatives, or many at once.

use super::{READ, milliseconds};
use crate::access_log::CacheSlot;
use crate::prelude::*;
use axum::Extension;
use axum::response::{IntoResponse, Response};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use steadfast_domain::terminology::{Batch, CodeWithRelatives, Concept, IcdCode, Relative};
use steadfast_services::terminology::{Answer, CacheStatus, Catalogue, FoundCodes};
use tokio::time::Instant;

/// Path of the look-up of a code.
pub(super) const CODE: &str = "/api/v1/code/{code}";

pub(super) fn routes() -> Vec<Route<AppState>> {
    let look_up_at = |path| {
        Route::get(path, READ, look_up)
            .summary("Get an ICD-10-CM code with its relatives")
            .path_parameters::<CodeParameters>()
            .answers::<PlacedCode<'_>>()
            .codes(&[Code::NotFound])
    };
    let batch_at = |path| {
        Route::post(path, READ, batch)
            .reading()
            .summary("Get up to 100 ICD-10-CM codes")
            .takes::<BatchRequest>()
            .answers::<BatchFindings>()
    };
    let one = [CODE, "/api/v1/code/{code}/hierarchy", "/api/v1/enterprise/icd10/{code}/hierarchy"];
    let many = ["/api/v1/batch/codes", "/api/v1/enterprise/batch/codes"];
    one.map(look_up_at).into_iter().chain(many.map(batch_at)).collect()
}

async fn look_up(
    State(catalogue): State<Catalogue>,
    Extension(cache): Extension<CacheSlot>,
    Path(parameters): Path<CodeParameters>,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let code = IcdCode::parse("code", &parameters.code)?;
    let Answer { value, status } = catalogue.code_with_relatives(&code).await?;
    cache.fill(status.is_hit());
    let Some(found) = value.as_ref() else {
        return Err(Problem::says(Code::NotFound, format!("There is no code {code}.")));
    };
    let placed = PlacedCode::new(found, status, started.elapsed());
    Ok(Envelope::new(placed, format!("Code {code}")).into_response())
}

async fn batch(
    State(catalogue): State<Catalogue>,
    Extension(cache): Extension<CacheSlot>,
    Json(request): Json<BatchRequest>,
) -> ApiResult<BatchFindings> {
    let started = Instant::now();
    let batch = Batch::new(request.codes)?;
    let wanted = batch.wanted();
    let found = catalogue.find(&wanted).await?;
    cache.fill(found.status.is_hit());
    let message = format!("{} of {} codes", found.found.len(), wanted.len());
    Ok(Envelope::new(BatchFindings::new(batch, &found, started.elapsed()), message))
}

/// Path parameters of a look-up.
#[derive(Deserialize, IntoParams)]
struct CodeParameters {
    /// The code, with or without dot, in any case.
    #[param(min_length = 1, max_length = 20, pattern = "^[A-Za-z0-9.-]+$", example = "E11.9")]
    code: String,
}

/// A code and its place in the tree.
#[derive(Debug, Serialize, ToSchema)]
struct PlacedCode<'a> {
    #[serde(flatten)]
    concept: &'a Concept,
    /// Ancestors, from the category down to the parent.
    parents: &'a [Relative],
    /// The first 20 children.
    children: &'a [Relative],
    /// The first 10 other children of the parent.
    siblings: &'a [Relative],
    /// Number of ancestors; 0 for a category.
    hierarchy_depth: usize,
    /// Number of all children.
    total_children: i64,
    /// Number of all other children of the parent.
    total_siblings: i64,
    /// Duration of the look-up in milliseconds.
    query_time_ms: f64,
    /// `hit`, `miss` or `stale`, as in a search.
    cache_status: CacheStatus,
}

impl<'a> PlacedCode<'a> {
    fn new(found: &'a CodeWithRelatives, status: CacheStatus, took: Duration) -> Self {
        let CodeWithRelatives { concept, parents, children, siblings } = found;
        Self {
            concept,
            hierarchy_depth: parents.len(),
            parents,
            total_children: children.total,
            children: &children.shown,
            total_siblings: siblings.total,
            siblings: &siblings.shown,
            query_time_ms: milliseconds(took),
            cache_status: status,
        }
    }
}

/// Codes to look up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedCodes)]
struct BatchRequest {
    /// The codes, with or without dot, in any case.
    #[schema(min_items = 1, max_items = 100, example = json!(["E11.65", "I10"]))]
    codes: Vec<String>,
}

/// A code of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchEntry)]
#[serde(untagged)]
enum Entry {
    Found(Concept),
    Missing(MissingCode),
}

/// A code that does not exist or is invalid.
#[derive(Debug, Serialize, ToSchema)]
struct MissingCode {
    /// `NOT_FOUND`, or `INVALID_PARAMS` if the text is not a code.
    #[schema(value_type = MissingReason)]
    error: &'static str,
    /// Description of the error.
    message: String,
}

/// Reason why a code of a batch is missing.
#[derive(ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "describes the values of a field")]
enum MissingReason {
    NotFound,
    InvalidParams,
}

impl Entry {
    fn missing(code: Code, message: String) -> Self {
        Self::Missing(MissingCode { error: code.as_str(), message })
    }
}

/// Codes of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchOfCodes)]
struct BatchFindings {
    /// Entries by code as the request wrote it.
    results: BTreeMap<String, Entry>,
    /// Number of different codes in the request.
    total_codes: usize,
    /// Number of different codes answered from the cache.
    cache_hits: usize,
    /// Number of different codes that were looked up, in one statement.
    cache_misses: usize,
    /// `miss` if a code was looked up, else `stale` if one may be out of date, else `hit`.
    cache_status: CacheStatus,
    /// Duration of the look-up in milliseconds.
    query_time_ms: f64,
}

impl BatchFindings {
    fn new(batch: Batch, findings: &FoundCodes, took: Duration) -> Self {
        let by_code: HashMap<_, _> = findings.found.iter().map(|concept| (&concept.code, concept)).collect();
        let entry = |code: Result<IcdCode, Invalid>| match code {
            Ok(code) => match by_code.get(&code) {
                Some(concept) => Entry::Found((*concept).clone()),
                None => Entry::missing(Code::NotFound, format!("There is no code {code}.")),
            },
            Err(invalid) => Entry::missing(Code::InvalidParams, invalid.to_string()),
        };
        let results: BTreeMap<String, Entry> =
            batch.into_entries().into_iter().map(|(text, code)| (text, entry(code))).collect();
        Self {
            total_codes: results.len(),
            results,
            cache_hits: findings.hits,
            cache_misses: findings.misses,
            cache_status: findings.status,
            query_time_ms: milliseconds(took),
        }
    }
}
