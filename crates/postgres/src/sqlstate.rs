//! Maps SQLSTATE codes to failure classes.

use std::fmt;
use steadfast_resilience::Class;

/// A five-character error code of PostgreSQL.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// `unique_violation`
    pub const UNIQUE_VIOLATION: Self = Self(*b"23505");
    /// `deadlock_detected`
    pub const DEADLOCK_DETECTED: Self = Self(*b"40P01");
    /// `query_canceled`: a timeout of the server or a cancel request
    pub const QUERY_CANCELED: Self = Self(*b"57014");
    /// `in_failed_sql_transaction`: an earlier statement of the transaction failed
    pub const IN_FAILED_TRANSACTION: Self = Self(*b"25P02");
    /// `read_only_sql_transaction`: the session is read-only, for example because the server became a standby
    pub const READ_ONLY: Self = Self(*b"25006");

    /// `invalid_sql_statement_name`: the prepared statement does not exist on the server
    pub(crate) const UNKNOWN_STATEMENT: Self = Self(*b"26000");

    /// Parses a code; returns `None` if `text` does not have the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 5] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_alphanumeric).then_some(Self(code))
    }

    /// Returns the five characters.
    pub fn as_str(&self) -> &str {
        // The code is always ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the failure class.
    pub fn class(self) -> Class {
        match &self.0 {
            b"40P01" | b"40001" | b"55P03" => Class::Deadlock,
            b"23505" => Class::Duplicate,
            [b'2', b'3', ..] => Class::Conflict,
            b"57014" | b"25P03" | b"25P04" | b"57P05" => Class::Timeout,
            [b'0', b'8', ..] | b"57P01" | b"57P02" | b"57P03" | b"57P04" => Class::Unavailable,
            // A server that became a standby refuses writes until its address leads to the new primary.
            b"25006" => Class::Unavailable,
            [b'5', b'3', ..] => Class::Overload,
            _ => Class::Fault,
        }
    }

    /// Returns true if a session cannot be used after this error.
    pub fn ends_session(self) -> bool {
        // 25P03, 25P04: a transaction was idle or open for too long.
        matches!(&self.0, [b'0', b'8', ..] | [b'5', b'7', b'P', ..] | b"25P03" | b"25P04")
            || self == Self::IN_FAILED_TRANSACTION
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_five_letters_or_digits() {
        assert_eq!(SqlState::parse("40P01"), Some(SqlState::DEADLOCK_DETECTED));
        for wrong in ["", "4000", "400011", "40-01", "é0P0"] {
            assert_eq!(SqlState::parse(wrong), None, "{wrong}");
        }
    }
}
