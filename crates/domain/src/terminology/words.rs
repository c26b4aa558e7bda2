//! The words of a text, and which words are spelt nearly alike.

use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Letters at the beginning of a word within which [`forms`] leaves letters out: what differs further on is caught by
/// [`edits`], and long words would have hundreds of forms.
const FORMED: usize = 7;

/// Letters of the longest words that bear one slip; longer ones bear two. With two slips, every third random text of five
/// letters would be some word of the terms.
const SHORT: usize = 6;

/// Letters of the longest words that bear no slip but an exchange of letters: with one, every third random text of three
/// letters would be some word.
const TINY: usize = 3;

/// The words of `text`: runs of letters and digits, [`folded`], in their order, repetitions included.
pub fn words(text: &str) -> Vec<String> {
    words_of_folded(&folded(text)).map(str::to_owned).collect()
}

/// `text` in lower case, letters without their accents: who looks for Sjögren types "sjogren", finished or not.
pub fn folded(text: &str) -> String {
    let lower = text.to_lowercase();
    if lower.is_ascii() { lower } else { lower.nfd().filter(|c| !is_combining_mark(*c)).collect() }
}

/// As [`words`], where they lie in `folded`, a text that is [`folded`]: a release has a million of them.
pub fn words_of_folded(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// How many slips a word like `word` may have and still be taken for it.
fn slips(word: &str) -> usize {
    if word.chars().count() <= SHORT { 1 } else { 2 }
}

/// Counts the slips that make `typed` of `word`, or returns `None` if there are too many to mean it. A word with a digit
/// is never meant: another number is not a slip.
pub fn slips_of(typed: &str, word: &str) -> Option<usize> {
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    let is_exchange = || letters(typed) == letters(word);
    let count = edits(typed, word);
    let has_digit = word.chars().any(char::is_numeric);
    let is_meant = !has_digit && count <= slips(typed) && (typed.chars().count() > TINY || is_exchange());
    is_meant.then_some(count)
}

/// What is left of the first letters of `word` when none, one or two of them are left out, as many as the word bears
/// slips. Two words that are within that many slips of each other have a form in common, so an index of forms finds all
/// that can be meant by a misspelling.
pub fn forms(word: &str) -> HashSet<String> {
    let start: String = word.chars().take(FORMED).collect();
    let mut forms = HashSet::from([start]);
    for _ in 0..slips(word) {
        let shorter: Vec<String> = forms.iter().flat_map(|form| each_without_one(form)).collect();
        forms.extend(shorter);
    }
    forms
}

fn each_without_one(form: &str) -> impl Iterator<Item = String> {
    let places = if form.chars().count() > 1 { form.char_indices().collect() } else { Vec::new() };
    places.into_iter().map(move |(at, letter)| [&form[..at], &form[at + letter.len_utf8()..]].concat())
}

/// The slips between two words: letters left out, put in, mistaken, or two neighbours exchanged. No letter takes part in
/// more than one exchange (optimal string alignment).
fn edits(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let (mut before_last, mut last) = (Vec::new(), (0..=other.len()).collect::<Vec<usize>>());
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, wanted) in other.iter().enumerate() {
            let mistaken = last[j] + usize::from(letter != wanted);
            let mut least = mistaken.min(last[j + 1] + 1).min(row[j] + 1);
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
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        assert_eq!(words("Crohn's disease, 2nd (old)"), ["crohn", "s", "disease", "2nd", "old"]);
        assert_eq!(words(" -,- "), [""; 0]);
    }

    #[test]
    fn accents_do_not_count() {
        assert_eq!(words("Sjögren's, MÉNIÈRE"), ["sjogren", "s", "meniere"]);
        // Typed as letter and accent apart, as some keyboards send it.
        assert_eq!(folded("Se\u{301}zary"), folded("Sézary"));
        assert_eq!(folded("Straße Ø"), "straße ø", "letters of their own");
    }

    #[test]
    fn slips_are_counted_and_an_exchange_of_neighbours_is_one() {
        for (one, other, slips) in [
            ("asthma", "asthmma", 1),
            ("hand", "hnad", 1),
            ("fever", "fevre", 1),
            ("hypertention", "hypertension", 1),
            ("femor", "femoral", 2),
            ("", "abc", 3),
            ("gout", "gout", 0),
        ] {
            assert_eq!(edits(one, other), slips, "{one} {other}");
        }
    }

    #[test]
    fn word_is_meant_within_slips_that_its_length_bears() {
        for (typed, word, slips) in [
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
            assert_eq!(slips_of(typed, word), slips, "{typed} {word}");
        }
    }

    /// `word` with one slip, chosen by `kind` and `at`.
    fn slip(word: &str, kind: u8, at: usize, letter: char) -> String {
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
        fn a_word_and_its_misspelling_share_a_form(
            word in "[a-z]{3,12}",
            kinds in proptest::collection::vec((0_u8..4, 0_usize..20, proptest::char::range('a', 'z')), 1..=2),
        ) {
            let misspelt = kinds.iter().fold(word.clone(), |word, (kind, at, letter)| slip(&word, *kind, *at, *letter));
            prop_assume!(edits(&word, &misspelt) <= slips(&word).min(slips(&misspelt)));
            prop_assert!(!forms(&word).is_disjoint(&forms(&misspelt)), "{word} {misspelt}");
        }

        #[test]
        fn counting_slips_is_symmetric_and_zero_only_for_the_same(one in "[a-c]{0,6}", other in "[a-c]{0,6}") {
            prop_assert_eq!(edits(&one, &other), edits(&other, &one));
            prop_assert_eq!(edits(&one, &other) == 0, one == other);
        }
    }
}
