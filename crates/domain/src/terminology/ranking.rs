//! Ranking of matches: the best match first; of equal matches, billable codes, then shorter terms, then lower codes.

use super::search::Query;
use super::similarity::Trigrams;
use super::{IcdCode, folded, words};
use std::cmp::Reverse;

/// Minimum similarity of a term to the query, as computed by pg_trgm's `similarity`.
pub const SIMILARITY_MIN: f64 = 0.3;

/// A code that a search may return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The code.
    pub code: IcdCode,
    /// Meaning of the code.
    pub term: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// True if the code is valid for billing.
    pub billable: bool,
}

/// Returns the sort key of candidates that match equally well.
fn tie_breaker(candidate: &Candidate) -> (Reverse<bool>, usize, IcdCode) {
    (Reverse(candidate.billable), candidate.term.chars().count(), candidate.code.clone())
}

/// Ranks candidates that have all words of the query: first those that begin with the query as typed, then those with
/// the fewest other trigrams.
pub fn by_words(query: &Query, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let typed = query.words().join(" ");
    candidates.sort_by_cached_key(|candidate| {
        let words = words(&candidate.term);
        (!words.join(" ").starts_with(&typed), Trigrams::of_words(&words).count(), tie_breaker(candidate))
    });
    candidates
}

/// Ranks candidates by their similarity to the query, each with its confidence. Drops candidates that are less similar
/// than [`SIMILARITY_MIN`], and duplicates of a code.
///
/// `corrected` has the words of the query with corrected spelling. A term is similar if it resembles the query as typed
/// or as corrected. Both have the same weight in the order: terms that resemble the typed text come first, but a typo
/// in the word that distinguishes two terms does not swap them. Confidence never increases from one result to the next.
pub fn by_similarity(
    query: &Query,
    corrected: &[String],
    candidates: Vec<Candidate>,
) -> Vec<(Candidate, f64)> {
    let (typed, spelt) = (Trigrams::of_words(query.words()), Trigrams::of_words(corrected));
    let rank = |candidate: Candidate| {
        let trigrams = Trigrams::of(&candidate.term);
        let (as_typed, as_corrected) = (typed.similarity(&trigrams), spelt.similarity(&trigrams));
        // The precision suffices: both are fractions of small numbers, so their order and ties are preserved.
        let similarity = ((as_typed + as_corrected) * 1e6).round() as u64;
        let is_similar = as_typed.max(as_corrected) >= SIMILARITY_MIN;
        is_similar.then(|| ((Reverse(similarity), tie_breaker(&candidate)), candidate))
    };
    let mut ranked: Vec<_> = candidates.into_iter().filter_map(rank).collect();
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    ranked.dedup_by(|(_, one), (_, other)| one.code == other.code);
    let mut least = f64::INFINITY;
    let with_confidence = |(_, candidate): (_, Candidate)| {
        least = confidence(query, corrected, &candidate.term).min(least);
        (candidate, least)
    };
    ranked.into_iter().map(with_confidence).collect()
}

