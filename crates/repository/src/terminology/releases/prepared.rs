//! Preparation of the rows of a release, before the transaction modifies any table.

use super::vocabulary::Vocabulary;
use crate::terminology::document::{Document, marks_of};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use steadfast_domain::terminology::{ImportRow, digest, folded, forms};

/// Contents of the tables of a release.
pub(super) struct Prepared<'a> {
    /// SHA-256 of the rows.
    pub(super) digest: Vec<u8>,
    /// Rows with their documents by weight, so that rows that are found together are stored together.
    pub(super) rows: Vec<(&'a ImportRow, Document)>,
    /// Vocabulary in alphabetical order.
    pub(super) words: Vec<Word>,
}

/// A word of the vocabulary.
pub(super) struct Word {
    /// The word.
    pub(super) word: String,
    /// Number of terms that contain the word.
    pub(super) documents: i32,
    /// Forms by which misspellings are found, see [`forms`], separated by blanks.
    pub(super) forms: String,
}

impl<'a> Prepared<'a> {
    /// Computes the contents for `rows`, on two additional threads.
    pub(super) fn new(rows: &'a [ImportRow]) -> Self {
        thread::scope(|scope| {
            let digest = scope.spawn(|| digest(rows));
            let (first, second) = rows.split_at(rows.len() / 2);
            let second = scope.spawn(|| documents(second));
            let (mut rows, mut vocabulary) = documents(first);
            let (more, others) = joined(second);
            rows.extend(more);
            vocabulary.merge(others);
            let words = scope.spawn(|| words(vocabulary));
            rows.sort_by_cached_key(|(row, document)| {
                (document.weight, Reverse(row.billable), row.term.len(), &row.code)
            });
            Self { digest: joined(digest), rows, words: joined(words) }
        })
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn documents(rows: &[ImportRow]) -> (Vec<(&ImportRow, Document)>, Vocabulary) {
    let (mut vocabulary, mut marks) = (Vocabulary::default(), HashMap::new());
    let mut prepared = Vec::with_capacity(rows.len());
    for row in rows {
        let folded = folded(&row.term);
        let weight = vocabulary.add_term(&folded);
        let marks: &String = marks.entry(&row.chapter).or_insert_with(|| marks_of(&row.chapter));
        prepared.push((row, Document::new(&folded, weight, marks)));
    }
    (prepared, vocabulary)
}

fn words(vocabulary: Vocabulary) -> Vec<Word> {
    let mut words: Vec<Word> =
        vocabulary.into_words().map(|(word, documents)| Word::new(word, documents)).collect();
    words.sort_unstable_by(|one, other| one.word.cmp(&other.word));
    words
}

impl Word {
    fn new(word: String, documents: i32) -> Self {
        let mut forms: Vec<String> = forms(&word).into_iter().collect();
        forms.sort_unstable();
        Self { word, documents, forms: forms.join(" ") }
    }
}
