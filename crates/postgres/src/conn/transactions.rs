//! Transactions and savepoints of a connection.
//!
//! If the future of a nested level is dropped, its savepoint is still open when the outer level ends, and releasing the
//! innermost savepoint would be mistaken for the commit. So each level knows its own depth and ends only from there.

use super::Conn;
use super::NestedWork;
use diesel::QueryResult;
use diesel::connection::{TransactionDepthChange, TransactionManagerStatus};
use diesel::result::{DatabaseErrorKind, Error};
use diesel_async::{SimpleAsyncConnection, TransactionManager};

/// Error text for a COMMIT that PostgreSQL answered by ROLLBACK, which it does without an error if a statement had
/// failed.
const ROLLED_BACK: &str = "COMMIT was answered by ROLLBACK: nothing was stored, because the error of a failed statement was ignored";

const UNFINISHED: &str = "a statement or nested transaction was dropped before it finished, so its transaction cannot \
     be committed: nothing was stored; use a deadline of the operation instead of dropping futures inside of it";

const NESTED: &str = "nested transactions through the trait AsyncConnection are not supported: call `transaction` or \
     `savepoint` of the connection itself";

/// Depth of the open transaction and its savepoints.
#[derive(Debug, Default)]
pub struct Nesting(TransactionManagerStatus);

impl Nesting {
    /// Returns true if no transaction is open through this connection, and none failed to end.
    pub(super) fn is_none(&self) -> bool {
        self.depth() == Ok(0)
    }

    fn depth(&self) -> QueryResult<u32> {
        Ok(self.0.transaction_depth()?.map_or(0, std::num::NonZeroU32::get))
    }

    fn set_depth(&mut self, depth: u32) -> QueryResult<()> {
        while self.depth()? != depth {
            let change = match self.depth()? < depth {
                true => TransactionDepthChange::IncreaseDepth,
                false => TransactionDepthChange::DecreaseDepth,
            };
            if let TransactionManagerStatus::Valid(status) = &mut self.0 {
                status.change_transaction_depth(change)?;
            }
        }
        Ok(())
    }
}

impl Conn {
    /// Runs `work` in a transaction, or within a savepoint if a transaction is open. Commits if it returns `Ok`.
    ///
    /// This is for programs that use a [`Pool`](crate::Pool) without operations; see [`Db::write`](crate::Db::write).
    ///
    /// # Errors
    /// Returns the error of `work` after rolling the level back, or the error of BEGIN or COMMIT. If a statement or a
    /// nested level was dropped before it finished, the level is rolled back and an error is returned.
    pub async fn transaction<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: NestedWork<T, E>,
        E: From<Error> + Send,
        T: Send,
    {
        let outer = self.open_level("BEGIN").await?;
        let outcome = work(self).await;
        self.close_level(outer, outcome).await
    }

    /// Runs `work` within a savepoint of the open transaction. If `work` fails, its effects are rolled back and the
    /// transaction continues. Use this for statements that may be refused, for example because of a duplicate key.
    ///
    /// # Errors
    /// Returns the error of `work`, or `NotInTransaction` if no transaction is open, as in `Db::read`. If a statement
    /// or a nested level was dropped before it finished, the savepoint is rolled back and an error is returned.
    pub async fn savepoint<T, E, F>(&mut self, work: F) -> Result<T, E>
    where
        F: NestedWork<T, E>,
        E: From<Error> + Send,
        T: Send,
    {
        let outer = self.open_savepoint().await?;
        let outcome = work(self).await;
        self.close_level(outer, outcome).await
    }

    pub(crate) async fn open_savepoint(&mut self) -> QueryResult<u32> {
        if !self.is_in_transaction() {
            return Err(Error::NotInTransaction);
        }
        self.open_level("BEGIN").await
    }

    /// Opens a transaction with `begin`, or a savepoint if a transaction is open. Returns the depth of the outer level.
    pub(crate) async fn open_level(&mut self, begin: &str) -> QueryResult<u32> {
        let outer = self.nesting.depth()?;
        if self.has_unfinished_calls() {
            return Err(unfinished());
        }
        match outer {
            0 => self.batch_execute(begin).await?,
            _ => self.batch_execute(&format!("SAVEPOINT diesel_savepoint_{outer}")).await?,
        }
        self.nesting.set_depth(outer + 1)?;
        Ok(outer)
    }

