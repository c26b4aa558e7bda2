//! Bounded totals of lists.

use steadfast_domain::page::NUMBERED_MAX;
use steadfast_postgres::diesel::QueryResult;
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use steadfast_postgres::diesel::sql_types::BigInt;

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
