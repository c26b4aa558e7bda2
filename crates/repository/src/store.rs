//! The store, through which handlers use the database.

use crate::Error;
use std::time::Duration;
use steadfast_postgres::resilience::Deadline;
use steadfast_postgres::{
    Abort, Closed, Db, DbSettings, Health, Operation, PoolSettings, Read, SessionSettings, UnitOfWork,
    UrlError, Write,
};

/// Handle to the data of all areas. Cheap to clone; clones share the pool and the breaker.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
}

impl Store {
    /// Creates a store that uses `db`.
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Creates a store for the database at `url` with the pool settings for development. For tests.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the URL is invalid.
    pub fn connect(url: &str) -> Result<Self, UrlError> {
        Self::connect_with(url, SessionSettings::default())
    }

    /// Creates a store like [`Store::connect`], with settings for each session. For tools.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the URL is invalid or the file of certificate authorities cannot be read.
    pub fn connect_with(url: &str, session: SessionSettings) -> Result<Self, UrlError> {
        let pool = PoolSettings { session, ..PoolSettings::development() };
        Ok(Self::new(Db::new(url, DbSettings { pool, ..DbSettings::default() })?))
    }

    /// Returns a store whose units of work also end at `deadline`.
    #[must_use]
    pub fn within(&self, deadline: Deadline) -> Self {
        Self { db: self.db.within(deadline) }
    }

    /// Checks that the database responds, using an empty round trip.
    ///
    /// Call this before expensive work that would be wasted if the database turned out to be unavailable.
    ///
    /// # Errors
    /// Returns [`Error`] if the database does not respond.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.db.ping().await?)
    }

    /// Returns the state of the database. Uses no connection.
    pub fn health(&self) -> Health {
        self.db.health()
    }

    /// Closes the pool: rejects new units of work, waits up to `limit` for running ones, and closes all sessions.
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
