//! Lists: pages with a bounded total, and lists without pages.

#![expect(
    clippy::manual_async_fn,
    reason = "the compiler cannot derive `Send` for these futures as async functions"
)]

use crate::row::Parse;
use crate::{Error, Store};
use futures_util::future::try_join;
use serde::Serialize;
use steadfast_domain::page::{NUMBERED_MAX, Page, Position};
use steadfast_postgres::diesel::QueryResult;
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use steadfast_postgres::diesel::query_dsl::methods::{FilterDsl, LimitDsl, OffsetDsl};
use steadfast_postgres::diesel::sql_types::BigInt;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::diesel_async::methods::LoadQuery;
use steadfast_postgres::{Abort, Conn, Operation, Read, Reads};

/// Declares that `operation` sends the two statements of [`page()`].
pub(crate) const fn paged(operation: Operation<Read>) -> Operation<Read> {
    operation.statements(2).reads(
        Reads::UpTo(NUMBERED_MAX + 1),
        "the total is counted up to 10,001 rows, of which the last page may be shown",
    )
}

/// Restricts `query` to the page at `position`, and one row more. `after` is the condition on the rows after a cursor.
pub(crate) fn page_at<'p, Q, C, F>(query: Q, position: &'p Position<C>, after: impl FnOnce(&'p C) -> F) -> Q
where
    Q: FilterDsl<F, Output = Q> + LimitDsl<Output = Q> + OffsetDsl<Output = Q>,
{
    let query = query.limit(position.limit());
    match position.cursor() {
        Some(last) => query.filter(after(last)),
        None => query.offset(position.offset()),
    }
}

/// Returns a page with the total: two statements in one round trip. `rows` selects the page and one row more, `count` is
/// a [`BoundedCount`], and `key` returns the sort key of a row.
pub(crate) fn page<'q, R, T, C, P, Q>(
    store: &Store,
    operation: &'static Operation<Read>,
    position: &Position<C>,
    (rows, count): (impl Fn() -> P + Send + Sync, impl Fn() -> Q + Send + Sync),
    key: impl FnOnce(&R) -> C + Send,
) -> impl Future<Output = Result<Page<T>, Error>> + Send
where
    P: for<'c> LoadQuery<'q, &'c Conn, R> + Send + 'q,
    Q: for<'c> LoadQuery<'q, &'c Conn, i64> + Send + 'q,
    R: Parse<T> + Send,
    C: Serialize + Sync,
{
    async move {
        let (rows, count) = store
            .read(operation, async |conn| {
                try_join(rows().get_results(&mut &*conn), count().get_result(&mut &*conn)).await
            })
            .await?;
        Page::new(rows, count, position, key).try_map(|row: R| row.parse("a row"))
    }
}

/// Returns the first `max` items of a list, whose `rows` selects one row more: one statement in the unit of work of `conn`.
pub(crate) fn newest<'q, R, T, Q>(
    conn: &Conn,
    rows: Q,
    max: u32,
) -> impl Future<Output = Result<Vec<T>, Abort<Error>>> + Send
where
    Q: for<'c> LoadQuery<'q, &'c Conn, R> + Send + 'q,
    R: Parse<T> + Send,
{
    async move {
        let mut rows: Vec<R> = rows.get_results(&mut &*conn).await?;
        rows.truncate(max as usize);
        Ok(rows.into_iter().map(|row| row.parse("a row")).collect::<Result<_, _>>()?)
    }
}

/// Returns all rows of a query that has a LIMIT.
pub(crate) fn all<'q, R, T, Q>(
    store: &Store,
    operation: &'static Operation<Read>,
    query: impl Fn() -> Q + Send + Sync,
) -> impl Future<Output = Result<Vec<T>, Error>> + Send
where
    Q: LoadQuery<'q, Conn, R> + Send + 'q,
    R: Parse<T> + Send,
{
    async move {
        let rows: Vec<R> = store.read(operation, async |conn| query().get_results(conn).await).await?;
        rows.into_iter().map(|row| row.parse("a row")).collect()
    }
}

/// Counts the rows of a query up to [`NUMBERED_MAX`] + 1.
///
/// The query may have an ORDER BY. It does not change the count, but makes the planner walk the index with that order
/// instead of scanning the table in the hope of many early matches.
#[derive(Clone, Debug)]
pub(crate) struct BoundedCount<Q>(pub(crate) Q);

impl<Q> QueryId for BoundedCount<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q> Query for BoundedCount<Q> {
    type SqlType = BigInt;
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for BoundedCount<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT count(*) FROM (");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(&format!(" LIMIT {}) counted", NUMBERED_MAX + 1));
        Ok(())
    }
}
