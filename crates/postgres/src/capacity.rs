//! Checks whether the server allows enough connections for all instances of the pool.

use crate::error::Error;
use crate::{Conn, Db, Operation, Read, cached};
use diesel::sql_types::Integer;
use diesel::{QueryResult, QueryableByName, sql_query};
use diesel_async::RunQueryDsl;

/// Operation of [`Db::check_capacity`].
const CAPACITY: Operation<Read> = Operation::read("internal.capacity");

/// Connections that the server allows and that the instances may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Maximum number of connections of the server.
    pub max_connections: u32,
    /// Number of connections reserved by the server for administrators and by the caller for other clients.
    pub reserved: u32,
    /// Number of instances that share the remaining connections.
    pub instances: u32,
    /// Maximum number of connections of one instance.
    pub ceiling: u32,
}

impl Capacity {
    /// Returns the number of connections available to each instance: `(max_connections - reserved) / instances`.
    pub const fn share(&self) -> u32 {
        let instances = if self.instances == 0 { 1 } else { self.instances };
        self.max_connections.saturating_sub(self.reserved) / instances
    }

    /// Returns true if all instances can open all their connections at the same time.
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
    // `reserved_connections` exists since PostgreSQL 16.
    let sql = "SELECT current_setting('max_connections')::int AS max_connections, \
               current_setting('superuser_reserved_connections')::int \
               + coalesce(current_setting('reserved_connections', true), '0')::int AS reserved";
    cached(sql_query(sql)).get_result(conn).await
}

impl Db {
    /// Checks that the server has enough connections for `instances` pools of this size besides `reserved` connections
    /// of others. Logs a warning if it does not, since the server would then refuse connections under load.
    ///
    /// # Errors
    /// Returns an [`Error`] if the server's limits cannot be read.
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
