//! Trigram similarity of texts, computed as by PostgreSQL's pg_trgm.

use super::words::words;

/// The distinct trigrams of a text's words, where each word is padded with two blanks before and one after it. Sorted,
/// and packed into one number each, because a search compares hundreds of terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigrams(Vec<u64>);

/// Number of bits of a character.
const CHARACTER_BITS: u32 = 21;

impl Trigrams {
    /// Returns the trigrams of `text`.
    pub fn of(text: &str) -> Self {
        Self::of_words(&words(text))
    }

    /// Returns the trigrams of a text that consists of `words`.
    pub fn of_words(words: &[impl AsRef<str>]) -> Self {
        let mut all = Vec::new();
        for word in words {
            push_trigrams(word.as_ref(), &mut all);
        }
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// Returns the number of distinct trigrams. Of the terms that have all words of a query, the one with the fewest
    /// trigrams is the most similar to it.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns the packed trigrams in ascending order.
    pub fn packed(&self) -> &[u64] {
        &self.0
    }

    /// Returns the number of common trigrams divided by the number of distinct trigrams of both, or 0 if there are
    /// none. Word order and repeated words have no influence.
    pub fn similarity(&self, other: &Self) -> f64 {
        let common = self.0.iter().filter(|trigram| other.0.binary_search(trigram).is_ok()).count();
        let all = self.count() + other.count() - common;
        if all == 0 { 0.0 } else { common as f64 / all as f64 }
    }
}

fn push_trigrams(word: &str, all: &mut Vec<u64>) {
    let mask = (1 << (3 * CHARACTER_BITS)) - 1;
    let blank = u64::from(' ');
    let mut trigram = (blank << CHARACTER_BITS) | blank;
    for letter in word.chars().chain([' ']) {
        trigram = ((trigram << CHARACTER_BITS) | u64::from(letter)) & mask;
        all.push(trigram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn similarity_equals_that_of_pg_trgm() {
        let similarity = |one, other| Trigrams::of(one).similarity(&Trigrams::of(other));
        // SELECT similarity('word', 'two words'), and so on, on PostgreSQL 15.
        assert!((similarity("word", "two words") - 0.363_636).abs() < 1e-5);
        assert!((similarity("hypertention", "hypertension") - 0.625).abs() < 1e-5);
        assert_eq!(similarity("Fracture of femur", "femur, of FRACTURE"), 1.0);
        assert_eq!(similarity("", "--"), 0.0);
    }

    proptest! {
        #[test]
        fn similarity_is_symmetric_and_independent_of_word_order(
            mut words in proptest::collection::vec("[a-e]{1,6}", 1..6),
            other in "[a-e ]{0,30}",
        ) {
            let text = Trigrams::of(&words.join(" "));
            let similarity = text.similarity(&Trigrams::of(&other));
            prop_assert!((0.0..=1.0).contains(&similarity));
            prop_assert_eq!(similarity, Trigrams::of(&other).similarity(&text));
            words.reverse();
            prop_assert_eq!(text.similarity(&Trigrams::of(&words.join(","))), 1.0);
        }
    }
}
