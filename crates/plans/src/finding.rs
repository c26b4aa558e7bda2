//! Findings: what was expected, what happened, and what to do.

mod blocks;
mod excerpt;
mod explanation;
mod merge;
mod rule;

pub use explanation::Explanation;
pub use rule::{Rule, UnknownRule};

pub(crate) use blocks::{WIDTH, blocks, wrapped};
pub(crate) use merge::merged;

use serde::Serialize;

/// A fault: what was expected, what happened, and what to do.
///
/// [`to_string`](ToString::to_string) is a block of lines for a person; the JSON has everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The broken rule.
    pub rule: Rule,
    /// The operation, table or index that it is about.
    pub subject: String,
    /// The case that shows it, the worst one if several do; empty for the catalogue.
    pub case: String,
    /// The statement, on one line; empty for the catalogue.
    pub statement: String,
    /// What was expected.
    pub expected: String,
    /// What happened.
    pub found: String,
    /// What to do. The statement is the first suspect: an index or a bound changes only if the statement is right.
    pub suggestion: String,
    /// The other cases that show it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_in: Vec<Occurrence>,
}

/// A case that shows a fault, with its figures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Occurrence {
    /// The case.
    pub case: String,
    /// What was expected of it.
    pub expected: String,
    /// What happened in it.
    pub found: String,
}

impl Finding {
    /// Creates a finding that is about no single case or statement.
    pub fn new(
        rule: Rule,
        subject: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        suggestion: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            subject: subject.into(),
            case: String::new(),
            statement: String::new(),
            expected: expected.into(),
            found: found.into(),
            suggestion: suggestion.into(),
            also_in: Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "../tests/support/suspect.rs"]
mod suspect;
