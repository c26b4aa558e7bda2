//! Search queries, the three legs of a search, and the merging of their matches.

use super::{Candidate, IcdCode, words};
use crate::{Checks, Invalid, text};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use utoipa::ToSchema;

/// Default number of results.
pub const SEARCH_LIMIT_DEFAULT: u64 = 10;

/// Maximum number of results.
pub const SEARCH_LIMIT_MAX: u64 = 50;

/// Maximum number of characters of a chapter in a query.
const CHAPTER_MAX: usize = 20;

/// Number of results per result that is reserved for a similar term.
const RESULTS_PER_SIMILAR: usize = 3;

/// One of the three parts of a search, in the order of their rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    /// Codes that begin with the query, if the query has the form of a code.
    Code,
    /// Terms that have all words of the query in any order. The last word may be incomplete.
    Term,
    /// Terms that have most words of the query after spelling correction, and are similar to it.
    Similarity,
}

impl Leg {
    /// Returns the maximum number of matches that the leg contributes.
    pub const fn limit(self) -> i64 {
        match self {
            Self::Code | Self::Term => SEARCH_LIMIT_MAX as i64,
            Self::Similarity => 20,
        }
    }

    /// Returns the name of the leg in responses and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Term => "term",
            Self::Similarity => "similarity",
        }
    }
}

/// Kind of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchType {
    /// The code begins with the query.
    ExactCode,
    /// The term has all words of the query.
    TermPrefix,
    /// The term is similar to the query.
    Fuzzy,
}

/// A result of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CodeMatch)]
pub struct Match {
    /// The code, without dot.
    pub code: IcdCode,
    /// Meaning of the code.
    pub term: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// Kind of the match.
    pub match_type: MatchType,
    /// Confidence from 0 to 1. Results are in descending order of confidence.
    pub confidence: f64,
}

impl Match {
    /// Converts a candidate that `leg` found.
    pub fn new(leg: Leg, candidate: Candidate, confidence: f64) -> Self {
        let Candidate { code, term, chapter, billable: _ } = candidate;
        let match_type = match leg {
            Leg::Code => MatchType::ExactCode,
            Leg::Term => MatchType::TermPrefix,
            Leg::Similarity => MatchType::Fuzzy,
        };
        Self { code, term, chapter, match_type, confidence }
    }
}

/// Validated query of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    words: Vec<String>,
    limit: usize,
    chapter: Option<String>,
    with_inactive: bool,
}

impl Query {
    /// Creates a query that searches the active codes of all chapters.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `query` if it does not have 2 to 100 characters, and `limit` if it is not from 1 to
    /// [`SEARCH_LIMIT_MAX`].
    pub fn new(query: &str, limit: Option<u64>) -> Result<Self, Invalid> {
        let mut checks = Checks::default();
        let text = checks.keep(text::plain("query", query, 2..=100));
        let limit = checks.keep(match limit.unwrap_or(SEARCH_LIMIT_DEFAULT) {
            limit @ 1..=SEARCH_LIMIT_MAX => Ok(limit as usize),
            _ => Err(Invalid::field("limit", format!("must be from 1 to {SEARCH_LIMIT_MAX}"))),
        });
        match (text, limit) {
            (Some(text), Some(limit)) => {
                Ok(Self { words: words(&text), text, limit, chapter: None, with_inactive: false })
            }
            _ => Err(checks.refused()),
        }
    }

    /// Restricts the query to a chapter, if there is one. A chapter is a number or a range, such as `19` or `S00-T88`.
    ///
    /// # Errors
    /// Returns [`Invalid`] naming `chapter` if it has neither form.
    pub fn in_chapter(self, chapter: Option<&str>) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        match chapter.map(str::trim) {
            Some(text) if text.is_empty() || text.len() > CHAPTER_MAX || !text.chars().all(allowed) => {
                let wanted = format!(
                    "must be 1 to {CHAPTER_MAX} letters, digits, dots or dashes, such as 19 or S00-T88"
                );
                Err(Invalid::field("chapter", wanted))
            }
            chapter => Ok(Self { chapter: chapter.map(str::to_lowercase), ..self }),
        }
    }

    /// Includes inactive codes.
    #[must_use]
    pub fn with_inactive(self, with_inactive: bool) -> Self {
        Self { with_inactive, ..self }
    }

    /// Returns the trimmed text of the query.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the words of the query in their order, in lower case and without accents.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the maximum number of results.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the chapter to which the query is restricted, in lower case.
    pub fn chapter(&self) -> Option<&str> {
        self.chapter.as_deref()
    }

    /// Returns true if the query includes inactive codes.
    pub fn finds_inactive(&self) -> bool {
        self.with_inactive
    }

    /// Returns the query as the beginning of a code, see [`IcdCode::beginning`].
    pub fn as_code(&self) -> Option<IcdCode> {
        IcdCode::beginning(&self.text)
    }
}

