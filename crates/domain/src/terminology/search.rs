//! A search by code or words: three legs, how sure each is, and how their finds are merged.

use crate::terminology::IcdCode;
use crate::{Checks, Invalid, text};
use std::collections::HashSet;

/// Results when the caller does not say.
pub const SEARCH_LIMIT_DEFAULT: u64 = 10;

/// The most results that the caller may ask for.
pub const SEARCH_LIMIT_MAX: u64 = 50;

/// One of the three ways in which a search looks, in the order of their rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leg {
    /// Codes that begin with the query.
    Code,
    /// Terms that contain the query.
    Term,
    /// Terms that look like the query.
    Similarity,
}

impl Leg {
    /// The most finds that this leg contributes.
    pub const fn limit(self) -> i64 {
        match self {
            Self::Code => 5,
            Self::Term => 10,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchType {
    /// Its code begins with the query.
    ExactCode,
    /// Its term contains the query.
    TermPrefix,
    /// Its term looks like the query.
    Fuzzy,
}

impl MatchType {
    /// The type's name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ExactCode => "exact_code",
            Self::TermPrefix => "term_prefix",
            Self::Fuzzy => "fuzzy",
        }
    }
}

/// One result.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The code.
    pub code: IcdCode,
    /// What it stands for.
    pub term: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// How it was found.
    pub match_type: MatchType,
    /// How sure the search is, from 0 to 1.
    pub confidence: f64,
}

/// What is searched for: 2 to 100 characters, and how many results at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    text: String,
    limit: usize,
}

impl Query {
    /// The query from its wire form.
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
            (Some(text), Some(limit)) => Ok(Self { text, limit }),
            _ => Err(checks.refused()),
        }
    }

    /// The words as given, trimmed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Results wanted at most.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether some word of it has three letters or digits.
    pub fn has_three_letters(&self) -> bool {
        self.text.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().count() >= 3)
    }

    /// The query read as the beginning of a code, where it can be one.
    pub fn as_code(&self) -> Option<IcdCode> {
        IcdCode::parse("query", &self.text).ok()
    }
}

/// How sure a find of `leg` is: codes 1.0, terms 0.9; a look-alike 0.8 when it contains the whole query, 0.6 when it
/// contains one of its words, else 0.4.
pub fn confidence(leg: Leg, query: &Query, term: &str) -> f64 {
    match leg {
        Leg::Code => 1.0,
        Leg::Term => 0.9,
        Leg::Similarity => {
            let (query, term) = (query.text().to_lowercase(), term.to_lowercase());
            if term.contains(&query) {
                0.8
            } else if query.split_whitespace().any(|word| term.contains(word)) {
                0.6
            } else {
                0.4
            }
        }
    }
}

/// The finds of the legs in the order of their rank, each code once.
pub fn merge(legs: impl IntoIterator<Item = Vec<Match>>) -> Vec<Match> {
    let mut seen = HashSet::new();
    legs.into_iter().flatten().filter(|found| seen.insert(found.code.clone())).collect()
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
    fn words_are_no_code() {
        assert_eq!(
            Query::new("S72.001A", None).expect("fine").as_code().map(|c| c.to_string()),
            Some("S72001A".into())
        );
        assert_eq!(Query::new("heart failure", None).expect("fine").as_code(), None);
    }

    #[test]
    fn short_words_have_no_three_letters() {
        for (text, has) in [("TB", false), ("a-b c", false), ("flu", true), ("in DM2", true), ("äöü", true)]
        {
            assert_eq!(Query::new(text, None).expect("fine").has_three_letters(), has, "{text}");
        }
    }

    #[test]
    fn a_look_alike_is_surer_the_more_of_the_query_it_contains() {
        let query = Query::new("femur fracture", None).expect("fine");
        let sure = |term| confidence(Leg::Similarity, &query, term);
        assert_eq!(sure("Old femur Fracture"), 0.8);
        assert_eq!(sure("Fracture of shaft of femur"), 0.6);
        assert_eq!(sure("Femoral hernia"), 0.4);
    }

    #[test]
    fn a_code_found_twice_stands_where_its_best_leg_put_it() {
        let merged = merge([
            vec![found("E11", MatchType::ExactCode)],
            vec![found("E11", MatchType::TermPrefix), found("E12", MatchType::TermPrefix)],
        ]);
        let types: Vec<_> = merged.iter().map(|m| (m.code.as_str(), m.match_type)).collect();
        assert_eq!(types, [("E11", MatchType::ExactCode), ("E12", MatchType::TermPrefix)]);
    }
}
