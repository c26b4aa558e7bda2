//! The error type of this crate.

use steadfast_postgres::{ConnectError, UrlError};

/// A field that a verdict needs and that is missing in a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is missing in {of}, or of another type: is this PostgreSQL 15 to 18?")]
pub struct ExplainError {
    key: String,
    of: String,
}

impl ExplainError {
    pub(crate) fn new(key: &str, of: &str) -> Self {
        Self { key: key.to_owned(), of: of.to_owned() }
    }
}

/// Reason why no verdict was reached. Faults of statements are [`Finding`](crate::Finding)s, not errors.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of a database is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The recording session could not be opened.
    #[error("no recording session: {0}")]
    Connect(#[from] ConnectError),
    /// The server rejected a statement of this crate, or the connection was lost.
    #[error("cannot {doing}: {}", server_message(cause))]
    Database {
        /// Action that failed.
        doing: String,
        /// Error of the server or the driver.
        cause: tokio_postgres::Error,
    },
    /// The plan of a statement could not be read.
    #[error("the plan of `{statement}` cannot be read: {cause}")]
    Explain {
        /// Text of the statement, without values.
        statement: String,
        /// The missing field.
        cause: ExplainError,
    },
    /// The seeded data could not be frozen.
    #[error(
        "some pages are not visible to all transactions after VACUUM FREEZE: end the sessions on this server that hold an \
         old transaction open"
    )]
    NotFrozen,
    /// The server's statistics do not cover the program.
    #[error("the server's statistics prove nothing: {0}")]
    Statistics(String),
    /// The record of NULL parameters is incomplete, or belongs to another program.
    #[error("the record of NULL parameters proves nothing: {0}")]
    Binds(String),
    /// A step of the verification failed.
    #[error("{step}: {cause}")]
    During {
        /// The step, with its operation, case or database.
        step: String,
        /// Error of the step.
        cause: Box<Self>,
    },
    /// A function of the caller failed: a case, or the one that builds the database.
    #[error("{what}: {cause}")]
    Program {
        /// The function.
        what: String,
        /// Its error.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn database(doing: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Database { doing, cause }
    }

    pub(crate) fn during(step: impl FnOnce() -> String) -> impl FnOnce(Self) -> Self {
        move |cause| Self::During { step: step(), cause: Box::new(cause) }
    }

    pub(crate) fn program<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let what = what.into();
        move |cause: E| Self::Program { what, cause: cause.into() }
    }
}

/// Returns the server's message and the objects that it names; for other errors the text of the driver. Details are
/// omitted because they may contain values.
pub(crate) fn server_message(error: &tokio_postgres::Error) -> String {
    let Some(error) = error.as_db_error() else { return error.to_string() };
    let objects = [("table", error.table()), ("column", error.column()), ("constraint", error.constraint())];
    let others = objects.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
    let others = others.filter(|(_, name)| !error.message().contains(*name));
    let others: String = others.map(|(kind, name)| format!(", {kind} {name}")).collect();
    format!("{}{others} (SQLSTATE {})", error.message(), error.code().code())
}
