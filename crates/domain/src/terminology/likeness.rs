//! How alike two texts are: the share of groups of three letters that they have in common, as PostgreSQL's pg_trgm
//! measures it. Word order does not count, nor does how often a word is repeated.

use super::words::words;

/// The groups of three letters of a text's words, each word with two blanks before and one behind. In order, each once,
/// one number a group: terms are compared by the hundred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigrams(Vec<u64>);

/// Bits that a character needs.
const CHARACTER_BITS: u32 = 21;

impl Trigrams {
    /// The groups of `text`.
    pub fn of(text: &str) -> Self {
        Self::of_words(&words(text))
    }

    /// The groups of a text of these words.
    pub fn of_words(words: &[impl AsRef<str>]) -> Self {
        let mut all = Vec::new();
        for word in words {
            push_groups(word.as_ref(), &mut all);
        }
        all.sort_unstable();
        all.dedup();
        Self(all)
    }

    /// How many different ones there are. Of the terms that have all words of a query, the one with the fewest is the
    /// likest to it.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The groups, in order, a number for each.
    pub fn groups(&self) -> &[u64] {
        &self.0
    }

    /// The share of common groups among all groups of both, from 0 to 1; 0 when neither has any.
    pub fn likeness(&self, other: &Self) -> f64 {
        let common = self.0.iter().filter(|group| other.0.binary_search(group).is_ok()).count();
        let all = self.count() + other.count() - common;
        if all == 0 { 0.0 } else { common as f64 / all as f64 }
    }
}

fn push_groups(word: &str, all: &mut Vec<u64>) {
    let group_mask = (1 << (3 * CHARACTER_BITS)) - 1;
    let blank = u64::from(' ');
    let mut group = (blank << CHARACTER_BITS) | blank;
    for letter in word.chars().chain([' ']) {
        group = ((group << CHARACTER_BITS) | u64::from(letter)) & group_mask;
        all.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn likeness_is_that_of_pg_trgm() {
        let like = |one, other| Trigrams::of(one).likeness(&Trigrams::of(other));
        // SELECT similarity('word', 'two words'), and so on, on PostgreSQL 15.
        assert!((like("word", "two words") - 0.363_636).abs() < 1e-5);
        assert!((like("hypertention", "hypertension") - 0.625).abs() < 1e-5);
        assert_eq!(like("Fracture of femur", "femur, of FRACTURE"), 1.0);
        assert_eq!(like("", "--"), 0.0);
    }

    proptest! {
        #[test]
        fn likeness_is_symmetric_bounded_and_blind_to_order(
            mut words in proptest::collection::vec("[a-e]{1,6}", 1..6),
            other in "[a-e ]{0,30}",
        ) {
            let text = Trigrams::of(&words.join(" "));
            let likeness = text.likeness(&Trigrams::of(&other));
            prop_assert!((0.0..=1.0).contains(&likeness));
            prop_assert_eq!(likeness, Trigrams::of(&other).likeness(&text));
            words.reverse();
            prop_assert_eq!(text.likeness(&Trigrams::of(&words.join(","))), 1.0);
        }
    }
}
