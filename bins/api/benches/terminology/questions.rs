//! Random queries, and the evaluation of their answers.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use std::collections::HashMap;
use steadfast_domain::terminology::{ImportRow, Trigrams};

/// Maximum number of characters of a query.
const QUERY_MAX: usize = 100;

/// Maximum number of terms with the same prefix. A prefix that more terms share has no intended term.
const SHARED_MAX: usize = 8;

/// Threshold of pg_trgm's similarity.
const THRESHOLD: f64 = 0.3;

/// Change of a term to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The unchanged term.
    Exact,
    /// The words in another order.
    Reordered,
    OneTypo,
    TwoTypos,
    /// A prefix of at least three fifths of the term that at most eight terms share.
    Prefix,
}

const KINDS: [Kind; 5] = [Kind::Exact, Kind::Reordered, Kind::OneTypo, Kind::TwoTypos, Kind::Prefix];

/// Query, with the code of its term.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) kind: Kind,
    pub(crate) code: String,
    pub(crate) text: String,
}

/// Returns `count` random questions about `rows`, of all kinds in turn. The same seed gives the same questions. Longer
/// texts are truncated to the length of a query.
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

/// Counts the `terms`, which are sorted, with this prefix, up to one more than the maximum.
fn sharing(prefix: &str, terms: &[String]) -> usize {
    let from = terms.partition_point(|term| term.as_str() < prefix);
    terms[from..].iter().take(SHARED_MAX + 1).take_while(|term| term.starts_with(prefix)).count()
}

/// Returns `text` with one letter deleted, inserted or replaced, or with two adjacent letters exchanged.
fn with_typo(text: &str, random: &mut StdRng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let positions: Vec<usize> = (0..letters.len()).filter(|at| letters[*at].is_alphabetic()).collect();
    let Some(&at) = positions.choose(random) else { return text.to_owned() };
    let other = random.random_range('a'..='z');
    match random.random_range(0..4) {
        0 => drop(letters.remove(at)),
        1 => letters.insert(at, other),
        2 if at + 1 < letters.len() => letters.swap(at, at + 1),
        _ => letters[at] = other,
    }
    letters.into_iter().collect()
}

/// Index of all terms by trigram, which computes `similarity(term, query) > 0.3`.
pub(crate) struct Similarities {
    terms: Vec<Trigrams>,
    by_group: HashMap<u64, Vec<u32>>,
    positions: HashMap<String, usize>,
}

impl Similarities {
    pub(crate) fn new(rows: &[ImportRow]) -> Self {
        let terms: Vec<Trigrams> = rows.iter().map(|row| Trigrams::of(&row.term)).collect();
        let mut by_group: HashMap<u64, Vec<u32>> = HashMap::new();
        for (position, term) in (0_u32..).zip(&terms) {
            for group in term.packed() {
                by_group.entry(*group).or_default().push(position);
            }
        }
        let positions = rows.iter().enumerate().map(|(at, row)| (row.code.to_string(), at)).collect();
        Self { terms, by_group, positions }
    }

    /// Returns the three highest similarities to `query` above the threshold, the highest first.
    pub(crate) fn top(&self, query: &str) -> Vec<f64> {
        let query = Trigrams::of(query);
        let mut common = vec![0_u32; self.terms.len()];
        for position in query.packed().iter().filter_map(|group| self.by_group.get(group)).flatten() {
            common[*position as usize] += 1;
        }
        let similarities = common.iter().zip(&self.terms).map(|(common, term)| {
            f64::from(*common) / (query.count() + term.count() - *common as usize).max(1) as f64
        });
        let mut top: Vec<f64> = similarities.filter(|similarity| *similarity > THRESHOLD).collect();
        top.sort_unstable_by(|one, other| other.total_cmp(one));
        top.truncate(3);
        top
    }

    /// Returns true if `answer` has the three terms that are most similar to `query`. Terms of equal similarity are
    /// interchangeable.
    pub(crate) fn has_top(&self, query: &str, answer: &[String]) -> bool {
        let wanted = self.top(query);
        let query = Trigrams::of(query);
        let positions = answer.iter().filter_map(|code| self.positions.get(code));
        let mut found: Vec<f64> = positions.map(|at| query.similarity(&self.terms[*at])).collect();
        found.sort_unstable_by(|one, other| other.total_cmp(one));
        wanted.len() <= found.len()
            && wanted.iter().zip(&found).all(|(wanted, found)| found + 1e-9 >= *wanted)
    }
}

/// Numbers of questions and of good answers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quality {
    /// Number of questions.
    pub(crate) asked: u32,
    /// Number of answers with the intended code.
    pub(crate) found: u32,
    /// Number of answers with the three most similar terms.
    pub(crate) has_top: u32,
}

impl Quality {
    /// Counts an answer.
    pub(crate) fn count(&mut self, similarities: &Similarities, question: &Question, answer: &[String]) {
        self.asked += 1;
        self.found += u32::from(answer.contains(&question.code));
        self.has_top += u32::from(similarities.has_top(&question.text, answer));
    }

    /// Returns the share of answers with the intended code, from 0 to 1.
    pub(crate) fn found_share(&self) -> f64 {
        f64::from(self.found) / f64::from(self.asked.max(1))
    }

    /// Returns the share of answers with the three most similar terms, from 0 to 1.
    pub(crate) fn top_share(&self) -> f64 {
        f64::from(self.has_top) / f64::from(self.asked.max(1))
    }
}
