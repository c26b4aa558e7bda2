//! Time of an import, compared with COPY of finished rows into the same tables with the same indexes.

use crate::median;
use crate::service::{Service, read_table};
use anyhow::{Result, ensure};
use futures_util::{SinkExt as _, TryStreamExt as _};
use std::time::{Duration, Instant};
use steadfast_repository::Store;
use steadfast_services::terminology::{Imported, import_icd10cm};
use tokio_postgres::{Client, NoTls};

/// Maximum ratio of the time of an import to that of COPY.
const RATIO_MAX: f64 = 1.3;

const TABLES: [&str; 2] = ["codes", "words"];

/// Statements that create the indexes of an import.
const INDEXES: &str = "ALTER TABLE copied.codes ADD PRIMARY KEY (code);
    ALTER TABLE copied.words ADD PRIMARY KEY (word);
    CREATE INDEX ON copied.codes ((4 * length(code) + 2 * (NOT active)::int + (NOT billable)::int), code);
    CREATE INDEX ON copied.codes (parent_code, code) WHERE parent_code IS NOT NULL AND active;
    CREATE INDEX ON copied.codes USING gin (document);
    CREATE INDEX ON copied.words USING gin (forms);
    ANALYZE copied.codes; ANALYZE copied.words;";

/// Measures imports and COPY in turn and prints the medians. Returns true if the goal is met.
pub(crate) async fn import(service: &Service, rounds: usize) -> Result<bool> {
    let store = Store::connect(&service.database_url())?;
    let (client, connection) = tokio_postgres::connect(&service.database_url(), NoTls).await?;
    tokio::spawn(connection);
    let (mut reads, mut imports, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds.max(3) {
        copies.push(copy(&client).await?);
        let began = Instant::now();
        let rows = read_table()?;
        reads.push(began.elapsed());
        let began = Instant::now();
        // Every second import has one row less, so that it is another release.
        let imported = import_icd10cm(&store, "again", &rows[(round + 1) % 2..], |_| ()).await?;
        imports.push(began.elapsed());
        ensure!(imported != Imported::Current, "nothing was imported");
    }
    let [read, import, copy] = [reads, imports, copies].map(|times| median(times).as_secs_f64());
    println!(
        "import {import:.2} s, COPY and indexes {copy:.2} s: {:.2}x, goal {RATIO_MAX}x; unpacking and checking the file \
         {read:.2} s more",
        import / copy
    );
    Ok(import / copy <= RATIO_MAX)
}

/// Copies finished rows, documents included, into the same tables and creates the same indexes, in one transaction.
/// Returns the time that it took.
async fn copy(client: &Client) -> Result<Duration> {
    let mut created = String::from("DROP SCHEMA IF EXISTS copied CASCADE; CREATE SCHEMA copied;");
    for table in TABLES {
        created += &format!("CREATE TABLE copied.{table} (LIKE icd10_green.{table} INCLUDING CONSTRAINTS);");
    }
    client.batch_execute(&created).await?;
    let mut finished = Vec::new();
    for table in TABLES {
        let rows = client.copy_out(&format!("COPY icd10_green.{table} TO STDOUT")).await?;
        finished.push((table, rows.try_collect::<Vec<_>>().await?));
    }
    let began = Instant::now();
    client.batch_execute("BEGIN").await?;
    for (table, rows) in finished {
        let mut sink = Box::pin(client.copy_in(&format!("COPY copied.{table} FROM STDIN")).await?);
        for row in rows {
            sink.feed(row).await?;
        }
        sink.close().await?;
    }
    client.batch_execute(INDEXES).await?;
    client.batch_execute("COMMIT").await?;
    Ok(began.elapsed())
}
