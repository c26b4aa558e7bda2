//! What can go wrong while statements are replayed: the one error of this crate.

use steadfast_postgres::{ConnectError, UrlError};

/// Something that is missing in a plan although a verdict rests on it.
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

/// Why a verdict could not be reached. What is wrong with a statement is a [`Finding`](crate::Finding), no error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of a database cannot be used.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The recording session could not be opened.
    #[error("no recording session: {0}")]
    Connect(#[from] ConnectError),
    /// The database refused a statement of this crate's own, or was lost.
    #[error("cannot {doing}: {}", said(cause))]
    Database {
        /// What was to be done.
        doing: String,
        /// What the server or the driver said.
        cause: tokio_postgres::Error,
    },
    /// The server explained a statement in a way that this crate does not understand.
    #[error("the plan of `{statement}` cannot be read: {cause}")]
    Explain {
        /// The statement, without its values.
        statement: String,
        /// What is missing.
        cause: ExplainError,
    },
    /// The seeded data could not be frozen.
    #[error(
        "some pages are not visible to all transactions after VACUUM FREEZE: end the sessions on this server that hold an \
         old transaction open"
    )]
    NotFrozen,
    /// The server's statistics of the program are not whole.
    #[error("the server's statistics prove nothing: {0}")]
    Statistics(String),
    /// The record of NULL parameters is not complete, or not one of the program.
    #[error("the record of NULL parameters proves nothing: {0}")]
    Binds(String),
    /// A step could not be finished.
    #[error("{step}: {cause}")]
    During {
        /// The step, and the operation, case or database that it was about.
        step: String,
        /// What it failed with.
        cause: Box<Self>,
    },
    /// What the caller gave to be run has failed: the program, or what builds its database.
    #[error("{what}: {cause}")]
    Program {
        /// What failed.
        what: String,
        /// What it failed with.
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

/// The server's own message where there is one, with the objects that it names besides: the driver's text is its kind only.
/// Details, which can show values, are left out.
pub(crate) fn said(error: &tokio_postgres::Error) -> String {
    let Some(error) = error.as_db_error() else { return error.to_string() };
    let objects = [("table", error.table()), ("column", error.column()), ("constraint", error.constraint())];
    let others = objects.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
    let others = others.filter(|(_, name)| !error.message().contains(*name));
    let others: String = others.map(|(kind, name)| format!(", {kind} {name}")).collect();
    format!("{}{others} (SQLSTATE {})", error.message(), error.code().code())
}
