//! The terminology: searches, cached answers, imports and the log of searches.

mod autocomplete;
mod catalogue;
mod import;
mod releases;
mod search_log;

pub use autocomplete::autocomplete;
pub use catalogue::{Answer, CacheStatus, Catalogue, CatalogueHealth, FoundCodes, invalidate_answers};
pub use import::{ImportError, import_icd10cm, read_icd10cm};
pub use search_log::{SearchLogWriter, SearchRecorder, search_log};
pub use steadfast_repository::terminology::Imported;

use crate::Error;
use serde::{Deserialize, Serialize};
use steadfast_domain::terminology::{Leg, Match, Query, merge};
use steadfast_repository::terminology::{self, LegMatches};
use steadfast_repository::{Error as RepositoryError, Store};

/// Results of a search.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Found {
    /// Matches, best first, up to the limit of the query.
    pub matches: Vec<Match>,
    /// Number of distinct codes that the legs found.
    pub total: usize,
    /// Legs that failed, whose matches are missing. Only complete results are cached.
    #[serde(skip)]
    pub failed: Vec<Leg>,
}

/// Maximum number of attempts of a search during which the release changes. Releases are months apart.
const ATTEMPTS: usize = 3;

/// Searches by code, or else by words and by similarity concurrently, each on its own connection.
///
/// A query in the form of a code is searched as words only if no code begins with it: `T11` may be a vertebra. It is
/// never searched by similarity, because another code is not a misspelling. If one of words and similarity fails, the
/// result has the matches of the other and names the failed leg. All matches are of one release: a search during which
/// another one was put in use is repeated.
///
/// # Errors
/// Returns the error of the first leg if all legs failed.
pub async fn search(store: &Store, query: &Query) -> Result<Found, Error> {
    match query.as_code() {
        Some(_) => by_code(store, query).await,
        None => by_legs(store, query, &[Leg::Term, Leg::Similarity]).await,
    }
}

/// Finds the codes that begin with the query. If there are none, finds the terms that contain it as a word.
async fn by_code(store: &Store, query: &Query) -> Result<Found, Error> {
    let found = by_legs(store, query, &[Leg::Code]).await?;
    if found.total > 0 { Ok(found) } else { by_legs(store, query, &[Leg::Term]).await }
}

/// Runs `legs` concurrently.
async fn by_legs(store: &Store, query: &Query, legs: &[Leg]) -> Result<Found, Error> {
    let leg = async |leg| match legs.contains(&leg) {
        true => terminology::search(store, leg, query).await,
        false => Ok(None),
    };
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        let (code, term, similar) = tokio::join!(leg(Leg::Code), leg(Leg::Term), leg(Leg::Similarity));
        let outcomes = [(Leg::Code, code), (Leg::Term, term), (Leg::Similarity, similar)];
        if attempts == 0 || are_of_one_release(&outcomes) {
            return joined(query, outcomes);
        }
    }
}

/// Outcome of each leg.
type Outcomes = [(Leg, Result<Option<LegMatches>, RepositoryError>); 3];

fn releases(outcomes: &Outcomes) -> impl Iterator<Item = i64> {
    outcomes.iter().filter_map(|(_, outcome)| outcome.as_ref().ok()?.as_ref()?.release)
}

fn are_of_one_release(outcomes: &Outcomes) -> bool {
    let first = releases(outcomes).next();
    releases(outcomes).all(|release| Some(release) == first)
}

