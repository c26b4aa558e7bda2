//! Converts diesel's errors to [`Error`], using what the guard has seen on the wire.

use super::Conn;
use super::transactions::{was_rolled_back, was_unfinished};
use crate::SqlState;
use crate::error::{Error, QueryError};
use crate::wire::ServerError;
use diesel::result::DatabaseErrorKind;

/// tokio-postgres' text for a session that had ended before the call.
const CLOSED: &str = "connection closed";

impl Conn {
    /// Returns the [`Error`] for an error that diesel returned on this connection.
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
        // The library's error does not contain the server's last error before it closed the session.
        match (&classified, self.wire.last_error()) {
            (Error::ConnectionLost, Some(seen)) if seen.sqlstate.ends_session() => {
                Error::Server { sqlstate: seen.sqlstate, constraint: None }
            }
            _ => classified,
        }
    }

    /// Returns the SQLSTATE of an error that diesel returned on this connection, if the server sent one.
    pub(crate) fn sqlstate_of(&self, error: &diesel::result::Error) -> Option<SqlState> {
        match error {
            diesel::result::Error::DatabaseError(_, info) => {
                self.wire.error_with(info.message()).map(|seen| seen.sqlstate)
            }
            _ => None,
        }
    }

    /// Adds the SQLSTATE that the guard saw with the text of `error`. An error that diesel reports as a lost connection
    /// although the session is open, such as a value that is too large to send, is an error of the query.
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

/// Returns true for the kinds that diesel-async uses for every failure without a server error.
fn is_lost_connection(kind: &DatabaseErrorKind) -> bool {
    matches!(kind, DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection)
}
