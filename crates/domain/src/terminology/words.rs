//! Splitting of texts into words, and detection of misspelt words.

use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Number of letters at the beginning of a word from which [`forms`] deletes. Long words would have hundreds of forms,
/// and [`edit_distance`] compares the rest of the word.
const FORM_PREFIX: usize = 7;

/// Maximum length of words that may have only one typo; longer words may have two. With two typos, every third random
/// text of five letters would match a word of the terms.
const ONE_TYPO_MAX: usize = 6;

/// Maximum length of words in which only transposed letters count as a typo. With any typo, every third random text of
/// three letters would match a word.
const TRANSPOSITION_ONLY_MAX: usize = 3;

/// Returns the words of `text`: runs of letters and digits, [`folded`], in their order, including repeated words.
pub fn words(text: &str) -> Vec<String> {
    words_of_folded(&folded(text)).map(str::to_owned).collect()
}

/// Returns `text` in lower case without accents, so that "sjogren" finds Sjögren.
pub fn folded(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.is_ascii() { lower } else { lower.nfd().filter(|c| !is_combining_mark(*c)).collect() }
}

/// Returns the [`words`] of a text that is [`folded`] already, without copying them: a release has a million words.
pub fn words_of_folded(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Returns the maximum number of typos in a word of this length.
fn typos_max(word: &str) -> usize {
    if word.chars().count() <= ONE_TYPO_MAX { 1 } else { 2 }
}

/// Returns the number of typos in `typed` if it is a misspelling of `word`. Returns `None` if there are too many, or if
/// `word` has a digit, because another number is not a typo.
pub fn typos_in(typed: &str, word: &str) -> Option<usize> {
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let is_transposition = || letters(typed) == letters(word);
    let count = edit_distance(typed, word);
    let has_digit = word.chars().any(char::is_numeric);
    let is_long = typed.chars().count() > TRANSPOSITION_ONLY_MAX;
    let is_misspelling = !has_digit && count <= typos_max(typed) && (is_long || is_transposition());
    is_misspelling.then_some(count)
}

/// Returns the forms of `word`: its first letters with up to as many deletions as it may have typos. Two words within
/// that distance share a form, so an index of forms finds all candidates for a misspelling (the SymSpell algorithm).
pub fn forms(word: &str) -> HashSet<String> {
    let start: String = word.chars().take(FORM_PREFIX).collect();
    let mut forms = HashSet::from([start]);
    for _ in 0..typos_max(word) {
        let shorter: Vec<String> = forms.iter().flat_map(|form| deletions(form)).collect();
        forms.extend(shorter);
    }
    forms
}

fn deletions(form: &str) -> impl Iterator<Item = String> {
    let letters = if form.chars().count() > 1 { form.char_indices().collect() } else { Vec::new() };
    letters.into_iter().map(move |(at, letter)| [&form[..at], &form[at + letter.len_utf8()..]].concat())
}

/// Returns the optimal string alignment distance of two words: the number of deletions, insertions, substitutions and
/// transpositions of adjacent letters.
fn edit_distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (mut before_last, mut last) = (Vec::new(), (0..=other.len()).collect::<Vec<usize>>());
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, wanted) in other.iter().enumerate() {
            let substituted = last[j] + usize::from(letter != wanted);
            let mut least = substituted.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *letter == other[j - 1] && one[i - 1] == *wanted {
                let two_back: &Vec<usize> = &before_last;
                least = least.min(two_back[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn splits_text_into_lower_case_words() {
        assert_eq!(words("Crohn's disease, 2nd (old)"), ["crohn", "s", "disease", "2nd", "old"]);
        assert_eq!(words(" -,- "), [""; 0]);
    }

    #[test]
    fn removes_accents() {
        assert_eq!(words("Sjögren's, MÉNIÈRE"), ["sjogren", "s", "meniere"]);
        // With a combining accent, as some keyboards send it.
        assert_eq!(folded("Se\u{301}zary"), folded("Sézary"));
        assert_eq!(folded("Straße Ø"), "straße ø", "distinct letters");
    }

    #[test]
    fn transposition_is_one_edit() {
        for (one, other, distance) in [
            ("asthma", "asthmma", 1),
            ("hand", "hnad", 1),
            ("fever", "fevre", 1),
            ("hypertention", "hypertension", 1),
            ("femor", "femoral", 2),
            ("", "abc", 3),
            ("gout", "gout", 0),
        ] {
            assert_eq!(edit_distance(one, other), distance, "{one} {other}");
        }
    }

    #[test]
    fn longer_words_may_have_more_typos() {
        for (typed, word, typos) in [
            ("nad", "and", Some(1)),
            ("anx", "and", None),
            ("hnad", "hand", Some(1)),
            ("hxxd", "hand", None),
            ("femor", "femur", Some(1)),
            ("qwert", "wart", None),
            ("foobar", "lobar", None),
            ("hypertntoin", "hypertension", None),
            ("hypertenton", "hypertension", Some(2)),
            ("e11", "t11", None),
            ("covid19", "covid", Some(2)),
            ("femur", "femur", Some(0)),
        ] {
            assert_eq!(typos_in(typed, word), typos, "{typed} {word}");
        }
    }

    /// Returns `word` with one typo, chosen by `kind` and `at`.
    fn with_typo(word: &str, kind: u8, at: usize, letter: char) -> String {
        let mut letters: Vec<char> = word.chars().collect();
        let at = at % letters.len();
        match kind % 4 {
            0 if letters.len() > 1 => drop(letters.remove(at)),
            1 => letters.insert(at, letter),
            2 if at + 1 < letters.len() => letters.swap(at, at + 1),
            _ => letters[at] = letter,
        }
        letters.into_iter().collect()
    }

    proptest! {
        #[test]
        fn misspelling_shares_form(
            word in "[a-z]{3,12}",
            kinds in proptest::collection::vec((0_u8..4, 0_usize..20, proptest::char::range('a', 'z')), 1..=2),
        ) {
            let add = |word: String, (kind, at, letter): &(u8, usize, char)| with_typo(&word, *kind, *at, *letter);
            let misspelt = kinds.iter().fold(word.clone(), add);
            prop_assume!(edit_distance(&word, &misspelt) <= typos_max(&word).min(typos_max(&misspelt)));
            prop_assert!(!forms(&word).is_disjoint(&forms(&misspelt)), "{word} {misspelt}");
        }

        #[test]
        fn edit_distance_is_symmetric_and_zero_for_equal_words(one in "[a-c]{0,6}", other in "[a-c]{0,6}") {
            prop_assert_eq!(edit_distance(&one, &other), edit_distance(&other, &one));
            prop_assert_eq!(edit_distance(&one, &other) == 0, one == other);
        }
    }
}
