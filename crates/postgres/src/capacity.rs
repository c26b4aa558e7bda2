//! Whether the server has room for this pool and its like on other machines.

use crate::error::Error;
use crate::{Conn, Db, Operation, Read, cached};
use diesel::sql_types::Integer;
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::RunQueryDsl;

/// An operation of the library's own.
const CAPACITY: Operation<Read> = Operation::read("internal.capacity");

/// What the server allows, and what instances of this pool may take of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Connections that the server allows in all.
    pub max_connections: u32,
    /// Of those, kept for administrators by the server and for others by the caller.
    pub reserved: u32,
    /// Instances that share the rest.
    pub instances: u32,
    /// The most connections of one instance.
    pub ceiling: u32,
}

impl Capacity {
    /// `(max_connections - reserved) / instances`: the most connections that an instance should have.
    pub const fn share(&self) -> u32 {
        let instances = if self.instances == 0 { 1 } else { self.instances };
        self.max_connections.saturating_sub(self.reserved) / instances
    }

    /// Whether all instances may open all their connections at once.
    pub const fn is_enough(&self) -> bool {
        self.ceiling <= self.share()
    }
}

#[derive(QueryableByName)]
struct Limits {
    #[diesel(sql_type = Integer)]
    max_connections: i32,
    #[diesel(sql_type = Integer)]
    reserved: i32,
}

async fn limits(conn: &mut Conn) -> QueryResult<Limits> {
    // The second kind of reserve came with PostgreSQL 16.
    let sql = "SELECT current_setting('max_connections')::int AS max_connections, \
               current_setting('superuser_reserved_connections')::int \
               + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved";
    cached(sql_query(sql)).get_result(conn).await
}

impl Db {
    /// Asks the server whether `instances` pools like this one fit, beside `reserved` connections of others, and warns in
    /// the log when they do not: then some callers will be refused by the server at the worst time.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn check_capacity(&self, instances: u32, reserved: u32) -> Result<Capacity, Error> {
        let limits = self.read(&CAPACITY, limits).await?;
        let reserved = reserved.saturating_add(limits.reserved.max(0).unsigned_abs());
        let max_connections = limits.max_connections.max(0).unsigned_abs();
        let capacity = Capacity { max_connections, reserved, instances, ceiling: self.ceiling() };
        if !capacity.is_enough() {
            tracing::warn!(
                max_connections,
                reserved,
                instances,
                ceiling = capacity.ceiling,
                share = capacity.share(),
                "the server has not enough connections: lower pool_size and max_overflow, or raise max_connections"
            );
        }
        Ok(capacity)
    }
}
