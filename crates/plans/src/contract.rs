//! Contracts: what an operation declares about its statements.

use steadfast_postgres::{AnyOperation, Operation, Reads};

/// Declarations of an operation: number of statements, indexes that serve them, rows that they may read.
///
/// Created from an [`Operation`], or by hand for a program that declares no operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Name of the operation.
    pub operation: String,
    /// Maximum number of statements.
    pub statements: u32,
    /// Reason for repeating statements; `None` if each is sent at most twice.
    pub batch: Option<String>,
    /// Indexes that serve the statements. No other index may be used.
    pub served_by: Vec<String>,
    /// Indexes that find the referencing rows when rows are deleted or keys change. They appear in no plan.
    pub supports_fk: Vec<String>,
    /// Rows that the operation reads beyond those that its indexes look up, with the reason.
    pub reads: Option<(Reads, String)>,
}

impl Contract {
    /// Creates the contract of one statement that uses no index, which is right for small tables only.
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

    /// Sets the indexes that serve the statements.
    #[must_use]
    pub fn served_by(self, indexes: &[&str]) -> Self {
        Self { served_by: owned(indexes), ..self }
    }

    /// Sets the indexes that serve foreign keys referencing the changed tables.
    #[must_use]
    pub fn supports_fk(self, indexes: &[&str]) -> Self {
        Self { supports_fk: owned(indexes), ..self }
    }

    /// Allows the operation to read more rows than its indexes look up, for this `reason`.
    #[must_use]
    pub fn reads(self, reads: Reads, reason: &str) -> Self {
        Self { reads: Some((reads, reason.to_owned())), ..self }
    }

    /// Returns true if the operation may read whole tables.
    pub(crate) fn reads_all(&self) -> bool {
        matches!(self.reads, Some((Reads::All, _)))
    }

    /// Returns true if a statement may read a number of rows in proportion to the tables. `PostingLists` allows that only to
    /// statements that use an inverted index.
    pub(crate) fn grows_with_tables(&self, uses_inverted_index: bool) -> bool {
        match self.reads {
            Some((Reads::All, _)) => true,
            Some((Reads::PostingLists, _)) => uses_inverted_index,
            _ => false,
        }
    }

    /// Returns the number of rows or pages that may be read for each row returned or changed, if declared.
    pub(crate) fn per_row(&self) -> Option<u64> {
        match self.reads {
            Some((Reads::PerMatch(limit), _)) => Some(limit.into()),
            _ => None,
        }
    }

    /// Returns the number of rows that may be read whatever is returned; zero by default.
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
