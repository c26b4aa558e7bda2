//! In which order finds stand: the better match first; of equal ones the billable, then the shorter, then by code.

use super::likeness::Trigrams;
use super::search::Query;
use super::{IcdCode, words};
use std::cmp::Reverse;

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

/// Orders candidates by their likeness to the query, as typed and with its words `mended` in equal parts: what looks like
/// the typed text comes first, but a slip in the word that tells two terms apart does not exchange them. A code that came
/// up twice is kept once.
pub fn by_likeness(query: &Query, mended: &[String], mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    let (typed, mended) = (Trigrams::of_words(query.words()), Trigrams::of_words(mended));
    candidates.sort_by_cached_key(|candidate| {
        let term = Trigrams::of_words(&words(&candidate.term));
        // Likeness is a fraction of small numbers: as an integer of this fineness it keeps its order, and ties stay ties.
        let likeness = (typed.likeness(&term) + mended.likeness(&term)) * 1e6;
        (Reverse(likeness.round() as u64), tie(candidate))
    });
    candidates.dedup_by(|one, other| one.code == other.code);
    candidates
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

    #[test]
    fn of_equal_matches_the_billable_then_the_shorter_then_the_lower_code_comes_first() {
        let candidates = vec![
            candidate("A4", "Gout of hand", false),
            candidate("A3", "Hand, of gout", true),
            candidate("A2", "Gout, of hand", true),
            candidate("A1", "Gout of hand", true),
        ];
        assert_eq!(
            codes(&by_likeness(&query("hand gout of"), &[], candidates.clone())),
            ["A1", "A2", "A3", "A4"]
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
        let mended = ["pain", "in", "left", "arm"].map(str::to_owned);
        assert_eq!(codes(&by_likeness(&query("pain in lfet arm"), &mended, candidates)), ["A2", "A1"]);
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
            let mended = query.words().to_vec();
            prop_assert_eq!(by_likeness(&query, &mended, candidates), by_likeness(&query, &mended, rotated));
        }
    }
}
