//! The rows of a release, made ready for its tables before any of them is touched.

use super::vocabulary::Vocabulary;
use crate::terminology::document::{Document, marks_of};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use steadfast_domain::terminology::{ImportRow, digest, folded, forms};

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
    /// The tables' contents for `rows`, made by two threads and the caller's.
    pub(super) fn new(rows: &'a [ImportRow]) -> Self {
        thread::scope(|scope| {
            let digest = scope.spawn(|| digest(rows));
            let (first, second) = rows.split_at(rows.len() / 2);
            let second = scope.spawn(|| documents(second));
            let (mut rows, mut vocabulary) = documents(first);
            let (more, others) = finished(second);
            rows.extend(more);
            vocabulary.add(others);
            let words = scope.spawn(|| words(vocabulary));
            rows.sort_by_cached_key(|(row, document)| {
                (document.weight, Reverse(row.billable), row.term.len(), &row.code)
            });
            Self { digest: finished(digest), rows, words: finished(words) }
        })
    }
}

fn finished<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn documents(rows: &[ImportRow]) -> (Vec<(&ImportRow, Document)>, Vocabulary) {
    let (mut vocabulary, mut marks) = (Vocabulary::default(), HashMap::new());
    let mut prepared = Vec::with_capacity(rows.len());
    for row in rows {
        let folded = folded(&row.term);
        let weight = vocabulary.weigh(&folded);
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
