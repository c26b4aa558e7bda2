//! What a SQLSTATE means for the next step: the one table from PostgreSQL's codes to failure classes.

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
    /// `in_failed_sql_transaction`: an earlier statement failed and the transaction went on
    pub const IN_FAILED_TRANSACTION: Self = Self(*b"25P02");
    /// `read_only_sql_transaction`: on a server that was the primary, it is a standby now
    pub const READ_ONLY: Self = Self(*b"25006");

    /// `invalid_sql_statement_name`: a prepared statement was closed behind the session's back
    pub(crate) const UNKNOWN_STATEMENT: Self = Self(*b"26000");

    /// The code in `text`, when it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let code: [u8; 5] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_alphanumeric).then_some(Self(code))
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        // Only ASCII ever gets in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// What it means for the next step.
    pub fn class(self) -> Class {
        match &self.0 {
            b"40P01" | b"40001" | b"55P03" => Class::Deadlock,
            b"23505" => Class::Duplicate,
            [b'2', b'3', ..] => Class::Conflict,
            b"57014" | b"25P03" | b"25P04" | b"57P05" => Class::Timeout,
            [b'0', b'8', ..] | b"57P01" | b"57P02" | b"57P03" | b"57P04" => Class::Unavailable,
            // A server that has become a standby refuses writes until the address points at the new primary.
            b"25006" => Class::Unavailable,
            [b'5', b'3', ..] => Class::Overload,
            _ => Class::Fault,
        }
    }

    /// Whether the session that got it is of no further use.
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
    fn a_code_has_five_letters_or_digits() {
        assert_eq!(SqlState::parse("40P01"), Some(SqlState::DEADLOCK_DETECTED));
        for wrong in ["", "4000", "400011", "40-01", "é0P0"] {
            assert_eq!(SqlState::parse(wrong), None, "{wrong}");
        }
    }
}
