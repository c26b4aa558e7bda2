//! Bulk inserts that keep the valid rows and report the refused ones.

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
    /// Refused items, by their index, each with its reason.
    pub refused: Vec<(usize, Error)>,
}

/// The closure of [`Conn::insert_valid`]: inserts a part of the items and returns the number of rows.
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
    /// Inserts `items` with `insert`, which gets a part of them and returns the number of rows.
    ///
    /// A part that is refused as a duplicate or conflict is halved and tried again until the refused items are alone.
    /// They are reported and all others are stored. Without refusals this costs one statement and a savepoint; each
    /// refused item costs about twice the logarithm of the number of items more. Declare the statements of the operation
    /// accordingly.
    ///
    /// # Errors
    /// Returns any error other than a duplicate or conflict. None of `items` is stored then, because the transaction
    /// must be rolled back.
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

    /// Reports the item that is refused, or has its part tried again in halves, the first half first.
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
