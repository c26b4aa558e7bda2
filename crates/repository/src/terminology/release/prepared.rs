//! The rows of a release, made ready for its tables before any of them is touched.

use crate::terminology::document::{Document, words_of};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use steadfast_domain::terminology::{ImportRow, digest, forms};

/// What goes into the tables of a release.
pub(super) struct Prepared<'a> {
    /// SHA-256 of the rows.
    pub(super) digest: Vec<u8>,
    /// The rows with their documents, lightest first: what is found together lies together.
    pub(super) rows: Vec<(&'a ImportRow, Document)>,
    /// The vocabulary, in alphabetical order.
    pub(super) words: Vec<Word>,
}

/// One word of the vocabulary.
pub(super) struct Word {
    /// The word.
    pub(super) word: String,
    /// How many terms have it.
    pub(super) documents: i32,
    /// What it may be misspelt as, see [`forms`], separated by blanks.
    pub(super) forms: String,
}

impl<'a> Prepared<'a> {
    /// The tables' contents for `rows`.
    pub(super) fn new(rows: &'a [ImportRow]) -> Self {
        let mut documents: HashMap<String, i32> = HashMap::new();
        let mut prepared: Vec<(&ImportRow, Document)> = Vec::with_capacity(rows.len());
        for row in rows {
            let words = words_of(row);
            prepared.push((row, Document::new(row, &words)));
            for word in HashSet::<String>::from_iter(words) {
                *documents.entry(word).or_default() += 1;
            }
        }
        prepared.sort_unstable_by_key(|(row, document)| {
            (document.weight, Reverse(row.billable), row.term.len(), &row.code)
        });
        let mut words: Vec<Word> =
            documents.into_iter().map(|(word, documents)| Word::new(word, documents)).collect();
        words.sort_unstable_by(|one, other| one.word.cmp(&other.word));
        Self { digest: digest(rows), rows: prepared, words }
    }
}

impl Word {
    fn new(word: String, documents: i32) -> Self {
        let mut forms: Vec<String> = forms(&word).into_iter().collect();
        forms.sort_unstable();
        Self { word, documents, forms: forms.join(" ") }
    }
}