/// Merges the matches of the legs in the order of their rank, without duplicate codes. Returns at most `limit` matches,
/// and the number of distinct codes that the legs found.
///
/// A third of the results is reserved for the most similar terms, however many terms have all words of the query,
/// because a term with the same meaning in other words is as good a result.
pub fn merge(code: Vec<Match>, term: Vec<Match>, similar: Vec<Match>, limit: usize) -> (Vec<Match>, usize) {
    let reserved = limit / RESULTS_PER_SIMILAR;
    let best: HashSet<IcdCode> = similar.iter().take(reserved).map(|found| found.code.clone()).collect();
    let mut seen = HashSet::new();
    let ranked = code.into_iter().chain(term).chain(similar).filter(|found| seen.insert(found.code.clone()));
    let mut merged: Vec<(usize, Match)> = ranked.enumerate().collect();
    let total = merged.len();
    merged.sort_by_key(|(rank, found)| *rank >= limit - reserved && !best.contains(&found.code));
    merged.truncate(limit);
    merged.sort_by_key(|(rank, _)| *rank);
    (merged.into_iter().map(|(_, found)| found).collect(), total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, match_type: MatchType) -> Match {
        let code = IcdCode::parse("code", code).expect("a code");
        Match { code, term: String::new(), chapter: String::new(), match_type, confidence: 1.0 }
    }

    #[test]
    fn names_both_invalid_fields() {
        let invalid = Query::new("x", Some(0)).expect_err("refused");
        assert_eq!(invalid.fields().iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["query", "limit"]);
        assert!(Query::new("ab", Some(1 << 63)).is_err());
        assert!(Query::new(&"a".repeat(101), None).is_err());
    }

    #[test]
    fn parses_chapter_numbers_and_ranges() {
        let query = || Query::new("gout", None).expect("fine");
        for (given, parsed) in [(None, None), (Some("19"), Some("19")), (Some(" S00-T88 "), Some("s00-t88"))]
        {
            assert_eq!(query().in_chapter(given).expect("fine").chapter(), parsed);
        }
        for bad in ["", " ", "19 Injury", "%", "123456789012345678901"] {
            assert_eq!(
                query().in_chapter(Some(bad)).expect_err("refused").fields()[0].field,
                "chapter",
                "{bad:?}"
            );
        }
    }

    fn shown(code: &[&str], term: &[&str], similar: &[&str], limit: usize) -> (Vec<String>, usize) {
        let each = |codes: &[&str], kind| codes.iter().map(|code| found(code, kind)).collect();
        let (code, term) = (each(code, MatchType::ExactCode), each(term, MatchType::TermPrefix));
        let (merged, total) = merge(code, term, each(similar, MatchType::Fuzzy), limit);
        (
            merged
                .iter()
                .map(|found| {
                    format!(
                        "{}{}",
                        found.code,
                        match found.match_type {
                            MatchType::ExactCode => 0,
                            MatchType::TermPrefix => 1,
                            MatchType::Fuzzy => 5,
                        }
                    )
                })
                .collect(),
            total,
        )
    }

    #[test]
    fn duplicate_code_has_rank_of_first_leg() {
        let (merged, total) = shown(&["E11"], &["E11", "E12"], &["E12", "E13"], 10);
        // The digit after a code is its match type: 0 for a code, 1 for words, 5 for similarity.
        assert_eq!((merged.join(" ").as_str(), total), ("E110 E121 E135", 3));
    }

    #[test]
    fn reserves_third_of_results_for_similar_terms() {
        let term = ["A1", "A2", "A3", "A4", "A5", "A6", "A7"];
        let (merged, total) = shown(&[], &term, &["B1", "A5", "B2"], 6);
        assert_eq!(
            (merged.join(" ").as_str(), total),
            ("A11 A21 A31 A41 A51 B15", 9),
            "A5 also has all words"
        );
        assert_eq!(shown(&[], &term, &["A1", "A2"], 6).0.join(" "), "A11 A21 A31 A41 A51 A61");
        assert_eq!(shown(&[], &term, &["B1"], 2).0.join(" "), "A11 A21", "too few results");
        assert_eq!(shown(&[], &["A1"], &["B1", "B2", "B3", "B4"], 3).0.join(" "), "A11 B15 B25");
    }
}
