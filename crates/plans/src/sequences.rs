//! Where the sequences of a database stand: a replay that draws ids must draw those of the run.

use crate::{Error, ReplayDatabase};

const READ: &str = "SELECT schemaname::text, sequencename::text, coalesce(last_value, start_value), last_value IS NOT NULL \
     FROM pg_sequences";

/// The state of every sequence at one moment. Empty by default: then replays leave the sequences as they are.
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
    /// Reads them by a session on the database that the program runs on, before the case runs.
    ///
    /// # Errors
    /// [`Error::Database`].
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

    /// Sets them. No transaction takes that back.
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

/// A string constant, whatever is in it.
pub(crate) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}