/// Returns the confidence in a similar term, regardless of other results: 0.8 if it contains the query as typed, 0.6 if
/// it has a word of the query as typed or as corrected, otherwise 0.4.
fn confidence(query: &Query, corrected: &[String], term: &str) -> f64 {
    let has = words(term);
    if folded(term).contains(&folded(query.text())) {
        0.8
    } else if query.words().iter().chain(corrected).any(|word| has.contains(word)) {
        0.6
    } else {
        0.4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(code: &str, term: &str, billable: bool) -> Candidate {
        let code = IcdCode::parse("code", code).expect("a code");
        Candidate { code, term: term.to_owned(), chapter: String::new(), billable }
    }

    fn query(text: &str) -> Query {
        Query::new(text, None).expect("a query")
    }

    fn codes(candidates: &[Candidate]) -> Vec<&str> {
        candidates.iter().map(|candidate| candidate.code.as_str()).collect()
    }

    /// Returns the codes that are similar to `typed`, with their confidence.
    fn similar(typed: &str, corrected: &str, candidates: Vec<Candidate>) -> Vec<(&'static str, f64)> {
        let ranked = by_similarity(&query(typed), &words(corrected), candidates);
        let known = |code: &str| ["A1", "A2", "A3", "A4"].into_iter().find(|known| *known == code);
        let entry = |(found, confidence): &(Candidate, f64)| {
            (known(found.code.as_str()).expect("a code"), *confidence)
        };
        ranked.iter().map(entry).collect()
    }

    #[test]
    fn breaks_ties_by_billable_length_code() {
        let candidates = vec![
            candidate("A4", "Gout of hand", false),
            candidate("A3", "Hand, of gout", true),
            candidate("A2", "Gout, of hand", true),
            candidate("A1", "Gout of hand", true),
        ];
        assert_eq!(
            similar("hand gout of", "", candidates.clone()),
            [("A1", 0.6), ("A2", 0.6), ("A3", 0.6), ("A4", 0.6)]
        );
        assert_eq!(
            codes(&by_words(&query("hand of"), candidates)),
            ["A3", "A1", "A2", "A4"],
            "one begins with the query"
        );
    }

    #[test]
    fn typo_does_not_swap_terms() {
        let candidates =
            vec![candidate("A1", "Pain in right arm", true), candidate("A2", "Pain in left arm", true)];
        let ranked = similar("pain in lfet arm", "pain in left arm", candidates);
        assert_eq!(ranked, [("A2", 0.6), ("A1", 0.6)]);
    }

    #[test]
    fn confidence_depends_on_common_words() {
        for (typed, corrected, term, confidence) in [
            ("femur fracture", "femur fracture", "Old femur Fracture", 0.8),
            ("femur fracture", "femur fracture", "Fracture of femur", 0.6),
            ("femur fracture", "femur fracture", "Femoral fractures", 0.4),
            ("pnumonia", "pneumonia", "Viral pneumonia", 0.6),
        ] {
            assert_eq!(
                similar(typed, corrected, vec![candidate("A1", term, true)]),
                [("A1", confidence)],
                "{term}"
            );
        }
    }

    #[test]
    fn confidence_never_increases() {
        let candidates = vec![
            candidate("A1", "Fracture of femur", true),
            candidate("A2", "Old femur fracture of neck", true),
            candidate("A3", "Femoral fractures", true),
        ];
        let ranked = similar("femur fracture", "femur fracture", candidates);
        assert_eq!(ranked, [("A1", 0.6), ("A2", 0.6), ("A3", 0.4)], "the second has the whole query");
    }

    #[test]
    fn terms_below_similarity_threshold_are_dropped() {
        // SELECT similarity('diabetes', 'Type 2 diabetes mellitus'), and so on, on PostgreSQL 15.
        let candidates = vec![
            candidate("A1", "Type 2 diabetes mellitus", true),
            candidate("A2", "Type 2 diabetes mellitus with hyperglycemia", true),
        ];
        for (typed, confidence) in [("diabetes", 0.8), ("diabtes", 0.6)] {
            assert_eq!(similar(typed, "diabetes", candidates.clone()), [("A1", confidence)], "0.36 and 0.24");
        }
        assert_eq!(similar("diabtes", "diabtes", candidates), [], "0.22 and 0.15");
    }

    proptest! {
        #[test]
        fn order_is_independent_of_input_order(
            terms in proptest::collection::vec(("[ab]{1,2}( [ab]{1,2}){0,3}", any::<bool>()), 1..12),
            text in "[ab]{1,2} [ab]{1,2}",
            rotation in 0_usize..12,
        ) {
            let candidates: Vec<Candidate> = terms
                .iter()
                .enumerate()
                .map(|(n, (term, billable))| candidate(&format!("A{n}"), term, *billable))
                .collect();
            let mut rotated = candidates.clone();
            rotated.rotate_left(rotation % candidates.len());
            let query = query(&text);
            prop_assert_eq!(by_words(&query, candidates.clone()), by_words(&query, rotated.clone()));
            let corrected = query.words().to_vec();
            prop_assert_eq!(
                by_similarity(&query, &corrected, candidates),
                by_similarity(&query, &corrected, rotated)
            );
        }

        #[test]
        fn results_are_sorted_and_similar_enough(
            terms in proptest::collection::vec("[a-c]{1,4}( [a-c]{1,4}){0,3}", 1..20),
            typed in "[a-c]{2,4}( [a-c]{1,4}){0,2}",
            corrected in "[a-c]{2,4}( [a-c]{1,4}){0,2}",
        ) {
            let candidates: Vec<Candidate> =
                terms.iter().enumerate().map(|(n, term)| candidate(&format!("A{n}"), term, true)).collect();
            let ranked = by_similarity(&query(&typed), &words(&corrected), candidates.clone());
            prop_assert!(ranked.is_sorted_by(|(_, one), (_, next)| one >= next));
            for candidate in candidates {
                let term = Trigrams::of(&candidate.term);
                let (typed, corrected) = (Trigrams::of(&typed), Trigrams::of(&corrected));
                let similarity = typed.similarity(&term).max(corrected.similarity(&term));
                let is_ranked = ranked.iter().any(|(ranked, _)| *ranked == candidate);
                prop_assert_eq!(is_ranked, similarity >= SIMILARITY_MIN, "{} {}", candidate.term, similarity);
            }
        }
    }
}
