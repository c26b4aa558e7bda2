//! From diesel's errors to those of this layer, with what the guard has seen on the wire.

use super::Conn;
use super::transactions::{was_rolled_back, was_unfinished};
use crate::SqlState;
use crate::error::{Error, QueryError};
use crate::wire::ServerError;
use diesel::result::DatabaseErrorKind;

/// The library's text for a session that was over before; all others of a lost connection come with its end.
const CLOSED: &str = "connection closed";

impl Conn {
    /// Returns the error of this layer for an error that diesel returned on this connection.
    pub fn classify(&self, error: diesel::result::Error) -> Error {
        if was_unfinished(&error) {
            return Error::Unfinished;
        }
        if was_rolled_back(&error) {
            return Error::RolledBack {
                sqlstate: self.last_sqlstate(),
                statement: self.wire.last_error().and_then(|error| error.statement),
            };
        }
        let classified = self.with_sqlstate(error);
        // What the server said last, before it closed, is not in the library's error.
        match (&classified, self.wire.last_error()) {
            (Error::ConnectionLost, Some(seen)) if seen.sqlstate.ends_session() => {
                Error::Server { sqlstate: seen.sqlstate, constraint: None }
            }
            _ => classified,
        }
    }

    /// The SQLSTATE of an error that diesel gave on this connection, where the server gave one.
    pub(crate) fn sqlstate_of(&self, error: &diesel::result::Error) -> Option<SqlState> {
        match error {
            diesel::result::Error::DatabaseError(_, info) => {
                self.wire.error_with(info.message()).map(|seen| seen.sqlstate)
            }
            _ => None,
        }
    }

    /// Adds the code that the guard saw for the text of `error`. An error that diesel takes for a lost connection although
    /// the session is open, such as a value that is too large to be sent, is a fault of the query.
    fn with_sqlstate(&self, error: diesel::result::Error) -> Error {
        let diesel::result::Error::DatabaseError(kind, info) = &error else {
            return Error::Query(QueryError(error));
        };
        let is_lost = is_lost_connection(kind) && (self.wire.is_closed() || info.message() == CLOSED);
        match self.wire.error_with(info.message()) {
            Some(ServerError { sqlstate, is_stale: true, .. }) => Error::Stale { sqlstate },
            Some(ServerError { sqlstate, .. }) => {
                Error::Server { sqlstate, constraint: info.constraint_name().map(str::to_owned) }
            }
            None if is_lost => Error::ConnectionLost,
            None => Error::Query(QueryError(error)),
        }
    }
}

/// diesel-async gives every failure without a server's answer this kind; the texts are tokio-postgres' own.
fn is_lost_connection(kind: &DatabaseErrorKind) -> bool {
    matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection)
}
