//! The words of all terms, each taken apart once: a release has a million words and eight thousand different ones.

use std::collections::HashMap;
use steadfast_domain::terminology::{Trigrams, words_of_folded};

/// The words of the terms that were weighed so far.
#[derive(Default)]
pub(super) struct Vocabulary {
    words: HashMap<String, Known>,
    /// A number for each group of three letters.
    groups: HashMap<u64, usize>,
    /// By that number: the last term that had the group.
    last_terms: Vec<u32>,
    /// The terms so far.
    terms: u32,
}

/// What is known of a word.
struct Known {
    /// The numbers of its groups of three letters.
    groups: Vec<usize>,
    /// How many terms have it.
    documents: i32,
    /// The last term that had it.
    last_term: u32,
}

impl Vocabulary {
    /// Takes note of the words of a folded term, and gives its weight: how many different groups of three letters it
    /// has, as [`Trigrams::count`] has it.
    pub(super) fn weigh(&mut self, folded: &str) -> usize {
        self.terms += 1;
        words_of_folded(folded).map(|word| self.note(word)).sum()
    }

    /// How many groups the present term has by this word and not by those before it.
    fn note(&mut self, word: &str) -> usize {
        if !self.words.contains_key(word) {
            let known = self.take_apart(word);
            self.words.insert(word.to_owned(), known);
        }
        let Some(known) = self.words.get_mut(word).filter(|known| known.last_term != self.terms) else {
            return 0;
        };
        known.last_term = self.terms;
        known.documents += 1;
        let mut added = 0;
        for group in &known.groups {
            let last_term = &mut self.last_terms[*group];
            added += usize::from(*last_term != self.terms);
            *last_term = self.terms;
        }
        added
    }

    fn take_apart(&mut self, word: &str) -> Known {
        let trigrams = Trigrams::of_words(&[word]);
        let mut groups = Vec::with_capacity(trigrams.count());
        for group in trigrams.groups() {
            let next = self.groups.len();
            groups.push(*self.groups.entry(*group).or_insert(next));
        }
        self.last_terms.resize(self.groups.len(), 0);
        Known { groups, documents: 0, last_term: 0 }
    }

    /// Takes note of the words of other terms.
    pub(super) fn add(&mut self, others: Self) {
        for (word, known) in others.words {
            match self.words.get_mut(&word) {
                Some(own) => own.documents += known.documents,
                None => {
                    let fresh = Known { documents: known.documents, ..self.take_apart(&word) };
                    self.words.insert(word, fresh);
                }
            }
        }
    }

    /// The words, each with the number of terms that have it, in no order.
    pub(super) fn into_words(self) -> impl Iterator<Item = (String, i32)> {
        self.words.into_iter().map(|(word, known)| (word, known.documents))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const TERMS: [&str; 5] =
        ["fracture of femur", "fracture of neck of femur", "café, 2nd -- (banana)", "", "banana of bananas"];

    fn noted(terms: &[&str]) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for term in terms {
            assert_eq!(vocabulary.weigh(term), Trigrams::of(term).count(), "{term}");
        }
        vocabulary
    }

    #[test]
    fn a_term_weighs_beside_others_what_it_weighs_alone() {
        noted(&[TERMS, TERMS].concat());
    }

    #[test]
    fn a_word_counts_once_a_term_however_the_terms_are_shared_out() {
        for at in 0..=TERMS.len() {
            let (first, second) = TERMS.split_at(at);
            let mut vocabulary = noted(first);
            vocabulary.add(noted(second));
            let counts: BTreeMap<String, i32> = vocabulary.into_words().collect();
            let count = |word| counts.get(word).copied();
            assert_eq!([count("of"), count("banana"), count("neck")], [Some(3), Some(2), Some(1)], "{at}");
            assert_eq!(counts.len(), 8, "{at}");
        }
    }
}
