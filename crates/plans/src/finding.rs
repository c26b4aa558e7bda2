//! What is wrong: one finding, in the words of the person who has to mend it.

use serde::Serialize;
use std::fmt;

/// The rule that a finding breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A statement reads a table, or more of it than it may, without the index that should serve it.
    Unserved,
    /// A statement uses an index that its operation does not declare.
    Undeclared,
    /// An operation declares an index that none of its cases uses.
    Unclaimed,
    /// A sort goes to disk, or rows are read to be thrown away, or an index-only scan visits the table.
    Wasteful,
    /// A statement handles many more rows than it returns or changes.
    Unbounded,
    /// A case sends one statement more than twice.
    Repeated,
    /// A branch of an operation, or a kind of value, that no case shows.
    Branch,
    /// A declared bound or budget that no case needs.
    Unproven,
    /// A table with so little data that nothing is proven by reading it.
    Unseeded,
    /// The plan that a prepared statement changes to after five runs is not served.
    GenericPlan,
    /// The pages that are read grow with the table.
    Growth,
    /// The replay did not do what the run did.
    Replay,
    /// More statements than declared, or a number that depends on the data.
    Budget,
    /// Statistics of another sample choose another plan.
    NearTie,
    /// A statement that was seen belongs to no operation, or an operation has no case.
    Coverage,
    /// An index that nothing needs.
    Unneeded,
    /// A mutant that no case noticed.
    Survived,
    /// Something in the catalogue that should not be so.
    Catalogue,
}

/// One finding: what was expected, what is so, and what would mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The broken rule.
    pub rule: Rule,
    /// The operation, table or index that it is about.
    pub subject: String,
    /// The case in which it showed; empty for the catalogue.
    pub case: String,
    /// The statement, on one line; empty for the catalogue.
    pub statement: String,
    /// What should be so.
    pub expected: String,
    /// What is so.
    pub found: String,
    /// What would mend it.
    pub mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.subject)?;
        if !self.case.is_empty() {
            write!(f, " [{}]", self.case)?;
        }
        write!(f, ": expected {}; found {}", self.expected, self.found)?;
        if !self.statement.is_empty() {
            write!(f, "; in: {}", self.statement)?;
        }
        write!(f, "; mend: {}", self.mend)
    }
}
