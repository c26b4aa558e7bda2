//! Codes, matches and relatives as JSON.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use steadfast_domain::terminology::{self as domain, Leg, Match, Relative};
use steadfast_services::terminology as services;
use utoipa::{IntoParams, ToSchema};

/// What to search for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchParameters {
    /// The beginning of a code, or words.
    #[param(min_length = 2, max_length = 100, example = "diabetes")]
    pub(super) query: String,
    /// Results at most, 10 unless given.
    #[param(minimum = 1, maximum = 50)]
    pub(super) limit: Option<u64>,
}

/// Which code to look up.
#[derive(Deserialize, IntoParams)]
pub(super) struct CodeParameters {
    /// The code, with or without dot, any case.
    #[param(min_length = 1, max_length = 20, example = "S72.001A")]
    pub(super) code: String,
}

/// One code that was found.
#[derive(Debug, Serialize, ToSchema)]
struct CodeMatch {
    /// The code, without dot.
    code: String,
    /// What it stands for.
    term: String,
    /// Number and title of the chapter.
    chapter: String,
    /// `exact_code`, `term_prefix` or `fuzzy`.
    match_type: &'static str,
    /// How sure the search is, from 0 to 1.
    confidence: f64,
}

impl From<Match> for CodeMatch {
    fn from(found: Match) -> Self {
        Self {
            code: found.code.to_string(),
            term: found.term,
            chapter: found.chapter,
            match_type: found.match_type.as_str(),
            confidence: found.confidence,
        }
    }
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FoundCodes)]
pub(super) struct Found {
    /// The surest first.
    results: Vec<CodeMatch>,
    /// Codes found in all, shown or not.
    total_count: usize,
    /// How long the search took, in milliseconds.
    query_time_ms: f64,
    /// The ways of searching that failed this time, of `code`, `term` and `similarity`: there may be more to find.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    failed_legs: Vec<&'static str>,
}

impl Found {
    /// What was found in the time it took.
    pub(super) fn new(found: services::Found, took: Duration) -> Self {
        Self {
            results: found.matches.into_iter().map(CodeMatch::from).collect(),
            total_count: found.total,
            query_time_ms: milliseconds(took),
            failed_legs: found.failed.into_iter().map(Leg::as_str).collect(),
        }
    }
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
pub(super) struct Placed {
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
}

impl Placed {
    /// The code that was found in the time it took.
    pub(super) fn new(placed: domain::Placed, took: Duration) -> Self {
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
            query_time_ms: milliseconds(took),
        }
    }
}

/// With three decimals: microseconds are as fine as it means anything.
fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
