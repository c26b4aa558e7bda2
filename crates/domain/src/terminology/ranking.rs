//! The order of finds: the better match first; of equal ones the billable, then the shorter, then by code.

use super::likeness::Trigrams;
use super::search::Query;
use super::{IcdCode, folded, words};
use std::cmp::Reverse;

/// Minimum similarity of a term to the query, by the measure of pg_trgm's `similarity`.
pub const SIMILARITY_MIN: f64 = 0.3;

/// A code that a search came across.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The code.
    pub code: IcdCode,
    /// What it stands for.
    pub term: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// Whether it may stand on a bill.
    pub billable: bool,
}

/// What decides between candidates that match equally well. The least comes first.
fn tie(candidate: &Candidate) -> (Reverse<bool>, usize, IcdCode) {
    (Reverse(candidate.billable), candidate.term.chars().count(), candidate.code.clone())
}

/// Orders candidates that have all words of the query: those that begin with them as they were typed, then those that say
/// the least besides them.
pub fn by_words(query: &Query, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let typed = query.words().join(" ");
    candidates.sort_by_cached_key(|candidate| {
        let words = words(&candidate.term);
        (!words.join(" ").starts_with(&typed), Trigrams::of_words(&words).count(), tie(candidate))
    });
    candidates
}

/// Ranks candidates by their similarity to the query, each with its confidence. Drops those less similar than
/// [`SIMILARITY_MIN`] and keeps one of each code.
///
/// `meant` is the query with its misspelt words corrected. A term is similar if it resembles the query as typed or as
/// meant. Both count in equal parts for the order: what looks like the typed text comes first, but a slip in the word that
/// tells two terms apart does not exchange them. No result is surer than the one before it.
pub fn by_likeness(query: &Query, meant: &[String], candidates: Vec<Candidate>) -> Vec<(Candidate, f64)> {
    let (typed, corrected) = (Trigrams::of_words(query.words()), Trigrams::of_words(meant));
    let rank = |candidate: Candidate| {
        let trigrams = Trigrams::of(&candidate.term);
        let (as_typed, as_meant) = (typed.likeness(&trigrams), corrected.likeness(&trigrams));
        // A fraction of small numbers: as an integer of this fineness it keeps its order, and ties stay ties.
        let likeness = ((as_typed + as_meant) * 1e6).round() as u64;
        let is_similar = as_typed.max(as_meant) >= SIMILARITY_MIN;
        is_similar.then(|| ((Reverse(likeness), tie(&candidate)), candidate))
    };
    let mut ranked: Vec<_> = candidates.into_iter().filter_map(rank).collect();
    ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
    ranked.dedup_by(|(_, one), (_, other)| one.code == other.code);
    let mut least = f64::INFINITY;
    let with_confidence = |(_, candidate): (_, Candidate)| {
        least = confidence(query, meant, &candidate.term).min(least);
        (candidate, least)
    };
    ranked.into_iter().map(with_confidence).collect()
}

