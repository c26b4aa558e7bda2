//! The caller's own errors in units of work.

use crate::error::Error;
use std::convert::Infallible;

/// Error of a closure of [`Db::try_read`](crate::Db::try_read) or [`Db::try_write`](crate::Db::try_write): the caller's
/// own or the database's.
///
/// Inside the closure `D` is diesel's error, outside it is [`Error`], which carries the SQLSTATE. The operator `?`
/// converts diesel's errors and every `E` that implements [`CallerError`].
///
/// ```no_run
/// # use steadfast_postgres::{Abort, CallerError, Db, Error, Operation, Write};
/// # use steadfast_postgres::diesel::{sql_query};
/// # use steadfast_postgres::diesel_async::RunQueryDsl;
/// const BOOK: Operation<Write> = Operation::write("slots.book").served_by(&["slots_pkey"]);
///
/// struct SlotTaken;
///
/// impl CallerError for SlotTaken {}
///
/// async fn book(db: &Db) -> Result<(), Abort<SlotTaken, Error>> {
///     db.try_write(&BOOK, async |conn| {
///         let booked = sql_query("UPDATE slots SET free = false WHERE id = 7 AND free").execute(conn).await?;
///         if booked == 0 {
///             return Err(SlotTaken)?;
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Abort<E, D = diesel::result::Error> {
    /// The caller's own error. The transaction was rolled back; the unit of work is not retried.
    #[error("{0}")]
    Caller(E),
    /// The database's error. The unit of work is retried as the `Db` is configured.
    #[error("{0}")]
    Database(D),
}

/// Marks error types that `?` converts into [`Abort::Caller`].
pub trait CallerError {}

impl<E: CallerError, D> From<E> for Abort<E, D> {
    fn from(error: E) -> Self {
        Self::Caller(error)
    }
}

impl<E> From<diesel::result::Error> for Abort<E> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error)
    }
}

/// An error that the closure of a unit of work may return: diesel's own or an [`Abort`].
pub(crate) trait WorkError: Send {
    type Caller: Send;

    fn split(self) -> Abort<Self::Caller>;
}

impl WorkError for diesel::result::Error {
    type Caller = Infallible;

    fn split(self) -> Abort<Infallible> {
        Abort::Database(self)
    }
}

impl<E: Send> WorkError for Abort<E> {
    type Caller = E;

    fn split(self) -> Self {
        self
    }
}

impl Abort<Infallible, Error> {
    /// Returns the database's error, which is the only possible one.
    pub(crate) fn into_database(self) -> Error {
        match self {
            Self::Caller(never) => match never {},
            Self::Database(error) => error,
        }
    }
}
