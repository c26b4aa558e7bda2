//! What an operation promises, as inert data: the measure that its statements are held against.

use steadfast_postgres::{AnyOperation, Operation, Reads};

/// What one operation promises: how many statements, which indexes serve them, how much they may read.
///
/// Made from an [`Operation`], or by hand for a program that declares none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Its name, in findings and reports.
    pub operation: String,
    /// Maximum number of statements.
    pub statements: u32,
    /// Reason for repeating statements; `None` if each is sent at most twice.
    pub batch: Option<String>,
    /// The closed set of indexes that serve them: no other may be used.
    pub served_by: Vec<String>,
    /// The indexes by which the server finds the children of rows that go: used behind the statement, in no plan.
    pub supports_fk: Vec<String>,
    /// What it reads beyond what its indexes find, and why. `None`: nothing.
    pub reads: Option<(Reads, String)>,
}

impl Contract {
    /// One statement that no index serves: right for small tables alone.
    pub fn new(operation: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            statements: 1,
            batch: None,
            served_by: Vec::new(),
            supports_fk: Vec::new(),
            reads: None,
        }
    }

    /// Sets the maximum number of statements.
    #[must_use]
    pub fn statements(self, at_most: u32) -> Self {
        Self { statements: at_most, ..self }
    }

    /// Sets the maximum number of statements of an operation that repeats them, for this `reason`.
    #[must_use]
    pub fn batch(self, at_most: u32, reason: &str) -> Self {
        Self { statements: at_most, batch: Some(reason.to_owned()), ..self }
    }

    /// The indexes that serve its statements.
    #[must_use]
    pub fn served_by(self, indexes: &[&str]) -> Self {
        Self { served_by: owned(indexes), ..self }
    }

    /// The indexes that serve the foreign keys behind its statements.
    #[must_use]
    pub fn supports_fk(self, indexes: &[&str]) -> Self {
        Self { supports_fk: owned(indexes), ..self }
    }

    /// It reads more than what its indexes find, for this `reason`.
    #[must_use]
    pub fn reads(self, reads: Reads, reason: &str) -> Self {
        Self { reads: Some((reads, reason.to_owned())), ..self }
    }

    /// Whether it may read whole tables.
    pub(crate) fn reads_all(&self) -> bool {
        matches!(self.reads, Some((Reads::All, _)))
    }

    /// Returns true if the work of a statement may grow in proportion to the tables. `PostingLists` allows this only for
    /// statements that use an inverted index.
    pub(crate) fn grows_with_tables(&self, uses_inverted_index: bool) -> bool {
        match self.reads {
            Some((Reads::All, _)) => true,
            Some((Reads::PostingLists, _)) => uses_inverted_index,
            _ => false,
        }
    }

    /// Number of rows or pages that it may read for each row that it returns or changes, if it declares one.
    pub(crate) fn per_row(&self) -> Option<u64> {
        match self.reads {
            Some((Reads::PerMatch(limit), _)) => Some(limit.into()),
            _ => None,
        }
    }

    /// Number of rows that it may read whatever it returns; zero if it declares none.
    pub(crate) fn up_to(&self) -> u64 {
        match self.reads {
            Some((Reads::UpTo(rows), _)) => rows.into(),
            _ => 0,
        }
    }
}

impl<K> From<&Operation<K>> for Contract {
    fn from(operation: &Operation<K>) -> Self {
        Self::from(operation.any())
    }
}

impl From<&AnyOperation> for Contract {
    fn from(operation: &AnyOperation) -> Self {
        Self {
            operation: operation.name().to_owned(),
            statements: operation.statement_limit(),
            batch: operation.batch_reason().map(str::to_owned),
            served_by: owned(operation.indexes()),
            supports_fk: owned(operation.fk_indexes()),
            reads: operation.declared_reads().map(|(reads, reason)| (reads, reason.to_owned())),
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
