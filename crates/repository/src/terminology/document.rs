//! Documents of the full-text index and conditions on them.
//!
//! The document of a term has its words, and marks for its chapter and its weight. Marks begin with `~`, unlike words.
//! The weight is the number of distinct trigrams of the term. Of the terms that have all words of a query, the one with
//! the least weight is the most similar, so ranges of weight are tried in order instead of ranking all matches of a
//! frequent word.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use steadfast_domain::terminology::words_of_folded;

/// Number of weights that share a mark.
const RANGE: usize = 8;

/// Last mark, which all higher weights share.
const LAST: usize = 15;

/// Maximum number of groups that are combined, because the length of a condition grows rapidly with their number.
const COMBINED_MAX: usize = 8;

/// Maximum length of words that are too unspecific to be required.
const SHORT_WORD: usize = 3;

/// The document of a row.
pub(super) struct Document {
    /// Number of distinct trigrams of the term.
    pub(super) weight: i16,
    /// Words and marks, separated by blanks.
    pub(super) lexemes: String,
}

impl Document {
    /// Creates the document of a folded term. `marks` are those of its chapter, see [`marks_of`].
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

/// Returns the marks of a chapter such as `19 Injury, poisoning (S00-T88)`, each preceded by a blank.
pub(super) fn marks_of(chapter: &str) -> String {
    chapter_marks(chapter).map(|mark| format!(" ~c{mark}")).collect()
}

/// Returns the number and the range of a chapter such as `19 Injury, poisoning (S00-T88)`.
fn chapter_marks(chapter: &str) -> impl Iterator<Item = String> {
    let number = chapter.split(' ').next();
    let range = chapter.rsplit_once('(').and_then(|(_, range)| range.strip_suffix(')'));
    let marks = number.into_iter().chain(range).filter(|mark| !mark.contains([' ', '\'', '\\']));
    marks.map(str::to_lowercase)
}

/// Returns the condition that a document is in the chapter, which is a number or a range.
pub(super) fn of_chapter(chapter: &str) -> String {
    format!("'~c{chapter}'")
}

/// Words of which a term must have at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alternatives {
    /// The words, most likely first.
    pub(super) words: Vec<String>,
    /// Prefix that also matches.
    pub(super) beginning: Option<String>,
}

impl Alternatives {
    /// Matches exactly `word`.
    pub(super) fn word(word: &str) -> Self {
        Self { words: vec![word.to_owned()], beginning: None }
    }

    /// Matches all words that begin with `word`.
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

/// Returns conditions for terms that match all of `groups`, in the order in which to try them: first light terms, then
/// heavier ones in growing ranges. The first condition finds enough terms for frequent words; rare words need all of
/// them.
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

/// Returns conditions for terms that match most of `groups`, in the order in which to try them: all groups, all but
/// one, and so on.
///
/// Short words are ignored if there are longer ones. Conditions that allow missing words are restricted to terms of
/// similar weight, the most similar first, because other terms cannot be similar to the query.
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

/// Returns the maximum number of groups that may be missing.
fn missing_max(groups: usize) -> usize {
    if groups > 4 { 3 } else { 2 }
}

/// Returns the condition that at most `missing` of `groups` are missing, or `None` if it is always true.
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

    /// Returns true if a document of `words` satisfies a condition of words, `&`, `|` and parentheses.
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
    fn condition_limits_missing_words() {
        let all = ["ache", "bone", "cold", "drug", "ears"];
        for missing in 0..=2 {
            let condition = all_but(&groups(&all), missing).expect("a condition");
            for chosen in 0_u32..1 << all.len() {
                let present: Vec<&str> = all
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| chosen >> at & 1 == 1)
                    .map(|(_, word)| *word)
                    .collect();
                assert_eq!(
                    holds(&condition, &present),
                    present.len() + missing >= all.len(),
                    "{condition} {present:?}"
                );
            }
        }
        assert_eq!(all_but(&groups(&["ache"]), 1), None, "always true");
    }

    #[test]
    fn conditions_cover_weights_once_in_order() {
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
    fn ignores_short_words_among_longer_ones() {
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
    fn document_has_words_and_marks() {
        let document = Document::new("gout", 5, &marks_of("13 Diseases of bones (M00-M99)"));
        assert_eq!((document.weight, document.lexemes.as_str()), (5, "gout ~w0 ~c13 ~cm00-m99"));
    }
}
