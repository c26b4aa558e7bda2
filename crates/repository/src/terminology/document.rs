//! What the full-text index knows of a term: its words, and marks for its chapter and its weight; and how to ask for them.
//!
//! A mark begins with `~`, which no word does. Weight is the number of different groups of three letters of the term: of
//! the terms that have all words of a query the one of least weight is the likest, so ranges of weight are tried in order
//! instead of ranking all matches of a frequent word.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use steadfast_domain::terminology::words_of_folded;

/// Weights that share a mark.
const RANGE: usize = 8;

/// The mark of all weights above the others.
const LAST: usize = 15;

/// Groups whose combinations are spelt out: their number grows with the square.
const COMBINED_MAX: usize = 8;

/// Words up to this length say too little to be counted on.
const SHORT_WORD: usize = 3;

/// The document of one row.
pub(super) struct Document {
    /// How many different groups of three letters its term has.
    pub(super) weight: i16,
    /// Words and marks, separated by blanks.
    pub(super) lexemes: String,
}

impl Document {
    /// The document of a folded term that weighs so much, in a chapter of these `marks`, see [`marks_of`].
    pub(super) fn new(folded: &str, weight: usize, marks: &str) -> Self {
        let mut lexemes = String::with_capacity(folded.len() + marks.len() + 8);
        for word in words_of_folded(folded) {
            lexemes.push_str(word);
            lexemes.push(' ');
        }
        // Writing to a String cannot fail.
        _ = write!(lexemes, "~w{}{marks}", weight.div_euclid(RANGE).min(LAST));
        Self { weight: i16::try_from(weight).unwrap_or(i16::MAX), lexemes }
    }
}

/// The marks of a chapter such as `19 Injury, poisoning (S00-T88)`, each with a blank before it.
pub(super) fn marks_of(chapter: &str) -> String {
    chapter_marks(chapter).map(|mark| format!(" ~c{mark}")).collect()
}

/// Number and range of a chapter such as `19 Injury, poisoning (S00-T88)`.
fn chapter_marks(chapter: &str) -> impl Iterator<Item = String> {
    let number = chapter.split(' ').next();
    let range = chapter.rsplit_once('(').and_then(|(_, range)| range.strip_suffix(')'));
    let marks = number.into_iter().chain(range).filter(|mark| !mark.contains([' ', '\'', '\\']));
    marks.map(str::to_lowercase)
}

/// The marks of a chapter that a caller named, as a condition of its own.
pub(super) fn of_chapter(chapter: &str) -> String {
    format!("'~c{chapter}'")
}

/// Words of which a term is to have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternatives {
    /// The words, the likest first.
    pub(super) words: Vec<String>,
    /// The beginning of a word that will do as well.
    pub(super) beginning: Option<String>,
}

impl Alternatives {
    /// The word as it stands.
    pub(super) fn word(word: &str) -> Self {
        Self { words: vec![word.to_owned()], beginning: None }
    }

    /// Any word that begins so.
    pub(super) fn beginning(word: &str) -> Self {
        Self { words: Vec::new(), beginning: Some(word.to_owned()) }
    }

    fn length(&self) -> usize {
        self.words.iter().chain(&self.beginning).map(|word| word.chars().count()).max().unwrap_or(0)
    }

    fn condition(&self) -> String {
        let words = self.words.iter().map(|word| format!("'{word}'"));
        let all: Vec<String> = words.chain(self.beginning.iter().map(|word| format!("'{word}':*"))).collect();
        format!("({})", all.join("|"))
    }
}

/// Conditions to be tried in this order, for terms that have a word of each of `groups`: light terms first, then heavier
/// ones, in growing ranges. Rare words run through all of them, frequent ones give enough in the first.
pub(super) fn all_of(groups: &[Alternatives], weight: usize, chapter: Option<&str>) -> Vec<String> {
    let words: Vec<String> = groups.iter().map(Alternatives::condition).collect();
    let words = words.join("&");
    let (mut from, mut to, mut wider) = (0, (weight / RANGE + 1).min(LAST), 1);
    let mut conditions = Vec::new();
    while from <= LAST {
        conditions.push(restricted(&words, from..=to, chapter));
        (from, to) = (to + 1, (to + wider).min(LAST));
        wider *= 2;
    }
    conditions
}

