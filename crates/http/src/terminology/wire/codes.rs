//! Codes, one with its relatives or many by themselves, as JSON.

use super::milliseconds;
use crate::problem::Code;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_domain::terminology::{self as domain, Batch, Concept, Relative};
use steadfast_services::terminology::{CacheStatus, Findings};
use utoipa::{IntoParams, ToSchema};

/// Which code to look up.
#[derive(Deserialize, IntoParams)]
pub(in crate::terminology) struct CodeParameters {
    /// The code, with or without dot, any case.
    #[param(min_length = 1, max_length = 20, example = "S72.001A")]
    pub(in crate::terminology) code: String,
}

/// A code with its term.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RelatedCode)]
struct Related {
    /// The code, without dot.
    code: String,
    /// What it stands for.
    term: String,
}

impl From<Relative> for Related {
    fn from(relative: Relative) -> Self {
        Self { code: relative.code.to_string(), term: relative.term }
    }
}

/// A code and its place in the tree.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlacedCode)]
pub(in crate::terminology) struct Placed {
    /// The code, without dot.
    code: String,
    /// What it stands for.
    term: String,
    /// Number and title of the chapter.
    chapter: String,
    /// The code above; null for a three-character category.
    parent_code: Option<String>,
    /// Whether it is in use in the current release.
    active: bool,
    /// Whether it may stand on a bill.
    billable: bool,
    /// From the category down to the code above.
    parents: Vec<Related>,
    /// The first 20 codes right below.
    children: Vec<Related>,
    /// The first 10 other codes below the same parent.
    siblings: Vec<Related>,
    /// Codes between it and the top; 0 for a category.
    hierarchy_depth: usize,
    /// All codes right below.
    total_children: i64,
    /// All other codes below the same parent.
    total_siblings: i64,
    /// How long the look-up took, in milliseconds.
    query_time_ms: f64,
    /// `hit`, `miss` or `stale`, as of a search.
    cache_status: &'static str,
}

impl Placed {
    /// The code that was found in the time it took.
    pub(in crate::terminology) fn new(placed: domain::Placed, status: CacheStatus, took: Duration) -> Self {
        let domain::Placed { concept, parents, children, siblings } = placed;
        let related = |relatives: Vec<Relative>| relatives.into_iter().map(Related::from).collect();
        Self {
            code: concept.code.to_string(),
            term: concept.term,
            chapter: concept.chapter,
            parent_code: concept.parent_code.map(|code| code.to_string()),
            active: concept.active,
            billable: concept.billable,
            hierarchy_depth: parents.len(),
            parents: related(parents),
            total_children: children.total,
            children: related(children.shown),
            total_siblings: siblings.total,
            siblings: related(siblings.shown),
            cache_status: status.as_str(),
            query_time_ms: milliseconds(took),
        }
    }
}

/// Which codes to look up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WantedCodes)]
pub(in crate::terminology) struct BatchRequest {
    /// The codes, with or without dot, any case.
    #[schema(min_items = 1, max_items = 100, example = json!(["E11.65", "I10"]))]
    pub(in crate::terminology) codes: Vec<String>,
}

/// One code of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchEntry)]
#[serde(untagged)]
enum Entry {
    /// A code that there is.
    Found(FoundEntry),
    /// One that there is not, or that is none.
    Missing(MissingEntry),
}

/// A code that there is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchFound)]
struct FoundEntry {
    /// The code, without dot.
    code: String,
    /// What it stands for.
    term: String,
    /// Number and title of the chapter.
    chapter: String,
    /// The code above; null for a three-character category.
    parent_code: Option<String>,
    /// Whether it is in use in the current release.
    active: bool,
    /// Whether it may stand on a bill.
    billable: bool,
}

/// A code that there is not, or a text that is none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchMissing)]
struct MissingEntry {
    /// `NOT_FOUND`, or `INVALID_PARAMS` for what cannot be a code.
    error: &'static str,
    /// The same in words.
    message: String,
}

impl Entry {
    fn found(concept: &Concept) -> Self {
        Self::Found(FoundEntry {
            code: concept.code.to_string(),
            term: concept.term.clone(),
            chapter: concept.chapter.clone(),
            parent_code: concept.parent_code.as_ref().map(ToString::to_string),
            active: concept.active,
            billable: concept.billable,
        })
    }

    fn missing(code: Code, message: String) -> Self {
        Self::Missing(MissingEntry { error: code.as_str(), message })
    }
}

/// What there is of the codes of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchOfCodes)]
pub(in crate::terminology) struct BatchFindings {
    /// By code, as the request wrote it.
    results: BTreeMap<String, Entry>,
    /// Different codes of the request.
    total_codes: usize,
    /// Different codes that the cache knew, or knew that there are none.
    cache_hits: usize,
    /// Different codes that were looked up, all in one go.
    cache_misses: usize,
    /// `miss` when one was looked up, else `stale` when one may not hold any more, else `hit`.
    cache_status: &'static str,
    /// How long the look-up took, in milliseconds.
    query_time_ms: f64,
}

impl BatchFindings {
    /// An entry for each code of `batch`, with what was `found` in the time it took.
    pub(in crate::terminology) fn new(batch: Batch, findings: &Findings, took: Duration) -> Self {
        let by_code: HashMap<_, _> = findings.found.iter().map(|concept| (&concept.code, concept)).collect();
        let entry = |code: Result<domain::IcdCode, Invalid>| match code {
            Ok(code) => match by_code.get(&code) {
                Some(concept) => Entry::found(concept),
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
            cache_status: findings.status.as_str(),
            query_time_ms: milliseconds(took),
        }
    }
}
