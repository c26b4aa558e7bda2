//! Load test of the list of clients: `cargo xtask bench load [--quick]`
//!
//! 1,000 connections at once, each with an API key of its own, send requests without a pause to the server, which runs
//! in a process of its own with its default settings. It must answer each of them in time, or refuse it with 503 and
//! `Retry-After`, in bounded memory.

mod api;
mod client;
#[path = "../terminology/database.rs"]
mod database;

use anyhow::{Result, ensure};
use api::Api;
use client::{Client, Tally};
use std::time::Duration;
use steadfast_repository::{Store, cases};
use tokio_postgres::NoTls;

/// Number of connections.
const CONNECTIONS: u64 = 1_000;

/// Number of rows in the largest table, which gives 100,000 clients.
const ROWS: u64 = 1_053_000;

/// Maximum of the 95th percentile of the times, unless the server refuses requests.
const P95_MAX: Duration = Duration::from_millis(500);

/// Maximum resident memory of the server in bytes.
const MEMORY_MAX: u64 = 200_000_000;

#[tokio::main]
async fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rows, seconds) = if is_quick { (ROWS / 10, 10) } else { (ROWS, 30) };
    let database = database::migrated().await?;
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await?;
    tokio::spawn(connection);
    cases::mark_seedable(&client).await?;
    cases::seed(&database.url(), rows, |_, _, _| ()).await?;
    let store = Store::connect(&database.url())?;
    let mut keys = Vec::new();
    for _ in 0..CONNECTIONS {
        keys.push(database::create_key(&store, "practice:read").await?);
    }
    let api = Api::start(&database.url())?;
    let mut clients = Vec::new();
    for (key, seed) in keys.into_iter().zip(0..) {
        clients.push(Client::open(api.address, key, seed).await?);
    }
    let (clients, warm) = run(clients, Duration::from_secs(seconds / 3)).await?;
    let (_, mut tally) = run(clients, Duration::from_secs(seconds)).await?;
    report(&mut tally, seconds, api.peak_memory()?)?;
    warm.ensure_clean()
}

/// Sends requests from all clients at once.
async fn run(clients: Vec<Client>, time: Duration) -> Result<(Vec<Client>, Tally)> {
    let running: Vec<_> = clients.into_iter().map(|client| tokio::spawn(client.run(time))).collect();
    let (mut clients, mut all) = (Vec::new(), Tally::default());
    for running in running {
        let (client, tally) = running.await?;
        clients.push(client);
        all.add(tally);
    }
    Ok((clients, all))
}

/// Prints the figures.
///
/// # Errors
/// Returns an error if a goal was missed.
fn report(tally: &mut Tally, seconds: u64, memory: u64) -> Result<()> {
    tally.times.sort_unstable();
    let at = |share: f64| {
        let place = (tally.times.len() as f64 * share) as usize;
        tally.times.get(place).copied().unwrap_or(Duration::MAX)
    };
    let (sent, refused) = (tally.sent(), tally.refused);
    println!("{CONNECTIONS} connections, {sent} requests in {seconds} s: {} per second", sent / seconds);
    println!("200: {}, other answers: {:?}", tally.times.len(), tally.others);
    println!("503 with Retry-After: {refused}, {:.1} %", refused as f64 * 1e2 / sent as f64);
    println!("errors of connections: {}", tally.failures.len());
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| at(share).as_millis());
    println!("times of the answers 200: p50 {p50} ms, p95 {p95} ms, p99 {p99} ms");
    println!("peak memory of the server: {:.1} MB", memory as f64 / 1e6);
    tally.ensure_clean()?;
    let is_fast = at(0.95) < P95_MAX;
    ensure!(is_fast || refused > 0, "p95 is {p95} ms, the goal is {} ms", P95_MAX.as_millis());
    ensure!(memory < MEMORY_MAX, "the server used {memory} bytes, the goal is {MEMORY_MAX}");
    Ok(())
}
