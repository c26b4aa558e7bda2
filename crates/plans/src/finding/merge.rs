//! Merging of findings that several cases show.

use super::{Finding, Occurrence};
use crate::Rule;

/// Merges findings that differ only in their case and figures. The worst case, by the first figure in `found`, gives
/// the merged finding its case and figures; the others are listed in `also_in`.
pub(crate) fn merged(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut faults: Vec<Finding> = Vec::new();
    let mut positions: std::collections::HashMap<Key, usize> = std::collections::HashMap::new();
    for finding in findings {
        let position = *positions.entry(Key::of(&finding)).or_insert(faults.len());
        match faults.get_mut(position) {
            Some(fault) => fault.add(finding),
            None => faults.push(finding),
        }
    }
    faults
}

/// The parts that findings of one fault have in common.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    rule: Rule,
    subject: String,
    statement: String,
    /// Expectation, without figures.
    expected: String,
    suggestion: String,
    /// Observation of a finding without a case.
    found: Option<String>,
}

impl Key {
    fn of(finding: &Finding) -> Self {
        Self {
            rule: finding.rule,
            subject: finding.subject.clone(),
            statement: finding.statement.clone(),
            expected: finding.expected.split(' ').map(without_figure).collect::<Vec<_>>().join(" "),
            suggestion: finding.suggestion.clone(),
            found: finding.case.is_empty().then(|| finding.found.clone()),
        }
    }
}

fn without_figure(word: &str) -> &str {
    if figure_of(word).is_some() { "#" } else { word }
}

fn figure_of(word: &str) -> Option<u64> {
    word.trim_end_matches([',', ';']).parse().ok()
}

/// Returns the first figure of `text`: pages, rows or kilobytes. Larger is worse.
pub(super) fn figure(text: &str) -> u64 {
    text.split(' ').find_map(figure_of).unwrap_or_default()
}

impl Finding {
    fn add(&mut self, mut other: Self) {
        if figure(&other.found) > figure(&self.found) {
            std::mem::swap(self, &mut other);
        }
        let Self { case, expected, found, also_in, .. } = other;
        self.also_in.push(Occurrence { case, expected, found });
        self.also_in.extend(also_in);
        let Self { case, expected, found, .. } = self;
        self.also_in.retain(|other| (&other.case, &other.expected, &other.found) != (case, expected, found));
        self.also_in.sort();
        self.also_in.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(case: &str, expected: &str, found: &str) -> Finding {
        Finding {
            case: case.to_owned(),
            ..Finding::new(Rule::Growth, "books.find", expected, found, "look at the statement")
        }
    }

    #[test]
    fn merges_cases_of_one_fault_into_the_worst() {
        let all = [
            finding("few", "at most 20 pages", "90 pages for 1"),
            finding("many", "at most 40 pages", "900 pages for 1"),
            finding("none", "at most 10 pages", "80 pages for 1"),
            finding("few", "at most 20 pages", "90 pages for 1"),
        ];
        let [fault] = &merged(all)[..] else { panic!("one") };
        assert_eq!((&*fault.case, &*fault.found), ("many", "900 pages for 1"));
        assert_eq!(fault.cases(), ["many", "few", "none"]);
        assert_eq!(fault.also_in[1].expected, "at most 10 pages", "each case has its own figures");
        assert_eq!(
            merged([fault.clone(), fault.clone()])[..],
            *std::slice::from_ref(fault),
            "merged again, it is the same"
        );
    }

    #[test]
    fn separates_expectations_statements_and_suggestions() {
        let one = finding("few", "at most 20 pages", "90 pages");
        let others = [
            finding("few", "at most 20 rows", "90 rows"),
            Finding { statement: "SELECT 1".to_owned(), ..one.clone() },
            Finding { suggestion: "another".to_owned(), ..one.clone() },
            Finding { rule: Rule::Wasteful, ..one.clone() },
            Finding { subject: "books.list".to_owned(), ..one.clone() },
        ];
        assert_eq!(merged([one].into_iter().chain(others)).len(), 6);
    }

    #[test]
    fn merges_only_equal_findings_of_the_schema() {
        let (a, b) = (finding("", "one index", "the same as a"), finding("", "one index", "the same as b"));
        assert_eq!(merged([a.clone(), b.clone(), a.clone()]), [a, b]);
    }
}