/// Merges the matches of the legs. If the legs saw different releases, those that did not see the newest have failed.
fn joined(query: &Query, outcomes: Outcomes) -> Result<Found, Error> {
    let newest = releases(&outcomes).max();
    let (mut failed, mut first_error, mut has_answer) = (Vec::new(), None, false);
    let [code, term, similar] = outcomes.map(|(leg, outcome)| match outcome {
        Ok(Some(found)) if found.release.is_some() && found.release != newest => {
            failed.push(leg);
            Vec::new()
        }
        Ok(found) => {
            has_answer |= found.is_some();
            found.map(|found| found.matches).unwrap_or_default()
        }
        Err(error) => {
            tracing::warn!(operation = "terminology.search", leg = leg.as_str(), %error, "a leg of a search failed");
            failed.push(leg);
            first_error.get_or_insert(error);
            Vec::new()
        }
    });
    match first_error {
        Some(error) if !has_answer => Err(error.into()),
        _ => {
            let (matches, total) = merge(code, term, similar, query.limit());
            Ok(Found { matches, total, failed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_domain::terminology::{
        Candidate, CodeWithRelatives, Concept, IcdCode, MatchType, Relative, Relatives,
    };

    fn leg_matches(leg: Leg, code: &str, release: i64) -> Result<Option<LegMatches>, RepositoryError> {
        let candidate = Candidate {
            code: IcdCode::parse("code", code).expect("a code"),
            term: String::from("Gout"),
            chapter: String::from("13"),
            billable: true,
        };
        Ok(Some(LegMatches { matches: vec![Match::new(leg, candidate, 0.6)], release: Some(release) }))
    }

    #[test]
    fn matches_of_different_releases_are_not_merged() {
        let query = Query::new("gout", None).expect("a query");
        let outcomes = [
            (Leg::Code, Ok(Some(LegMatches { matches: Vec::new(), release: None }))),
            (Leg::Term, leg_matches(Leg::Term, "M10", 7)),
            (Leg::Similarity, leg_matches(Leg::Similarity, "M109", 8)),
        ];
        assert!(!are_of_one_release(&outcomes));
        let found = joined(&query, outcomes).expect("an answer");
        assert_eq!(found.failed, [Leg::Term], "a leg without matches has no release and has not failed");
        assert_eq!(found.matches.iter().map(|found| found.code.as_str()).collect::<Vec<_>>(), ["M109"]);
    }

    fn relatives_of(codes: &[&str]) -> Vec<Relative> {
        let code = |text: &&str| IcdCode::parse("code", text).expect("a code");
        codes.iter().map(|text| Relative { code: code(text), term: (*text).to_owned() }).collect()
    }

    fn round_trip<T: Serialize + for<'a> Deserialize<'a>>(value: &T) -> T {
        serde_json::from_slice(&serde_json::to_vec(value).expect("JSON")).expect("the same")
    }

    #[test]
    fn cached_answers_round_trip() {
        let [concept_code, parent] =
            ["E119", "E11"].map(|code| IcdCode::parse("code", code).expect("a code"));
        let (term, chapter) = (String::from("Type 2 \u{201c}diabetes\u{201d}"), String::from("4 Endocrine"));
        let find = |match_type, confidence| {
            let (code, term, chapter) = (concept_code.clone(), term.clone(), chapter.clone());
            Match { code, term, chapter, match_type, confidence }
        };
        let matches = vec![
            find(MatchType::ExactCode, 1.0),
            find(MatchType::TermPrefix, 0.9),
            find(MatchType::Fuzzy, 0.6),
        ];
        let found = Found { matches, total: 31, failed: Vec::new() };
        assert_eq!(round_trip(&found), found);
        let concept = Concept {
            code: concept_code.clone(),
            term: term.clone(),
            chapter: chapter.clone(),
            parent_code: Some(parent),
            active: false,
            billable: true,
        };
        let children = Relatives { shown: relatives_of(&["E1191", "E1192"]), total: 25 };
        let siblings = Relatives { shown: Vec::new(), total: 0 };
        let with_relatives = CodeWithRelatives {
            concept: concept.clone(),
            parents: relatives_of(&["E11"]),
            children,
            siblings,
        };
        for (concept, with_relatives) in [(Some(concept), Some(with_relatives)), (None, None)] {
            assert_eq!(round_trip(&concept), concept);
            assert_eq!(round_trip(&with_relatives), with_relatives);
        }
    }

    #[test]
    fn invalid_cached_answers_are_rejected() {
        let cached = r#"{"matches":[{"code":"E11","term":"","chapter":"","match_type":"fuzzy","confidence":0.4}],"total":1}"#;
        assert!(serde_json::from_str::<Found>(cached).is_ok());
        for (good, bad) in
            [("E11", "E 11"), ("fuzzy", "guessed"), ("0.4", "null"), ("\"total\":1", "\"total\":-1")]
        {
            assert!(serde_json::from_str::<Found>(&cached.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
