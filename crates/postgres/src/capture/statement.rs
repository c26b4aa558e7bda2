//! Captured statements.

use std::fmt;
use std::sync::Arc;

/// A parameter value as sent. Its `Debug` does not show the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// True if the bytes are in PostgreSQL's binary format, false for the text format.
    pub binary: bool,
    /// Bytes of the value; `None` is NULL.
    pub value: Option<Vec<u8>>,
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(bytes) => write!(f, "{} bytes", bytes.len()),
            None => f.write_str("NULL"),
        }
    }
}

/// Transaction status after a simple query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// No transaction is open.
    Idle,
    /// A transaction is open.
    Open,
    /// The open transaction has failed and can only be rolled back.
    Failed,
}

/// Purpose of a captured statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// A statement of the program itself.
    Own,
    /// BEGIN, COMMIT, ROLLBACK or a savepoint, including settings of the transaction in the same message.
    Transaction,
    /// SET or RESET.
    Setting,
    /// An empty query.
    Ping,
    /// A look-up of the type ids of enums and domains, as diesel-async and tokio-postgres send once per connection.
    TypeLookup,
}

/// A statement that was sent and answered. Its `Debug` does not show values.
#[derive(Clone, Debug)]
pub struct CapturedStatement {
    /// Number of the session that sent the statement, unique within the recorder.
    pub session: u64,
    /// Operation of the session; `unnamed` outside of an operation.
    pub operation: &'static str,
    /// Full text of the statement.
    pub sql: Arc<str>,
    /// True for a simple query, which has no parameters and may contain several statements.
    pub simple: bool,
    /// Type ids that the program sent, one per parameter; 0 or absent where the server infers the type.
    pub types: Vec<u32>,
    /// Values of the parameters.
    pub parameters: Vec<Parameter>,
    /// Result formats that the program requested: none means text, a single one applies to all columns, 1 is binary.
    pub result_formats: Vec<i16>,
    /// Command tags of the answer, e.g. `SELECT 3` or `INSERT 0 1`; one per statement of a simple query. Empty if the
    /// statement failed, was empty, or not all rows were fetched.
    pub tags: Vec<String>,
    /// SQLSTATE of the error if the statement failed.
    pub error: Option<String>,
    /// Transaction status, for simple queries.
    pub after: Option<TransactionStatus>,
    pub(super) order: u64,
}

impl CapturedStatement {
    /// Returns the purpose of the statement.
    pub fn kind(&self) -> StatementKind {
        let mut words = self.tags.iter().map(|tag| tag.split(' ').next().unwrap_or_default());
        match words.next() {
            None if self.error.is_none() && self.sql.trim_matches([' ', ';', '\n']).is_empty() => {
                StatementKind::Ping
            }
            Some("BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE")
                if words.all(|word| word == "SET") =>
            {
                StatementKind::Transaction
            }
            Some("SET" | "RESET") if self.tags.iter().all(|tag| tag == "SET" || tag == "RESET") => {
                StatementKind::Setting
            }
            _ if !self.simple && asks_for_types(&self.sql) => StatementKind::TypeLookup,
            _ => StatementKind::Own,
        }
    }

    /// Returns the number of rows that the statement returned or changed; `None` if the server did not count them.
    pub fn rows(&self) -> Option<u64> {
        let [tag] = &self.tags[..] else { return None };
        tag.rsplit(' ').next()?.parse().ok()
    }

    pub(super) fn size(&self) -> usize {
        let values = self.parameters.iter().filter_map(|parameter| parameter.value.as_ref());
        self.sql.len() + values.map(Vec::len).sum::<usize>()
    }
}

/// Returns true for the type look-ups of the libraries, which read only the catalogue and begin alike.
fn asks_for_types(sql: &str) -> bool {
    let mut words = sql.split_whitespace();
    const TABLES: [&str; 3] = ["pg_type", "pg_enum", "pg_attribute"];
    let from = words.by_ref().find(|word| word.eq_ignore_ascii_case("from")).and_then(|_| words.next());
    let first = from.map(|table| table.trim_start_matches("pg_catalog.").replace('"', ""));
    first.is_some_and(|first| TABLES.contains(&&*first))
}
