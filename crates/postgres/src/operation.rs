//! Declarations of operations: name, limits, and the indexes that serve them.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

/// Kind of an operation, which determines how its statements run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads in autocommit mode.
    Read,
    /// Reads in one transaction, on one snapshot of the data.
    Snapshot,
    /// Writes in one transaction.
    Write,
}

/// Permission to read more of a table than the rows that the indexes find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Whole tables. The work may grow in proportion to them.
    All,
    /// At most this number of rows or pages for each row that is returned or changed.
    PerMatch(u32),
    /// At most this number of rows, whatever the size of the data and the values: a count or a ranking that stops at a
    /// limit.
    UpTo(u32),
    /// Posting lists of an inverted index, which grow with the table even if nothing matches. The table itself is read
    /// only through the index.
    PostingLists,
}

/// Marks an operation that reads. See [`Operation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {}

/// Marks an operation that writes. See [`Operation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {}

/// One access to the database, declared once as a `const` next to its query.
///
/// At run time the name is the span, the metric label and the log field, and the limits are enforced or reported.
/// Verification compares the plans of the statements with [`Operation::served_by`].
///
/// `K` is [`Read`] or [`Write`], so that an operation cannot be passed to the wrong method:
///
/// ```compile_fail
/// use steadfast_postgres::{Conn, Db, Error, Operation, Read};
///
/// const HEIGHT: Operation<Read> = Operation::read("trees.height");
///
/// async fn grow(db: &Db) -> Result<(), Error> {
///     db.write(&HEIGHT, async |_: &mut Conn| Ok(())).await
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<K> {
    any: AnyOperation,
    kind: PhantomData<K>,
}

/// Declaration of an operation of either kind, for code that handles all operations alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnyOperation {
    name: &'static str,
    kind: Kind,
    statements: u32,
    batch: Option<&'static str>,
    deadline: Option<Duration>,
    slow_after: Option<Duration>,
    served_by: &'static [&'static str],
    supports_fk: &'static [&'static str],
    reads: Option<(Reads, &'static str)>,
}

impl Operation<Read> {
    /// Declares a read-only operation of at most one statement. `name` is `area.verb`; it labels metrics, so it must
    /// not contain data.
    pub const fn read(name: &'static str) -> Self {
        Self::new(name, Kind::Read)
    }

    /// Runs all statements on one snapshot of the data, at the cost of a transaction.
    #[must_use]
    pub const fn snapshot(self) -> Self {
        Self::with(AnyOperation { kind: Kind::Snapshot, ..self.any })
    }
}

impl Operation<Write> {
    /// Declares a writing operation of at most one statement besides BEGIN and COMMIT. `name` is `area.verb`; it labels
    /// metrics, so it must not contain data.
    pub const fn write(name: &'static str) -> Self {
        Self::new(name, Kind::Write)
    }
}

impl<K> Operation<K> {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self::with(AnyOperation {
            name,
            kind,
            statements: 1,
            batch: None,
            deadline: None,
            slow_after: None,
            served_by: &[],
            supports_fk: &[],
            reads: None,
        })
    }

    const fn with(any: AnyOperation) -> Self {
        Self { any, kind: PhantomData }
    }

    /// Sets the maximum number of statements, regardless of the data. Exceeding it is logged as a warning and counted.
    ///
    /// Verification reports a limit that no case reaches, a limit above 10, and a statement that one case sends more
    /// than twice. An operation that needs either of the latter declares a [`batch`](Self::batch).
    #[must_use]
    pub const fn statements(self, at_most: u32) -> Self {
        Self::with(AnyOperation { statements: at_most, ..self.any })
    }

    /// Sets the maximum number of statements of an operation that repeats them, for example for each thousand rows of
    /// an import. `reason` appears in the report and says why one statement is not enough.
    #[must_use]
    pub const fn batch(self, at_most: u32, reason: &'static str) -> Self {
        Self::with(AnyOperation { statements: at_most, batch: Some(reason), ..self.any })
    }

    /// Sets the maximum time that a caller waits, including the pool and retries. Defaults to the deadline of the
    /// [`Db`](crate::Db).
    #[must_use]
    pub const fn deadline(self, limit: Duration) -> Self {
        Self::with(AnyOperation { deadline: Some(limit), ..self.any })
    }

    /// Sets the threshold for logging the operation as slow. Defaults to that of the [`Db`](crate::Db).
    #[must_use]
    pub const fn slow_after(self, threshold: Duration) -> Self {
        Self::with(AnyOperation { slow_after: Some(threshold), ..self.any })
    }

    /// Lists the indexes that serve the statements. The list is exhaustive: each member is used by some case, and no
    /// case uses another index.
    #[must_use]
    pub const fn served_by(self, indexes: &'static [&'static str]) -> Self {
        Self::with(AnyOperation { served_by: indexes, ..self.any })
    }

    /// Lists the indexes that find the child rows when parent rows are deleted or their keys change, and those that
    /// triggers use. Plans do not show these, because the server runs them after the statement.
    #[must_use]
    pub const fn supports_fk(self, indexes: &'static [&'static str]) -> Self {
        Self::with(AnyOperation { supports_fk: indexes, ..self.any })
    }

    /// Declares that the operation reads more than the rows that its indexes find. `reason` appears in the report.
    #[must_use]
    pub const fn reads(self, reads: Reads, reason: &'static str) -> Self {
        Self::with(AnyOperation { reads: Some((reads, reason)), ..self.any })
    }

    /// Returns the declaration without the kind in its type.
    pub const fn any(&self) -> &AnyOperation {
        &self.any
    }
}

impl<K> Deref for Operation<K> {
    type Target = AnyOperation;

    fn deref(&self) -> &AnyOperation {
        &self.any
    }
}

impl AnyOperation {
    /// Returns the name, `area.verb`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the kind of the operation.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the maximum number of statements.
    pub const fn statement_limit(&self) -> u32 {
        self.statements
    }

    /// Returns the reason for repeated statements, if the operation declares a batch.
    pub const fn batch_reason(&self) -> Option<&'static str> {
        self.batch
    }

    /// Returns the deadline that the operation declares.
    pub const fn own_deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Returns the slow threshold that the operation declares.
    pub const fn own_slow_after(&self) -> Option<Duration> {
        self.slow_after
    }

    /// Returns the indexes that serve the statements.
    pub const fn indexes(&self) -> &'static [&'static str] {
        self.served_by
    }

    /// Returns the indexes that serve the foreign keys.
    pub const fn fk_indexes(&self) -> &'static [&'static str] {
        self.supports_fk
    }

    /// Returns the declaration of additional reads and its reason, if any.
    pub const fn declared_reads(&self) -> Option<(Reads, &'static str)> {
        self.reads
    }
}