    /// Ends the level inside of `outer`: commits it if `outcome` is `Ok`, rolls it back otherwise.
    pub(crate) async fn close_level<T, E>(&mut self, outer: u32, outcome: Result<T, E>) -> Result<T, E>
    where
        E: From<Error>,
    {
        match outcome {
            Ok(value) => self.commit_level(outer).await.map(|()| value).map_err(E::from),
            Err(error) => {
                // If the rollback fails, the connection is marked as broken; the first error is more useful.
                _ = self.roll_back_to(outer).await;
                Err(error)
            }
        }
    }

    /// Returns an error if the level inside of `outer` cannot be committed because work inside was dropped.
    pub(crate) fn check_finished(&self, outer: u32) -> QueryResult<()> {
        match self.nesting.depth()? {
            depth if depth == outer + 1 && !self.has_unfinished_calls() => Ok(()),
            _ => Err(unfinished()),
        }
    }

    pub(crate) async fn commit_level(&mut self, outer: u32) -> QueryResult<()> {
        if let Err(error) = self.check_finished(outer) {
            _ = self.roll_back_to(outer).await;
            return Err(error);
        }
        if outer == 0 {
            let answer = self.batch_execute("COMMIT").await;
            // The transaction is over, whatever the answer.
            self.nesting.set_depth(0)?;
            return answer;
        }
        match self.batch_execute(&format!("RELEASE SAVEPOINT diesel_savepoint_{outer}")).await {
            Ok(()) => self.nesting.set_depth(outer),
            Err(error) => {
                _ = self.roll_back_to(outer).await;
                Err(error)
            }
        }
    }

    /// Rolls back everything inside of `outer`. If that fails, no level of this connection can be ended.
    pub(crate) async fn roll_back_to(&mut self, outer: u32) -> QueryResult<()> {
        let undone = match self.has_unfinished_calls() {
            true => Err(unfinished()),
            false if outer == 0 => self.batch_execute("ROLLBACK").await,
            false => self.batch_execute(&format!("ROLLBACK TO SAVEPOINT diesel_savepoint_{outer}")).await,
        };
        let undone = match undone {
            Ok(()) => self.nesting.set_depth(outer),
            Err(error) => Err(error),
        };
        if undone.is_err() {
            self.nesting.0.set_in_error();
        }
        undone
    }

    /// Returns `answer`, unless `query` was a COMMIT that committed nothing.
    pub(super) fn verified(&self, query: &str, answer: QueryResult<()>) -> QueryResult<()> {
        if answer.is_ok() && query == "COMMIT" && !self.wire.has_committed() {
            return Err(own_error(ROLLED_BACK));
        }
        answer
    }
}

/// The transaction manager of [`Conn`], for code that is generic over diesel-async's `AsyncConnection`.
///
/// Nested transactions must use [`Conn::transaction`] or [`Conn::savepoint`].
#[derive(Debug)]
pub enum Transactions {}

impl TransactionManager<Conn> for Transactions {
    type TransactionStateData = Nesting;

    async fn begin_transaction(conn: &mut Conn) -> QueryResult<()> {
        match conn.nesting.depth()? {
            0 => conn.open_level("BEGIN").await.map(drop),
            _ => Err(own_error(NESTED)),
        }
    }

    async fn rollback_transaction(conn: &mut Conn) -> QueryResult<()> {
        match conn.nesting.depth()? {
            0 => Err(Error::NotInTransaction),
            _ => conn.roll_back_to(0).await,
        }
    }

    async fn commit_transaction(conn: &mut Conn) -> QueryResult<()> {
        match conn.nesting.depth()? {
            0 => Err(Error::NotInTransaction),
            _ => conn.commit_level(0).await,
        }
    }

    fn transaction_manager_status_mut(conn: &mut Conn) -> &mut TransactionManagerStatus {
        &mut conn.nesting.0
    }
}

fn own_error(text: &'static str) -> Error {
    Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()))
}

fn unfinished() -> Error {
    own_error(UNFINISHED)
}

fn is_own(error: &Error, text: &str) -> bool {
    matches!(error, Error::DatabaseError(_, info) if info.message() == text)
}

/// Returns true if COMMIT was answered by ROLLBACK.
pub(crate) fn was_rolled_back(error: &Error) -> bool {
    is_own(error, ROLLED_BACK)
}

/// Returns true if a statement or nested transaction was dropped before it finished.
pub(crate) fn was_unfinished(error: &Error) -> bool {
    is_own(error, UNFINISHED)
}
