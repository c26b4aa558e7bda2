//! Queries made from random codes, and what answers to them have to have.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use std::collections::HashMap;
use steadfast_domain::terminology::{ImportRow, Trigrams};

/// The most characters that a query may have.
const QUERY_MAX: usize = 100;

/// Terms that may begin with a prefix that is asked for: with more, nobody could say which of them was meant.
const SHARED_MAX: usize = 8;

/// What pg_trgm's similarity has to exceed.
const THRESHOLD: f64 = 0.3;

/// How a query was made from a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The term itself.
    Exact,
    /// Its words in another order.
    Reordered,
    /// With one slip of the finger.
    OneTypo,
    /// With two.
    TwoTypos,
    /// Its beginning: at least three fifths, and so much that at most eight terms begin so.
    Prefix,
}

const KINDS: [Kind; 5] = [Kind::Exact, Kind::Reordered, Kind::OneTypo, Kind::TwoTypos, Kind::Prefix];

/// A query and the code that it was made from.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) kind: Kind,
    pub(crate) code: String,
    pub(crate) text: String,
}

/// `count` questions about `rows`, of all kinds in turn. The same seed gives the same questions. What is longer than a
/// query may be is cut.
pub(crate) fn questions(rows: &[ImportRow], seed: u64, count: usize) -> Vec<Question> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut terms: Vec<String> = rows.iter().map(|row| row.term.to_lowercase()).collect();
    terms.sort_unstable();
    let mut questions = Vec::new();
    for kind in KINDS.into_iter().cycle() {
        if questions.len() == count {
            break;
        }
        let made = std::iter::repeat_with(|| rows.choose(&mut random).map(|row| (row, random.random())));
        let mut tries = made.flatten().take(1_000);
        questions.extend(tries.find_map(|(row, seed)| {
            let text = make(kind, &row.term, &terms, &mut StdRng::seed_from_u64(seed))?;
            let text: String = text.chars().take(QUERY_MAX).collect::<String>().trim().to_owned();
            let code = row.code.to_string();
            (text.chars().count() > 1).then_some(Question { kind, code, text })
        }));
    }
    questions
}

fn make(kind: Kind, term: &str, terms: &[String], random: &mut StdRng) -> Option<String> {
    Some(match kind {
        Kind::Exact => term.to_owned(),
        Kind::Reordered => {
            let mut words: Vec<&str> = term.split([' ', ',']).filter(|word| !word.is_empty()).collect();
            words.shuffle(random);
            words.join(" ")
        }
        Kind::OneTypo => with_typo(term, random),
        Kind::TwoTypos => with_typo(&with_typo(term, random), random),
        Kind::Prefix => {
            let letters: Vec<char> = term.chars().collect();
            let begun = |end: usize| letters[..end].iter().collect::<String>();
            let ends = letters.len() * 3 / 5..=letters.len();
            return ends.map(begun).find(|prefix| sharing(&prefix.to_lowercase(), terms) <= SHARED_MAX);
        }
    })
}

/// How many of `terms`, which are in order, begin with `prefix`.
fn sharing(prefix: &str, terms: &[String]) -> usize {
    let from = terms.partition_point(|term| term.as_str() < prefix);
    terms[from..].iter().take(SHARED_MAX + 1).take_while(|term| term.starts_with(prefix)).count()
}

/// A letter left out, put in, mistaken, or exchanged with its neighbour.
fn with_typo(text: &str, random: &mut StdRng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_alphabetic()).collect();
    let Some(&at) = places.choose(random) else { return text.to_owned() };
    let other = random.random_range('a'..='z');
    match random.random_range(0..4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, other),
        2 if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => letters[at] = other,
    }
    letters.into_iter().collect()
}

/// All terms by their groups of three letters: the answer of `similarity(term, query) > 0.3` without reading them all.
pub(crate) struct Likeness {
    terms: Vec<Trigrams>,
    by_group: HashMap<u64, Vec<u32>>,
    places: HashMap<String, usize>,
}

impl Likeness {
    pub(crate) fn new(rows: &[ImportRow]) -> Self {
        let terms: Vec<Trigrams> = rows.iter().map(|row| Trigrams::of(&row.term)).collect();
        let mut by_group: HashMap<u64, Vec<u32>> = HashMap::new();
        for (place, term) in (0_u32..).zip(&terms) {
            for group in term.packed() {
                by_group.entry(*group).or_default().push(place);
            }
        }
        let places = rows.iter().enumerate().map(|(place, row)| (row.code.to_string(), place)).collect();
        Self { terms, by_group, places }
    }

    /// The three highest similarities to `query` above the threshold, the highest first.
    pub(crate) fn top(&self, query: &str) -> Vec<f64> {
        let query = Trigrams::of(query);
        let mut common = vec![0_u32; self.terms.len()];
        for place in query.packed().iter().filter_map(|group| self.by_group.get(group)).flatten() {
            common[*place as usize] += 1;
        }
        let likeness = common.iter().zip(&self.terms).map(|(common, term)| {
            f64::from(*common) / (query.count() + term.count() - *common as usize).max(1) as f64
        });
        let mut top: Vec<f64> = likeness.filter(|likeness| *likeness > THRESHOLD).collect();
        top.sort_unstable_by(|one, other| other.total_cmp(one));
        top.truncate(3);
        top
    }

    /// Whether `answer` has all that is among the three likest to `query`. Terms that are equally like it stand for each
    /// other: which of them is third is chance.
    pub(crate) fn has_top(&self, query: &str, answer: &[String]) -> bool {
        let wanted = self.top(query);
        let query = Trigrams::of(query);
        let places = answer.iter().filter_map(|code| self.places.get(code));
        let mut found: Vec<f64> = places.map(|place| query.similarity(&self.terms[*place])).collect();
        found.sort_unstable_by(|one, other| other.total_cmp(one));
        wanted.len() <= found.len()
            && wanted.iter().zip(&found).all(|(wanted, found)| found + 1e-9 >= *wanted)
    }
}

/// Of how many answers what was true.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quality {
    /// Questions that were answered.
    pub(crate) asked: u32,
    /// Answers with the code that the question was made from.
    pub(crate) found: u32,
    /// Answers with the three likest terms.
    pub(crate) has_top: u32,
}

impl Quality {
    /// Counts an answer.
    pub(crate) fn count(&mut self, likeness: &Likeness, question: &Question, answer: &[String]) {
        self.asked += 1;
        self.found += u32::from(answer.contains(&question.code));
        self.has_top += u32::from(likeness.has_top(&question.text, answer));
    }

    /// The share of answers with the code, from 0 to 1.
    pub(crate) fn found_share(&self) -> f64 {
        f64::from(self.found) / f64::from(self.asked.max(1))
    }

    /// The share of answers with the three likest terms, from 0 to 1.
    pub(crate) fn top_share(&self) -> f64 {
        f64::from(self.has_top) / f64::from(self.asked.max(1))
    }
}
