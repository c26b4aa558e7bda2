//! COMMIT that was answered by ROLLBACK, which the libraries above take for done.

use crate::wire::Wire;
use diesel::QueryResult;
use diesel::result::{DatabaseErrorKind, Error};

const ROLLED_BACK: &str = "COMMIT was answered by ROLLBACK: nothing was kept, because a statement had failed and its \
     error was ignored";

/// The answer to `query`, unless that was a COMMIT by which nothing was committed.
pub(super) fn verified(query: &str, answer: QueryResult<()>, wire: &Wire) -> QueryResult<()> {
    if answer.is_ok() && query == "COMMIT" && !wire.last_command_was("COMMIT") {
        return Err(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(ROLLED_BACK.to_owned())));
    }
    answer
}

/// Whether `error` says so.
pub(crate) fn was_rolled_back(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, info) if info.message() == ROLLED_BACK)
}
