//! A search by code or words: three legs, how sure each is, and how their finds are merged.

use super::{Candidate, IcdCode, words};
use crate::{Checks, Invalid, text};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use utoipa::ToSchema;

/// Results when the caller does not say.
pub const SEARCH_LIMIT_DEFAULT: u64 = 10;

/// The most results that the caller may ask for.
pub const SEARCH_LIMIT_MAX: u64 = 50;

/// Characters of the longest chapter that is accepted.
const CHAPTER_MAX: usize = 20;

/// Of so many places the look-alikes have one, however many terms have all words.
const PLACES_PER_LOOK_ALIKE: usize = 3;

/// One of the three ways in which a search looks, in the order of their rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Leg {
    /// Codes that begin with the query, if the query has the form of a code.
    Code,
    /// Terms that have all words of the query, in any order, the last one perhaps unfinished.
    Term,
    /// Terms that have most words of the query, misspelt ones corrected, and are similar to it.
    Similarity,
}

impl Leg {
    /// Maximum number of finds that this leg contributes. Codes and terms can fill any answer by themselves.
    pub const fn limit(self) -> i64 {
        match self {
            Self::Code | Self::Term => SEARCH_LIMIT_MAX as i64,
            Self::Similarity => 20,
        }
    }

    /// The leg's name in answers and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Term => "term",
            Self::Similarity => "similarity",
        }
    }
}

/// How a result was found.
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
    /// How the result was found.
    pub match_type: MatchType,
    /// Confidence from 0 to 1. Results are in descending order of confidence.
    pub confidence: f64,
}

impl Match {
    /// Returns `candidate` as a find of `leg` with this confidence.
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

/// What is searched for: 2 to 100 characters, how many results at most, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    words: Vec<String>,
    limit: usize,
    chapter: Option<String>,
    with_inactive: bool,
}

impl Query {
    /// The query from its wire form: in all chapters, among the codes in use.
    ///
    /// # Errors
    /// [`Invalid`] naming `query` and `limit`.
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

    /// The same query, in one chapter alone where one is given: by its number or its range, as `19` or `S00-T88`.
    ///
    /// # Errors
    /// [`Invalid`] naming `chapter`.
    pub fn in_chapter(self, chapter: Option<&str>) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        match chapter.map(str::trim) {
            Some(text) if text.is_empty() || text.len() > CHAPTER_MAX || !text.chars().all(allowed) => {
                let wanted =
                    format!("must be 1 to {CHAPTER_MAX} letters, digits, dots or dashes, as 19 or S00-T88");
                Err(Invalid::field("chapter", wanted))
            }
            chapter => Ok(Self { chapter: chapter.map(str::to_lowercase), ..self }),
        }
    }

    /// The same query, also among codes that are in use no more.
    #[must_use]
    pub fn with_inactive(self, with_inactive: bool) -> Self {
        Self { with_inactive, ..self }
    }

    /// The query as given, trimmed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its words, in lower case and without accents, in their order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Results wanted at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The one chapter to search, in lower case.
    pub fn chapter(&self) -> Option<&str> {
        self.chapter.as_deref()
    }

    /// Whether codes that are in use no more may be found.
    pub fn finds_inactive(&self) -> bool {
        self.with_inactive
    }

    /// Returns the beginning of a code that the query has the form of, see [`IcdCode::beginning`].
    pub fn as_code(&self) -> Option<IcdCode> {
        IcdCode::beginning(&self.text)
    }
}

/// The finds of the legs in the order of their rank, each code once, at most `limit`; and how many different codes the
/// legs found together. Every third place is kept for the best look-alikes, so that they are seen however many terms have
/// all the words: what says the same in other words is no worse an answer.
pub fn merge(
    code: Vec<Match>,
    term: Vec<Match>,
    look_alikes: Vec<Match>,
    limit: usize,
) -> (Vec<Match>, usize) {
    let kept = limit / PLACES_PER_LOOK_ALIKE;
    let best: HashSet<IcdCode> = look_alikes.iter().take(kept).map(|found| found.code.clone()).collect();
    let mut seen = HashSet::new();
    let ranked =
        code.into_iter().chain(term).chain(look_alikes).filter(|found| seen.insert(found.code.clone()));
    let mut merged: Vec<(usize, Match)> = ranked.enumerate().collect();
    let total = merged.len();
    merged.sort_by_key(|(rank, found)| *rank >= limit - kept && !best.contains(&found.code));
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
    fn both_wrong_fields_are_named() {
        let invalid = Query::new("x", Some(0)).expect_err("refused");
        assert_eq!(invalid.fields().iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), ["query", "limit"]);
        assert!(Query::new("ab", Some(1 << 63)).is_err());
        assert!(Query::new(&"a".repeat(101), None).is_err());
    }

    #[test]
    fn a_chapter_is_a_number_or_a_range() {
        let query = || Query::new("gout", None).expect("fine");
        for (given, kept) in [(None, None), (Some("19"), Some("19")), (Some(" S00-T88 "), Some("s00-t88"))] {
            assert_eq!(query().in_chapter(given).expect("fine").chapter(), kept);
        }
        for bad in ["", " ", "19 Injury", "%", "123456789012345678901"] {
            assert_eq!(
                query().in_chapter(Some(bad)).expect_err("refused").fields()[0].field,
                "chapter",
                "{bad:?}"
            );
        }
    }

    fn shown(code: &[&str], term: &[&str], look_alikes: &[&str], limit: usize) -> (Vec<String>, usize) {
        let each = |codes: &[&str], kind| codes.iter().map(|code| found(code, kind)).collect();
        let (code, term) = (each(code, MatchType::ExactCode), each(term, MatchType::TermPrefix));
        let (merged, total) = merge(code, term, each(look_alikes, MatchType::Fuzzy), limit);
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
    fn a_code_found_twice_stands_where_its_best_leg_put_it() {
        let (merged, total) = shown(&["E11"], &["E11", "E12"], &["E12", "E13"], 10);
        // The digit behind a code is its match type: 0 a code, 1 words, 5 a look-alike.
        assert_eq!((merged.join(" ").as_str(), total), ("E110 E121 E135", 3));
    }

    #[test]
    fn the_best_look_alikes_have_their_places() {
        let term = ["A1", "A2", "A3", "A4", "A5", "A6", "A7"];
        let (merged, total) = shown(&[], &term, &["B1", "A5", "B2"], 6);
        assert_eq!(
            (merged.join(" ").as_str(), total),
            ("A11 A21 A31 A41 A51 B15", 9),
            "one stood there already"
        );
        assert_eq!(shown(&[], &term, &["A1", "A2"], 6).0.join(" "), "A11 A21 A31 A41 A51 A61");
        assert_eq!(shown(&[], &term, &["B1"], 2).0.join(" "), "A11 A21", "too few places");
        assert_eq!(shown(&[], &["A1"], &["B1", "B2", "B3", "B4"], 3).0.join(" "), "A11 B15 B25");
    }
}
