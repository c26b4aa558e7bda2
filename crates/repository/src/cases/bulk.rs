//! Bulk loading of a table by COPY, without its indexes, which are recreated afterwards.

use super::seed::{Rows, Table};
use bytes::BytesMut;
use futures_util::SinkExt;
use std::pin::pin;
use steadfast_postgres::tokio_postgres::{Error, Transaction};

/// Number of bytes that are sent at once.
const CHUNK: usize = 256 * 1024;

/// Number of rows between two calls of `progress`.
const STEP: u64 = 10_000;

/// Replaces the contents of `table` by `count` rows.
pub(super) async fn fill(
    transaction: &Transaction<'_>,
    table: &Table,
    count: u64,
    mut progress: impl FnMut(u64),
) -> Result<(), Error> {
    let Table { name, columns, rows, .. } = table;
    let indexes = Indexes::of(transaction, name).await?;
    // FREEZE requires that the table was truncated in this transaction. Tables that refer to it are filled after it.
    transaction.batch_execute(&format!("TRUNCATE {name} CASCADE")).await?;
    indexes.drop_all(transaction).await?;
    match rows {
        Rows::Copied(row) => copy(transaction, name, columns, count, row, &mut progress).await?,
        Rows::Selected(query) => {
            // A plan for the real number: a parameter would count as a thousand rows.
            let made = query.replace("$count", &count.to_string());
            transaction
                .batch_execute(&format!("INSERT INTO {name} ({columns}) OVERRIDING SYSTEM VALUE {made}"))
                .await?;
        }
    }
    indexes.create_all(transaction).await?;
    progress(count);
    Ok(())
}

/// Copies `count` rows. `row` writes a row in COPY's text format, including the line end.
///
/// The rows are frozen if the table has no partitions, so that all pages are marked as all-visible.
async fn copy(
    transaction: &Transaction<'_>,
    table: &str,
    columns: &str,
    count: u64,
    row: impl Fn(u64, &mut BytesMut),
    progress: &mut impl FnMut(u64),
) -> Result<(), Error> {
    let partitioned = "SELECT relkind = 'p' FROM pg_class WHERE oid = $1::text::regclass";
    let frozen = if transaction.query_one(partitioned, &[&table]).await?.get(0) { "" } else { "(FREEZE)" };
    let copy = transaction.copy_in(&format!("COPY {table} ({columns}) FROM STDIN {frozen}")).await?;
    let mut copy = pin!(copy);
    let mut buffer = BytesMut::with_capacity(CHUNK + 4096);
    for number in 0..count {
        row(number, &mut buffer);
        if buffer.len() >= CHUNK {
            copy.send(buffer.split().freeze()).await?;
        }
        if (number + 1) % STEP == 0 {
            progress(number + 1);
        }
    }
    copy.send(buffer.freeze()).await?;
    copy.finish().await?;
    Ok(())
}

/// The statements that drop and recreate the indexes of a table.
struct Indexes {
    drops: Vec<String>,
    creations: Vec<String>,
}

impl Indexes {
    /// Reads the indexes from the catalogue, except those that a foreign key references.
    ///
    /// For partitioned tables, the catalogue returns definitions with ONLY, which would create an invalid index without
    /// partitions, so ONLY is removed.
    async fn of(transaction: &Transaction<'_>, table: &str) -> Result<Self, Error> {
        let sql = "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.conname::text, \
                pg_get_constraintdef(c.oid) \
             FROM pg_index i LEFT JOIN pg_constraint c \
                ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u', 'x') \
             WHERE i.indrelid = $1::text::regclass AND NOT EXISTS ( \
                SELECT FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = i.indexrelid) \
             ORDER BY i.indexrelid";
        let (mut drops, mut creations) = (Vec::new(), Vec::new());
        for row in transaction.query(sql, &[&table]).await? {
            let (index, definition): (String, String) = (row.get(0), row.get(1));
            match row.get::<_, Option<String>>(2) {
                Some(name) => {
                    let constraint: String = row.get(3);
                    drops.push(format!("ALTER TABLE {table} DROP CONSTRAINT \"{name}\""));
                    creations.push(format!("ALTER TABLE {table} ADD CONSTRAINT \"{name}\" {constraint}"));
                }
                None => {
                    drops.push(format!("DROP INDEX {index}"));
                    creations.push(definition.replacen(" ON ONLY ", " ON ", 1));
                }
            }
        }
        Ok(Self { drops, creations })
    }

    async fn drop_all(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        transaction.batch_execute(&self.drops.join(";")).await
    }

    async fn create_all(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        transaction.batch_execute(&self.creations.join(";")).await
    }
}
