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

/// A fault of the program or its schema.
///
/// [`to_string`](ToString::to_string) renders a block of lines for a terminal; the JSON has all fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The broken rule.
    pub rule: Rule,
    /// Operation, table or index that breaks the rule.
    pub subject: String,
    /// Case that shows the fault, the worst of several; empty for the schema.
    pub case: String,
    /// Statement, on one line; empty for the schema.
    pub statement: String,
    /// Expectation that was not met.
    pub expected: String,
    /// Observation, with its figures.
    pub found: String,
    /// Suggested repair. The statement is the first suspect: an index or a bound is changed only if the statement is
    /// right.
    pub suggestion: String,
    /// Other cases that show the fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_in: Vec<Occurrence>,
}

/// Another case that shows a fault, with its figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Occurrence {
    /// Name of the case.
    pub case: String,
    /// Expectation in this case.
    pub expected: String,
    /// Observation in this case.
    pub found: String,
}

impl Finding {
    /// Creates a finding without a case or statement.
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
