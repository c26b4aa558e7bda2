//! Bulk inserts that store the valid rows and report the rejected ones.

use crate::Conn;
use crate::error::Error;
use diesel::QueryResult;
use std::future::Future;
use std::ops::Range;
use steadfast_resilience::{Class, Classify};

/// Outcome of [`Conn::insert_valid`]. Every item is either stored or refused.
#[derive(Debug, Default)]
pub struct Bulk {
    /// Sum of the row counts that the statements returned.
    pub stored: usize,
    /// Refused items by index, each with its error.
    pub refused: Vec<(usize, Error)>,
}

/// The closure of [`Conn::insert_valid`]: inserts some of the items and returns the number of rows.
///
/// Implemented for every closure of this shape.
pub trait BulkInsert<'r, I: 'r>:
    AsyncFn(&'r mut Conn, &'r [I]) -> QueryResult<usize>
    + Fn(&'r mut Conn, &'r [I]) -> <Self as BulkInsert<'r, I>>::Fut
{
    /// The closure's future.
    type Fut: Future<Output = QueryResult<usize>> + Send;
}

impl<'r, I: 'r, F, Fut> BulkInsert<'r, I> for F
where
    F: AsyncFn(&'r mut Conn, &'r [I]) -> QueryResult<usize> + Fn(&'r mut Conn, &'r [I]) -> Fut,
    Fut: Future<Output = QueryResult<usize>> + Send,
{
    type Fut = Fut;
}

impl Conn {
    /// Inserts `items` with `insert`, which gets a slice of them and returns the number of rows.
    ///
    /// A slice that is refused as a duplicate or conflict is halved and retried until the refused items are isolated.
    /// They are reported, and all others are stored. Without refusals this costs one statement and a savepoint; each
    /// refused item costs about twice the logarithm of the number of items in additional statements. Declare the
    /// statements of the operation accordingly.
    ///
    /// # Errors
    /// Returns any error other than a duplicate or conflict. In that case none of `items` is stored, because the
    /// transaction must be rolled back.
    pub async fn insert_valid<I, F>(&mut self, items: &[I], insert: F) -> QueryResult<Bulk>
    where
        F: for<'r> BulkInsert<'r, I>
            + for<'r> AsyncFn(&'r mut Conn, &'r [I]) -> QueryResult<usize>
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
            let outer = self.open_savepoint().await?;
            let outcome = insert(&mut *self, &items[part.clone()]).await;
            match self.close_level(outer, outcome).await {
                Ok(stored) => bulk.stored += stored,
                Err(error) => self.refuse(error, part, &mut parts, &mut bulk)?,
            }
        }
        Ok(bulk)
    }

    /// Records the refused item, or queues both halves of its part, the first half first.
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
    /// Returns the indexes of the items that were refused as duplicates.
    pub fn duplicates(&self) -> impl Iterator<Item = usize> {
        self.refused.iter().filter(|(_, error)| error.class() == Class::Duplicate).map(|(index, _)| *index)
    }
}
