//! Writing many rows of which some may be refused: the good ones are kept, the others named.

use crate::Conn;
use crate::error::Error;
use crate::work::{UnitOfWork, Work};
use diesel::QueryResult;
use diesel_async::{AnsiTransactionManager, TransactionManager};
use std::ops::Range;
use steadfast_resilience::{Class, Classify};

/// What became of the items of a bulk write. Every item is either stored or refused.
#[derive(Debug, Default)]
pub struct Bulk {
    /// What the statements said that they wrote, added up.
    pub stored: usize,
    /// The items that were refused, by their place in the list, each with its reason.
    pub refused: Vec<(usize, Error)>,
}

impl Conn {
    /// Runs `work` within a savepoint of the open transaction. When it fails, what it did is undone and the transaction
    /// goes on as if nothing had happened: the way to try something that may be refused, such as a duplicate.
    ///
    /// # Errors
    /// What `work` failed with; or diesel's own error when no transaction is open, which is always so in `Db::read`.
    pub async fn savepoint<T, F>(&mut self, work: F) -> QueryResult<T>
    where
        F: UnitOfWork<T>,
        T: Send,
    {
        self.begin_savepoint().await?;
        let outcome = work(self).await;
        self.end_savepoint(outcome).await
    }

    /// Writes `items` with `insert`, which gets a part of them and says how many rows it wrote. When a part is refused as
    /// duplicate or conflict it is halved and tried again, until the refused items stand alone: they are named, all others
    /// are stored. Without refusals that is one statement and a savepoint; each refused item costs about twice the
    /// logarithm of their number more. Declare the operation's statements accordingly.
    ///
    /// # Errors
    /// Anything else than a duplicate or a conflict; then none of `items` is stored, once the transaction is rolled back.
    pub async fn keep_good<I, F>(&mut self, items: &[I], insert: F) -> QueryResult<Bulk>
    where
        F: for<'r> Work<(&'r mut Conn, &'r [I]), QueryResult<usize>, Fut: Send>
            + for<'r> AsyncFn((&'r mut Conn, &'r [I])) -> QueryResult<usize>
            + Send
            + Sync,
        I: Sync,
    {
        let mut bulk = Bulk::default();
        let mut parts: Vec<Range<usize>> = std::iter::once(0..items.len()).collect();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let these = &items[part.clone()];
            self.begin_savepoint().await?;
            let outcome = insert((&mut *self, these)).await;
            match self.end_savepoint(outcome).await {
                Ok(stored) => bulk.stored += stored,
                Err(error) => self.refuse(error, part, &mut parts, &mut bulk)?,
            }
        }
        Ok(bulk)
    }

    async fn begin_savepoint(&mut self) -> QueryResult<()> {
        if !self.is_in_transaction() {
            return Err(diesel::result::Error::NotInTransaction);
        }
        AnsiTransactionManager::begin_transaction(self).await
    }

    /// Keeps what was done since the savepoint, or undoes it when that failed.
    async fn end_savepoint<T>(&mut self, outcome: QueryResult<T>) -> QueryResult<T> {
        match outcome {
            Ok(value) => AnsiTransactionManager::commit_transaction(self).await.map(|()| value),
            Err(error) => {
                AnsiTransactionManager::rollback_transaction(self).await?;
                Err(error)
            }
        }
    }

    /// Names the one item that is refused, or has its part tried again in halves, the first half first.
    fn refuse(
        &self,
        error: diesel::result::Error,
        part: Range<usize>,
        parts: &mut Vec<Range<usize>>,
        bulk: &mut Bulk,
    ) -> QueryResult<()> {
        let is_refusal = self
            .sqlstate_of(&error)
            .is_some_and(|sqlstate| matches!(sqlstate.class(), Class::Duplicate | Class::Conflict));
        if !is_refusal {
            return Err(error);
        }
        if part.len() == 1 {
            bulk.refused.push((part.start, self.classify(error)));
            return Ok(());
        }
        let middle = part.start + part.len() / 2;
        parts.extend([middle..part.end, part.start..middle]);
        Ok(())
    }
}

impl Bulk {
    /// The places of the items that were refused because they exist already.
    pub fn duplicates(&self) -> impl Iterator<Item = usize> {
        self.refused.iter().filter(|(_, error)| error.class() == Class::Duplicate).map(|(place, _)| *place)
    }
}
