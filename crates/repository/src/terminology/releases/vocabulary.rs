//! Vocabulary of the terms and weights of the terms. Splits each distinct word into trigrams only once: a release has a
//! million words, but only eight thousand distinct ones.

use std::collections::HashMap;
use steadfast_domain::terminology::{Trigrams, words_of_folded};

/// Words of the terms that were added so far.
#[derive(Default)]
pub(super) struct Vocabulary {
    words: HashMap<String, Entry>,
    /// Number of each trigram.
    trigrams: HashMap<u64, usize>,
    /// Number of the last term with a trigram, indexed by the number of the trigram.
    last_terms: Vec<u32>,
    /// Number of terms.
    terms: u32,
}

/// Entry of a word.
struct Entry {
    /// Numbers of the trigrams of the word.
    trigrams: Vec<usize>,
    /// Number of terms that contain the word.
    documents: i32,
    /// Number of the last term that contains the word.
    last_term: u32,
}

impl Vocabulary {
    /// Adds the words of a folded term. Returns its weight, which is the number of distinct trigrams, as computed by
    /// [`Trigrams::count`].
    pub(super) fn add_term(&mut self, folded: &str) -> usize {
        self.terms += 1;
        words_of_folded(folded).map(|word| self.add_word(word)).sum()
    }

    /// Adds a word of the current term. Returns the number of trigrams that earlier words of the term do not have.
    fn add_word(&mut self, word: &str) -> usize {
        if !self.words.contains_key(word) {
            let entry = self.new_entry(word);
            self.words.insert(word.to_owned(), entry);
        }
        let Some(entry) = self.words.get_mut(word).filter(|entry| entry.last_term != self.terms) else {
            return 0;
        };
        entry.last_term = self.terms;
        entry.documents += 1;
        let mut added = 0;
        for trigram in &entry.trigrams {
            let last_term = &mut self.last_terms[*trigram];
            added += usize::from(*last_term != self.terms);
            *last_term = self.terms;
        }
        added
    }

    fn new_entry(&mut self, word: &str) -> Entry {
        let packed = Trigrams::of_words(&[word]);
        let mut trigrams = Vec::with_capacity(packed.count());
        for trigram in packed.packed() {
            let next = self.trigrams.len();
            trigrams.push(*self.trigrams.entry(*trigram).or_insert(next));
        }
        self.last_terms.resize(self.trigrams.len(), 0);
        Entry { trigrams, documents: 0, last_term: 0 }
    }

    /// Adds the words of other terms.
    pub(super) fn merge(&mut self, others: Self) {
        for (word, entry) in others.words {
            match self.words.get_mut(&word) {
                Some(own) => own.documents += entry.documents,
                None => {
                    let fresh = Entry { documents: entry.documents, ..self.new_entry(&word) };
                    self.words.insert(word, fresh);
                }
            }
        }
    }

    /// Returns the words, each with the number of terms that contain it, in no particular order.
    pub(super) fn into_words(self) -> impl Iterator<Item = (String, i32)> {
        self.words.into_iter().map(|(word, entry)| (word, entry.documents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const TERMS: [&str; 5] =
        ["fracture of femur", "fracture of neck of femur", "café, 2nd -- (banana)", "", "banana of bananas"];

    fn vocabulary_of(terms: &[&str]) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for term in terms {
            assert_eq!(vocabulary.add_term(term), Trigrams::of(term).count(), "{term}");
        }
        vocabulary
    }

    #[test]
    fn weight_is_independent_of_other_terms() {
        vocabulary_of(&[TERMS, TERMS].concat());
    }

    #[test]
    fn merged_vocabulary_counts_words_once_per_term() {
        for at in 0..=TERMS.len() {
            let (first, second) = TERMS.split_at(at);
            let mut vocabulary = vocabulary_of(first);
            vocabulary.merge(vocabulary_of(second));
            let counts: BTreeMap<String, i32> = vocabulary.into_words().collect();
            let count = |word| counts.get(word).copied();
            assert_eq!([count("of"), count("banana"), count("neck")], [Some(3), Some(2), Some(1)], "{at}");
            assert_eq!(counts.len(), 8, "{at}");
        }
    }
}
