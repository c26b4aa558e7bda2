//! Compares seeding with the fastest way to store the same rows: COPY of prepared data into tables without indexes,
//! then CREATE INDEX and ANALYZE. Both run alternately in the same process.
//!
//! `cargo xtask bench seed [--quick]`

use anyhow::{Context as _, Result, ensure};
use futures_util::{SinkExt, TryStreamExt, future};
use std::pin::pin;
use std::time::{Duration, Instant};
use steadfast_postgres::tokio_postgres::{Client, NoTls, connect};
use steadfast_repository::cases;
use steadfast_testkit::{Server, TestDatabase};

/// Number of rows in the largest table.
const ROWS: u64 = 1_000_000;

/// Maximum of the median ratio.
const RATIO_MAX: f64 = 1.3;

/// Number of alternating runs.
const PAIRS: usize = 5;

/// Selects the indexes of the tables, except those of partitions, which their parent index creates.
const INDEXES: &str = "SELECT quote_ident(c.relname), quote_ident(i.relname), quote_ident(o.conname), \
        pg_get_constraintdef(o.oid), replace(pg_get_indexdef(i.oid), ' ON ONLY ', ' ON ') \
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
    LEFT JOIN pg_constraint o ON o.conindid = i.oid AND o.conrelid = c.oid AND o.contype IN ('p', 'u', 'x') \
    WHERE c.relname = ANY($1) ORDER BY i.oid";

#[tokio::main]
async fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rows, pairs) = if is_quick { (ROWS / 10, 3) } else { (ROWS, PAIRS) };
    // A private server, because other work on a shared one would distort the measurement.
    let server = Server::private()?;
    let (database, client) = database(&server).await?;
    cases::mark_seedable(&client).await?;
    let mut tables = Vec::new();
    cases::seed(&database.url(), rows, |table, _, _| {
        if !tables.contains(&table) {
            tables.push(table);
        }
    })
    .await?;
    let (_plain, plainly) = database_without_indexes(&server, &client, &tables).await?;
    println!("{rows} rows in the largest of {} tables, {pairs} pairs", tables.len());
    let mut ratios = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        let first = seed(&database, rows).await?;
        let plain = plainly.fill().await? + plainly.fill().await?;
        let seeded = first + seed(&database, rows).await?;
        let ratio = seeded.as_secs_f64() / plain.as_secs_f64();
        println!("  seed {:>7.2} s, plain {:>7.2} s: {ratio:.2}", seeded.as_secs_f64(), plain.as_secs_f64());
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[pairs / 2];
    println!("median {median:.2}, at most {RATIO_MAX}");
    ensure!(median <= RATIO_MAX, "seeding takes {median:.2} times as long as plain COPY");
    Ok(())
}

async fn database(server: &Server) -> Result<(TestDatabase, Client)> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let fingerprint = steadfast_schema::fingerprint();
    let database = TestDatabase::from_template_on(server, "steadfast", fingerprint, migrate).await?;
    let client = session(&database).await?;
    Ok((database, client))
}

async fn session(database: &TestDatabase) -> Result<Client> {
    let (client, connection) = connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn seed(database: &TestDatabase, rows: u64) -> Result<Duration> {
    let began = Instant::now();
    cases::seed(&database.url(), rows, |_, _, _| ()).await?;
    Ok(began.elapsed())
}

/// Prepared plain COPY: empty tables without indexes, and their data.
struct Plain {
    client: Client,
    tables: Vec<(&'static str, Vec<bytes::Bytes>)>,
    drops: String,
    creations: String,
}

/// Creates a database whose `tables` are empty and have no indexes, and reads their rows from `seeded`.
async fn database_without_indexes(
    server: &Server,
    seeded: &Client,
    tables: &[&'static str],
) -> Result<(TestDatabase, Plain)> {
    let (database, client) = database(server).await?;
    let (mut drops, mut creations) = (String::new(), String::new());
    for row in client.query(INDEXES, &[&tables]).await? {
        let (table, index): (String, String) = (row.get(0), row.get(1));
        match row.get::<_, Option<String>>(2) {
            Some(constraint) => {
                let definition: String = row.get(3);
                drops += &format!("ALTER TABLE {table} DROP CONSTRAINT {constraint};");
                creations += &format!("ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition};");
            }
            None => {
                drops += &format!("DROP INDEX {index};");
                creations += &format!("{};", row.get::<_, String>(4));
            }
        }
    }
    let copies = tables.iter().map(|table| copied(seeded, table));
    let tables = future::try_join_all(copies).await?;
    Ok((database, Plain { client, tables, drops, creations }))
}

/// Reads the rows of a table in the format of COPY.
async fn copied(client: &Client, table: &'static str) -> Result<(&'static str, Vec<bytes::Bytes>)> {
    let rows = client.copy_out(&format!("COPY (SELECT * FROM {table}) TO STDOUT")).await?;
    let lines: Vec<bytes::Bytes> = rows.try_collect().await?;
    // In chunks of the size that the seed sends, instead of one message per row.
    let portions = lines.chunks(2_000).map(|portion| portion.concat().into()).collect();
    Ok((table, portions))
}

impl Plain {
    /// Fills the tables, creates their indexes, and returns the time that this took.
    async fn fill(&self) -> Result<Duration> {
        self.client.batch_execute(&self.drops).await?;
        for (table, _) in &self.tables {
            self.client.batch_execute(&format!("TRUNCATE {table}")).await?;
        }
        let began = Instant::now();
        for (table, portions) in &self.tables {
            let mut copy = pin!(self.client.copy_in(&format!("COPY {table} FROM STDIN")).await?);
            for portion in portions {
                copy.feed(portion.clone()).await?;
            }
            copy.finish().await.with_context(|| format!("COPY {table}"))?;
        }
        self.client.batch_execute(&self.creations).await?;
        self.client.batch_execute("ANALYZE").await?;
        Ok(began.elapsed())
    }
}
