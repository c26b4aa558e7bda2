//! Hand-written SQL that is prepared once per connection, as diesel's own queries are.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// Query of [`diesel::sql_query`] whose prepared statement is cached. See [`cached`].
#[derive(Clone, Copy, Debug)]
pub struct Cached<Q>(Q);

/// Caches the prepared statement of `query` on each connection, by its text.
///
/// diesel prepares hand-written SQL on each execution, since the number of texts may be unlimited. Use this only for a
/// limited number of texts.
pub const fn cached<Q>(query: Q) -> Cached<Q> {
    Cached(query)
}

impl<Q> QueryId for Cached<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Cached<Q> {
    type SqlType = Q::SqlType;
}

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Cached<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}
