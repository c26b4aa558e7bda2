//! Searches and their finds as JSON.

use super::milliseconds;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use steadfast_domain::Invalid;
use steadfast_domain::terminology::{Leg, Match, Query};
use steadfast_services::terminology::{self as services, Answer};
use utoipa::{IntoParams, ToSchema};

/// What to search for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::terminology) struct SearchParameters {
    /// The beginning of a code (`E11.9`, `e11 9`), or words; misspelt ones too. A code is not searched as words.
    #[param(min_length = 2, max_length = 100, example = "diabetes")]
    query: String,
    /// Results at most, 10 unless given.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<u64>,
    /// Only codes of this chapter: its number or its range of categories.
    #[param(min_length = 1, max_length = 20, pattern = "^[A-Za-z0-9.-]+$", example = "I00-I99")]
    chapter: Option<String>,
    /// Whether to find codes too that are not in use any more; not unless given.
    include_inactive: Option<bool>,
}

impl SearchParameters {
    /// The query in the domain's terms.
    pub(in crate::terminology) fn parse(&self) -> Result<Query, Invalid> {
        let query = Query::new(&self.query, self.limit)?.in_chapter(self.chapter.as_deref())?;
        Ok(query.with_inactive(self.include_inactive.unwrap_or(false)))
    }
}

/// What somebody is typing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::terminology) struct AutocompleteParameters {
    /// What there is of it so far.
    #[param(min_length = 2, max_length = 100, example = "hyperten")]
    query: String,
    /// Suggestions at most, 10 unless given.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<u64>,
}

impl AutocompleteParameters {
    /// The query in the domain's terms.
    pub(in crate::terminology) fn parse(&self) -> Result<Query, Invalid> {
        Query::new(&self.query, self.limit)
    }
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
    /// How sure the search is, from 0 to 1; never more than for the result before.
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
pub(in crate::terminology) struct Found {
    /// The surest first.
    results: Vec<CodeMatch>,
    /// Codes found, shown or not. A search stops at 50 codes, or at 50 terms with all words and 20 similar ones.
    total_count: usize,
    /// How long the search took, in milliseconds.
    query_time_ms: f64,
    /// `hit`: an earlier answer, of the release in use; `miss`: searched for now; `stale`: an earlier answer, and the
    /// database does not say whether it still holds.
    cache_status: &'static str,
    /// The ways of searching that failed this time, of `code`, `term` and `similarity`: there may be more to find.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    failed_legs: Vec<&'static str>,
}

impl Found {
    /// What was found in the time it took.
    pub(in crate::terminology) fn new(found: Answer<services::Found>, took: Duration) -> Self {
        let Answer { value: found, status } = found;
        Self {
            cache_status: status.as_str(),
            results: found.matches.into_iter().map(CodeMatch::from).collect(),
            total_count: found.total,
            query_time_ms: milliseconds(took),
            failed_legs: found.failed.into_iter().map(Leg::as_str).collect(),
        }
    }
}

/// One code that may be meant.
#[derive(Debug, Serialize, ToSchema)]
struct SuggestedCode {
    /// The code, without dot.
    code: String,
    /// What it stands for.
    term: String,
    /// Number and title of the chapter.
    chapter: String,
    /// How sure the suggestion is, from 0 to 1.
    confidence: f64,
}

impl From<Match> for SuggestedCode {
    fn from(found: Match) -> Self {
        let Match { code, term, chapter, confidence, match_type: _ } = found;
        Self { code: code.to_string(), term, chapter, confidence }
    }
}

/// What may be meant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedCodes)]
pub(in crate::terminology) struct Suggested {
    /// The surest first.
    suggestions: Vec<SuggestedCode>,
    /// Codes found in all, shown or not.
    total_count: usize,
    /// How long it took, in milliseconds.
    query_time_ms: f64,
    /// `hit`, `miss` or `stale`, as of a search.
    cache_status: &'static str,
    /// The ways of searching that failed this time, as of a search.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    failed_legs: Vec<&'static str>,
}

impl Suggested {
    /// What was found in the time it took.
    pub(in crate::terminology) fn new(found: Answer<services::Found>, took: Duration) -> Self {
        let Answer { value: found, status } = found;
        Self {
            cache_status: status.as_str(),
            suggestions: found.matches.into_iter().map(SuggestedCode::from).collect(),
            total_count: found.total,
            query_time_ms: milliseconds(took),
            failed_legs: found.failed.into_iter().map(Leg::as_str).collect(),
        }
    }
}
