//! The store: what a handler is given to work with. It holds the database privately.

use crate::Error;
use std::time::Duration;
use steadfast_postgres::resilience::Deadline;
use steadfast_postgres::{
    Abort, Closed, Db, DbSettings, Health, Operation, PoolSettings, Read, SessionSettings, UnitOfWork,
    UrlError, Write,
};

/// The data of all areas. Cheap to clone; all clones share pool and breaker.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
}

impl Store {
    /// The store in `db`.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// The store in the database at `url`, with the pool for one developer: for tests.
    ///
    /// # Errors
    /// [`UrlError`] when the URL cannot be used.
    pub fn connect(url: &str) -> Result<Self, UrlError> {
        Self::connect_with(url, SessionSettings::default())
    }

    /// As [`Store::connect`], each session beginning so: for tools.
    ///
    /// # Errors
    /// [`UrlError`] when the URL or the file of authorities cannot be used.
    pub fn connect_with(url: &str, session: SessionSettings) -> Result<Self, UrlError> {
        let pool = PoolSettings { session, ..PoolSettings::development() };
        Ok(Self::new(Db::new(url, DbSettings { pool, ..DbSettings::default() })?))
    }

    /// The same store, whose units of work also end by `deadline`.
    #[must_use]
    pub fn within(&self, deadline: Deadline) -> Self {
        Self { db: self.db.within(deadline) }
    }

    /// Makes sure that the database answers, without a statement: for callers that would do something dear first.
    ///
    /// # Errors
    /// [`Error`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.db.ping().await?)
    }

    /// How the database is doing. Touches no connection.
    pub fn health(&self) -> Health {
        self.db.health()
    }

    /// Closes the database's pool: accepts no more units of work, waits up to `limit` for those that run, and ends all
    /// sessions.
    pub async fn close(&self, limit: Duration) -> Closed {
        self.db.close(limit).await
    }

    pub(crate) async fn read<T, F>(&self, operation: &'static Operation<Read>, work: F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        Ok(self.db.read(operation, work).await?)
    }

    pub(crate) async fn write<T, F>(&self, operation: &'static Operation<Write>, work: F) -> Result<T, Error>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        Ok(self.db.write(operation, work).await?)
    }

    /// Runs a unit of work that may fail with an error of its own, which rolls it back.
    pub(crate) async fn try_write<T, F>(
        &self,
        operation: &'static Operation<Write>,
        work: F,
    ) -> Result<T, Error>
    where
        F: UnitOfWork<T, Abort<Error>>,
        T: Send,
    {
        Ok(self.db.try_write(operation, work).await?)
    }
}
