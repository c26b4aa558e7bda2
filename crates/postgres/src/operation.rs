//! The declaration of one trip to the database: its name, its limits, and the indexes that serve it.

use std::time::Duration;

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads, each statement for itself.
    Read,
    /// Reads, all statements on one snapshot of the data.
    Snapshot,
    /// Changes something, in one transaction.
    Write,
}

/// How much of a table an operation may read, where that is more than what its indexes find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Whole tables: what it reads grows with them.
    All,
    /// At most so many pages, or rows thrown away, for each row that matches: what it reads grows with its matches.
    PerMatch(u32),
    /// The lists of an inverted index, which grow as the table does, also where nothing matches. The table itself is not
    /// read without the index.
    Lists,
}

/// One trip to the database, declared once as a `const` beside its query.
///
/// Inert data: at run time its name is span, metric label and log field, and its limits are watched; before release
/// the plans of its statements are held against [`Operation::served_by`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    name: &'static str,
    kind: Kind,
    statements: u32,
    deadline: Option<Duration>,
    slow_after: Option<Duration>,
    served_by: &'static [&'static str],
    supports_fk: &'static [&'static str],
    reads: Option<(Reads, &'static str)>,
}

impl Operation {
    /// A reading operation of at most one statement. `name` is `area.verb`, of low cardinality: it labels metrics.
    pub const fn read(name: &'static str) -> Self {
        Self {
            name,
            kind: Kind::Read,
            statements: 1,
            deadline: None,
            slow_after: None,
            served_by: &[],
            supports_fk: &[],
            reads: None,
        }
    }

    /// A writing operation of at most one statement besides BEGIN and COMMIT.
    pub const fn write(name: &'static str) -> Self {
        Self { kind: Kind::Write, ..Self::read(name) }
    }

    /// All statements of this reading operation see the same state of the data, at the cost of a transaction.
    #[must_use]
    pub const fn snapshot(self) -> Self {
        Self { kind: Kind::Snapshot, ..self }
    }

    /// Never more than so many statements, whatever the data. More is reported as a warning and counted.
    #[must_use]
    pub const fn statements(self, at_most: u32) -> Self {
        Self { statements: at_most, ..self }
    }

    /// The longest that a caller waits, pool and repetitions included; the `Db`'s default otherwise.
    #[must_use]
    pub const fn deadline(self, limit: Duration) -> Self {
        Self { deadline: Some(limit), ..self }
    }

    /// From when on it is reported as slow; the `Db`'s default otherwise.
    #[must_use]
    pub const fn slow_after(self, threshold: Duration) -> Self {
        Self { slow_after: Some(threshold), ..self }
    }

    /// The closed set of indexes that serve its statements: each is used by some case, no other by any.
    #[must_use]
    pub const fn served_by(self, indexes: &'static [&'static str]) -> Self {
        Self { served_by: indexes, ..self }
    }

    /// The indexes by which the server finds the children of rows that are deleted, or whose key changes: it looks for
    /// them behind the statement, so no plan shows them.
    #[must_use]
    pub const fn supports_fk(self, indexes: &'static [&'static str]) -> Self {
        Self { supports_fk: indexes, ..self }
    }

    /// It reads more than what its indexes find, for this `reason`, which stands in the report.
    #[must_use]
    pub const fn reads(self, reads: Reads, reason: &'static str) -> Self {
        Self { reads: Some((reads, reason)), ..self }
    }

    /// Its name, `area.verb`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it changes anything.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The most statements that it may send.
    pub const fn statement_limit(&self) -> u32 {
        self.statements
    }

    /// Its own deadline, if it has one.
    pub const fn own_deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Its own slow threshold, if it has one.
    pub const fn own_slow_after(&self) -> Option<Duration> {
        self.slow_after
    }

    /// The indexes that serve it.
    pub const fn indexes(&self) -> &'static [&'static str] {
        self.served_by
    }

    /// The indexes that serve the foreign keys behind it.
    pub const fn fk_indexes(&self) -> &'static [&'static str] {
        self.supports_fk
    }

    /// What it declares to read beyond what its indexes find, and why.
    pub const fn declared_reads(&self) -> Option<(Reads, &'static str)> {
        self.reads
    }
}
