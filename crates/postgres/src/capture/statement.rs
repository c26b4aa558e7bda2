//! One captured statement: text, types, values, answer.

use std::fmt;
use std::sync::Arc;

/// A value as it went over the wire. Shown without its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Whether the bytes are in PostgreSQL's binary form; its text form otherwise.
    pub binary: bool,
    /// The bytes; `None` is NULL.
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

/// What a session's transaction was like after a simple query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// None is open.
    Idle,
    /// One is open.
    Open,
    /// One is open that failed: it can only be rolled back.
    Failed,
}

/// What a captured statement is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// The program's own.
    Own,
    /// BEGIN, COMMIT, ROLLBACK, savepoints, also with the settings of the transaction in the same message.
    Transaction,
    /// SET and RESET alone.
    Setting,
    /// Empty: asks only whether the server is there.
    Ping,
    /// Asks for the type ids of enums and domains, as diesel-async and tokio-postgres do once a connection.
    TypeLookup,
}

/// A statement that was sent and answered. Its `Debug` shows no values.
#[derive(Clone, Debug)]
pub struct CapturedStatement {
    /// Which session sent it: a number that no other session of the recorder has.
    pub session: u64,
    /// The operation that the session worked for; `unnamed` outside of one.
    pub operation: &'static str,
    /// Its whole text.
    pub sql: Arc<str>,
    /// Whether it went as a simple query: then it has no parameters and may be several statements.
    pub simple: bool,
    /// The type ids that the program gave, one a parameter from the first on; 0 or absent where it left that to the
    /// server.
    pub types: Vec<u32>,
    /// Its values.
    pub parameters: Vec<Parameter>,
    /// The forms in which the results were asked for: none is text, one is for all columns, 1 is binary.
    pub result_formats: Vec<i16>,
    /// What the server answered, e.g. `SELECT 3` or `INSERT 0 1`: one tag, or one for each statement of a simple query.
    /// Empty when it failed, when it was empty, or when not all rows were fetched.
    pub tags: Vec<String>,
    /// The SQLSTATE that it failed with.
    pub error: Option<String>,
    /// After a simple query, the state of the transaction.
    pub after: Option<TransactionStatus>,
    pub(super) order: u64,
}

impl CapturedStatement {
    /// What it is for.
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

    /// The rows that it returned or changed, as the server counted them; `None` for what is not counted.
    pub fn rows(&self) -> Option<u64> {
        let [tag] = &self.tags[..] else { return None };
        tag.rsplit(' ').next()?.parse().ok()
    }

    pub(super) fn size(&self) -> usize {
        let values = self.parameters.iter().filter_map(|parameter| parameter.value.as_ref());
        self.sql.len() + values.map(Vec::len).sum::<usize>()
    }
}

/// Whether it is one of the texts by which the libraries ask for types: these begin alike and read the catalogue alone.
fn asks_for_types(sql: &str) -> bool {
    let mut words = sql.split_whitespace();
    const TABLES: [&str; 3] = ["pg_type", "pg_enum", "pg_attribute"];
    let from = words.by_ref().find(|word| word.eq_ignore_ascii_case("from")).and_then(|_| words.next());
    let first = from.map(|table| table.trim_start_matches("pg_catalog.").replace('"', ""));
    first.is_some_and(|first| TABLES.contains(&&*first))
}
