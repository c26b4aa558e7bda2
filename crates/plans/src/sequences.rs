//! State of sequences, so that a replay draws the same numbers as the run.

use crate::{Error, ReplayDatabase};

const READ: &str = "SELECT schemaname::text, sequencename::text, coalesce(last_value, start_value), last_value IS NOT NULL \
     FROM pg_sequences";

/// State of all sequences of a database. With the default, which is empty, replays do not set sequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sequences(Vec<Sequence>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sequence {
    schema: String,
    name: String,
    value: i64,
    is_called: bool,
}

impl Sequences {
    /// Reads the sequences of the database that the program runs on. Call it before the case runs.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the sequences cannot be read.
    pub async fn read(database: &ReplayDatabase) -> Result<Self, Error> {
        let rows = database.client.query(READ, &[]).await.map_err(Error::database("read the sequences"))?;
        let sequence = |row: tokio_postgres::Row| Sequence {
            schema: row.get(0),
            name: row.get(1),
            value: row.get(2),
            is_called: row.get(3),
        };
        Ok(Self(rows.into_iter().map(sequence).collect()))
    }

    /// Returns statements that set the sequences. Rolling back does not undo them.
    pub(crate) fn as_sql(&self) -> String {
        let set = |sequence: &Sequence| {
            let Sequence { schema, name, value, is_called } = sequence;
            let name = quoted(&format!("{}.{}", identifier(schema), identifier(name)));
            format!("SELECT setval({name}, {value}, {is_called})")
        };
        self.0.iter().map(set).collect::<Vec<_>>().join("; ")
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string constant.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}