/// Returns the confidence in a similar term by itself: 0.8 if it contains the query as typed, 0.6 if it has a word of the
/// query as typed or as meant, else 0.4.
fn confidence(query: &Query, meant: &[String], term: &str) -> f64 {
    let has = words(term);
    if folded(term).contains(&folded(query.text())) {
        0.8
    } else if query.words().iter().chain(meant).any(|word| has.contains(word)) {
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
    fn alike(typed: &str, meant: &str, candidates: Vec<Candidate>) -> Vec<(&'static str, f64)> {
        let ranked = by_likeness(&query(typed), &words(meant), candidates);
        let known = |code: &str| ["A1", "A2", "A3", "A4"].into_iter().find(|known| *known == code);
        ranked.iter().map(|(found, sure)| (known(found.code.as_str()).expect("a code"), *sure)).collect()
    }

    #[test]
    fn of_equal_matches_the_billable_then_the_shorter_then_the_lower_code_comes_first() {
        let candidates = vec![
            candidate("A4", "Gout of hand", false),
            candidate("A3", "Hand, of gout", true),
            candidate("A2", "Gout, of hand", true),
            candidate("A1", "Gout of hand", true),
        ];
        assert_eq!(
            alike("hand gout of", "", candidates.clone()),
            [("A1", 0.6), ("A2", 0.6), ("A3", 0.6), ("A4", 0.6)]
        );
        assert_eq!(
            codes(&by_words(&query("hand of"), candidates)),
            ["A3", "A1", "A2", "A4"],
            "one begins with it"
        );
    }

    #[test]
    fn a_slip_in_the_word_that_tells_two_terms_apart_does_not_exchange_them() {
        let candidates =
            vec![candidate("A1", "Pain in right arm", true), candidate("A2", "Pain in left arm", true)];
        let ranked = alike("pain in lfet arm", "pain in left arm", candidates);
        assert_eq!(ranked, [("A2", 0.6), ("A1", 0.6)]);
    }

    #[test]
    fn confidence_depends_on_what_term_has_of_query() {
        for (typed, meant, term, sure) in [
            ("femur fracture", "femur fracture", "Old femur Fracture", 0.8),
            ("femur fracture", "femur fracture", "Fracture of femur", 0.6),
            ("femur fracture", "femur fracture", "Femoral fractures", 0.4),
            ("pnumonia", "pneumonia", "Viral pneumonia", 0.6),
        ] {
            assert_eq!(alike(typed, meant, vec![candidate("A1", term, true)]), [("A1", sure)], "{term}");
        }
    }

    #[test]
    fn no_result_is_surer_than_one_before_it() {
        let candidates = vec![
            candidate("A1", "Fracture of femur", true),
            candidate("A2", "Old femur fracture of somebody", true),
            candidate("A3", "Femoral fractures", true),
        ];
        let ranked = alike("femur fracture", "femur fracture", candidates);
        assert_eq!(ranked, [("A1", 0.6), ("A2", 0.6), ("A3", 0.4)], "the second has the whole query");
    }

    #[test]
    fn terms_below_similarity_threshold_are_dropped() {
        // SELECT similarity('diabetes', 'Type 2 diabetes mellitus'), and so on, on PostgreSQL 15.
        let candidates = vec![
            candidate("A1", "Type 2 diabetes mellitus", true),
            candidate("A2", "Type 2 diabetes mellitus with hyperglycemia", true),
        ];
        for (typed, sure) in [("diabetes", 0.8), ("diabtes", 0.6)] {
            assert_eq!(alike(typed, "diabetes", candidates.clone()), [("A1", sure)], "0.36 and 0.24");
        }
        assert_eq!(alike("diabtes", "diabtes", candidates), [], "0.22 and 0.15");
    }

    proptest! {
        #[test]
        fn the_order_does_not_depend_on_how_the_candidates_came(
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
            let meant = query.words().to_vec();
            prop_assert_eq!(by_likeness(&query, &meant, candidates), by_likeness(&query, &meant, rotated));
        }

        #[test]
        fn confidence_never_rises_and_similarity_keeps_its_minimum(
            terms in proptest::collection::vec("[a-c]{1,4}( [a-c]{1,4}){0,3}", 1..20),
            typed in "[a-c]{2,4}( [a-c]{1,4}){0,2}",
            meant in "[a-c]{2,4}( [a-c]{1,4}){0,2}",
        ) {
            let candidates: Vec<Candidate> =
                terms.iter().enumerate().map(|(n, term)| candidate(&format!("A{n}"), term, true)).collect();
            let ranked = by_likeness(&query(&typed), &words(&meant), candidates.clone());
            prop_assert!(ranked.is_sorted_by(|(_, one), (_, next)| one >= next));
            for candidate in candidates {
                let term = Trigrams::of(&candidate.term);
                let similarity = Trigrams::of(&typed).likeness(&term).max(Trigrams::of(&meant).likeness(&term));
                let is_kept = ranked.iter().any(|(kept, _)| *kept == candidate);
                prop_assert_eq!(is_kept, similarity >= SIMILARITY_MIN, "{} {}", candidate.term, similarity);
            }
        }
    }
}
