//! Entries of the audit trail about refused logins. Their resource is the user.

use crate::prelude::*;
use steadfast_domain::audit::Origin;
use steadfast_postgres::diesel::sql_types::{Nullable, Text};
use steadfast_postgres::{Abort, Conn};

/// Adds to the trail that a login was refused because of `reason`. `user` is `None` if no user has the address.
pub(crate) async fn refused(
    conn: &mut Conn,
    origin: &Origin,
    user: Option<i64>,
    reason: &'static str,
) -> Result<(), Abort<Error>> {
    // SQL, because the DSL has no type for the address.
    let insert = sql_query(
        "INSERT INTO audit_log (correlation_id, action, resource_type, resource_id, success, error_message, \
            ip_address, user_agent) VALUES ($1, 'login', 'user', $2, false, $3, CAST($4 AS inet), $5)",
    );
    let insert = insert
        .bind::<Text, _>(&origin.correlation_id)
        .bind::<Nullable<Text>, _>(user.map(|user| user.to_string()))
        .bind::<Text, _>(reason)
        .bind::<Nullable<Text>, _>(origin.address.map(|address| address.to_string()))
        .bind::<Nullable<Text>, _>(origin.user_agent.as_deref());
    insert.execute(conn).await?;
    Ok(())
}
