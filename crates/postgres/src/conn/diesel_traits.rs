//! diesel-async's connection traits for [`Conn`]. Each statement is counted.

use super::Conn;
use super::call::Call;
use super::transactions::{Nesting, Transactions};
use crate::connect;
use crate::target::{SessionSettings, Target};
use diesel::connection::{CacheSize, Instrumentation};
use diesel::pg::Pg;
use diesel::query_builder::{AsQuery, QueryFragment, QueryId};
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::{AsyncConnection, AsyncConnectionCore, AsyncPgConnection, SimpleAsyncConnection};
use std::sync::Arc;

type Inner = AsyncPgConnection;

impl SimpleAsyncConnection for Conn {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        SimpleAsyncConnection::batch_execute(&mut &*self, query).await
    }
}

impl SimpleAsyncConnection for &Conn {
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        let mut inner = &self.inner;
        let answer = Call::new(&self.unfinished, &self.wire, Box::pin(inner.batch_execute(query))).await;
        self.verified(query, answer)
    }
}

impl AsyncConnectionCore for Conn {
    type LoadFuture<'conn, 'query> = Call<'conn, <Inner as AsyncConnectionCore>::LoadFuture<'conn, 'query>>;
    type ExecuteFuture<'conn, 'query> =
        Call<'conn, <Inner as AsyncConnectionCore>::ExecuteFuture<'conn, 'query>>;
    type Stream<'conn, 'query> = <Inner as AsyncConnectionCore>::Stream<'conn, 'query>;
    type Row<'conn, 'query> = <Inner as AsyncConnectionCore>::Row<'conn, 'query>;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        self.count_statement();
        Call::new(&self.unfinished, &self.wire, AsyncConnectionCore::load(&mut self.inner, source))
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        self.count_statement();
        Call::new(
            &self.unfinished,
            &self.wire,
            AsyncConnectionCore::execute_returning_count(&mut self.inner, source),
        )
    }
}

/// Shared access pipelines: futures that are polled together share round trips.
impl<'a> AsyncConnectionCore for &'a Conn {
    type LoadFuture<'conn, 'query> = Call<'a, <&'a Inner as AsyncConnectionCore>::LoadFuture<'conn, 'query>>;
    type ExecuteFuture<'conn, 'query> =
        Call<'a, <&'a Inner as AsyncConnectionCore>::ExecuteFuture<'conn, 'query>>;
    type Stream<'conn, 'query> = <&'a Inner as AsyncConnectionCore>::Stream<'conn, 'query>;
    type Row<'conn, 'query> = <&'a Inner as AsyncConnectionCore>::Row<'conn, 'query>;
    type Backend = Pg;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Pg> + QueryId + 'query,
    {
        self.count_statement();
        Call::new(&self.unfinished, &self.wire, AsyncConnectionCore::load(&mut &self.inner, source))
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Pg> + QueryId + 'query,
    {
        self.count_statement();
        Call::new(
            &self.unfinished,
            &self.wire,
            AsyncConnectionCore::execute_returning_count(&mut &self.inner, source),
        )
    }
}

impl Conn {
    /// Opens a connection outside of any pool with the given session settings.
    ///
    /// # Errors
    /// Returns [`ConnectionError`] with the cause. Errors about the URL repeat nothing of it.
    pub async fn establish_with(url: &str, session: &SessionSettings) -> ConnectionResult<Self> {
        let target = Target::new(url, session);
        let target = target.map_err(|error| ConnectionError::InvalidConnectionUrl(error.to_string()))?;
        let target = Arc::new(target);
        let opened = connect::within_limit(&target, Self::open(target.clone())).await;
        opened.map_err(|error| ConnectionError::BadConnection(error.to_string()))
    }
}

impl AsyncConnection for Conn {
    type TransactionManager = Transactions;

    async fn establish(database_url: &str) -> ConnectionResult<Self> {
        Self::establish_with(database_url, &SessionSettings::default()).await
    }

    fn transaction_state(&mut self) -> &mut Nesting {
        &mut self.nesting
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}