/// Conditions to be tried in this order, for terms that have a word of most of `groups`: of all, of all but one, and so
/// on. Short words are not counted where there are others. With a word missing, terms of nearly this weight come first,
/// and only terms of about this weight at all, since no other can be like the query.
pub(super) fn most_of(mut groups: Vec<Alternatives>, weight: usize, chapter: Option<&str>) -> Vec<String> {
    if groups.is_empty() {
        return Vec::new();
    }
    if groups.iter().any(|group| group.length() > SHORT_WORD) {
        groups.retain(|group| group.length() > SHORT_WORD);
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.length()));
    groups.truncate(COMBINED_MAX);
    let nearly = (weight * 3 / 4 / RANGE).min(LAST)..=(weight * 4 / 3 / RANGE).min(LAST);
    let about = (weight * 2 / 5 / RANGE).min(LAST)..=(weight * 9 / 4 / RANGE).min(LAST);
    let mut conditions = all_of(&groups, weight, chapter);
    for condition in (1..=missing_max(groups.len())).filter_map(|missing| all_but(&groups, missing)) {
        conditions.extend([&nearly, &about].map(|range| restricted(&condition, range.clone(), chapter)));
    }
    conditions
}

/// How many words of so many may be missing.
fn missing_max(groups: usize) -> usize {
    if groups > 4 { 3 } else { 2 }
}

/// The condition that at most `missing` of `groups` are missing; `None` when that is no condition.
fn all_but(groups: &[Alternatives], missing: usize) -> Option<String> {
    let (first, rest) = groups.split_first().filter(|_| groups.len() > missing)?;
    let has_first = match all_but(rest, missing) {
        Some(others) => format!("{}&({others})", first.condition()),
        None => first.condition(),
    };
    let without = missing.checked_sub(1).and_then(|left| all_but(rest, left));
    Some(match without {
        Some(others) => format!("{has_first}|({others})"),
        None => has_first,
    })
}

fn restricted(condition: &str, weights: RangeInclusive<usize>, chapter: Option<&str>) -> String {
    let marks: Vec<String> = weights.map(|range| format!("'~w{range}'")).collect();
    let chapter = chapter.map(|chapter| format!("&{}", of_chapter(chapter))).unwrap_or_default();
    format!("({condition})&({}){chapter}", marks.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(words: &[&str]) -> Vec<Alternatives> {
        words.iter().map(|word| Alternatives::word(word)).collect()
    }

    /// Whether a document of these words fulfils a condition of words, `&`, `|` and brackets.
    fn holds(condition: &str, words: &[&str]) -> bool {
        let mut depth = 0;
        for operator in ['|', '&'] {
            let split = condition.char_indices().find(|(_, letter)| {
                depth += i32::from(*letter == '(') - i32::from(*letter == ')');
                depth == 0 && *letter == operator
            });
            if let Some((at, _)) = split {
                let (left, right) = (holds(&condition[..at], words), holds(&condition[at + 1..], words));
                return if operator == '|' { left || right } else { left && right };
            }
        }
        match condition.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
            Some(inner) => holds(inner, words),
            None => words.contains(&condition.trim_matches('\'')),
        }
    }

    #[test]
    fn a_condition_holds_when_no_more_words_are_missing_than_may() {
        let all = ["ache", "bone", "cold", "drug", "ears"];
        for missing in 0..=2 {
            let condition = all_but(&groups(&all), missing).expect("a condition");
            for chosen in 0_u32..1 << all.len() {
                let there: Vec<&str> = all
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| chosen >> at & 1 == 1)
                    .map(|(_, word)| *word)
                    .collect();
                assert_eq!(
                    holds(&condition, &there),
                    there.len() + missing >= all.len(),
                    "{condition} {there:?}"
                );
            }
        }
        assert_eq!(all_but(&groups(&["ache"]), 1), None, "nothing would be asked for");
    }

    #[test]
    fn every_weight_is_asked_for_once_and_the_light_ones_first() {
        for weight in [0, 5, 40, 119, 120, 500] {
            let conditions = all_of(&groups(&["ache"]), weight, None);
            let marks: Vec<String> = conditions
                .iter()
                .flat_map(|condition| condition.split('\'').filter(|part| part.starts_with("~w")))
                .map(str::to_owned)
                .collect();
            assert_eq!(marks, (0..=LAST).map(|range| format!("~w{range}")).collect::<Vec<_>>(), "{weight}");
        }
    }

    #[test]
    fn short_words_are_not_counted_on_where_there_are_others() {
        let conditions = most_of(groups(&["of", "the", "femur"]), 20, Some("19"));
        assert!(
            conditions
                .iter()
                .all(|condition| condition.starts_with("(('femur'))&(") && condition.ends_with("&'~c19'"))
        );
        assert!(most_of(groups(&["of", "the"]), 8, None)[0].contains("'of'"));
        assert_eq!(most_of(Vec::new(), 0, None), [""; 0]);
    }

    #[test]
    fn a_document_has_the_words_the_weight_and_both_names_of_the_chapter() {
        let document = Document::new("gout", 5, &marks_of("13 Diseases of bones (M00-M99)"));
        assert_eq!((document.weight, document.lexemes.as_str()), (5, "gout ~w0 ~c13 ~cm00-m99"));
    }
}
