//! What the whole stack costs: units of work as shipped against plain diesel-async on held connections, alternated in one
//! run, with other pools printed beside. `cargo xtask bench postgres` runs it.

mod contestants;
#[path = "../../median.rs"]
mod median;
mod pgbench;
mod rounds;

use anyhow::Result;
use contestants::{Contestant, Load};
use rounds::Pairs;
use std::time::Duration;
use steadfast_testkit::Server;

/// Rows of the table that is read from.
const ROWS: i32 = 100_000;

/// Pairs of rounds, and how long one takes: many short ones, for a tight lower bound of the median.
const PAIRS: usize = 45;
const ROUND: Duration = Duration::from_millis(1_500);

/// How long each contestant runs that is measured once.
const SINGLE: Duration = Duration::from_secs(5);

/// What must not be fallen short of: the stack's share of what plain diesel-async does.
const BOUND: f64 = 0.90;

#[tokio::main]
async fn main() -> Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (pairs, single) = if quick { (5, ROUND) } else { (PAIRS, SINGLE) };
    let _log = contestants::observe()?;
    let server = Server::private()?;
    let url = server.url("postgres");
    contestants::fill(&url, ROWS).await?;
    if let Some(name) = after("--only") {
        let connections = after("--connections").map_or(Ok(8), |number| number.parse())?;
        return only(&name, &Load { url, rows: ROWS, connections }).await;
    }
    if let (Some(name), Some(operations)) = (after("--count"), after("--operations")) {
        return exactly(&name, operations.parse()?, &Load { url, rows: ROWS, connections: 1 }).await;
    }
    println!(
        "one row by primary key of {ROWS}; {pairs} pairs of {ROUND:?} rounds, ABBA, one task a connection"
    );
    let mut missed = false;
    let asked: Option<u32> = after("--connections").map(|number| number.parse()).transpose()?;
    for connections in asked.map_or(vec![8, 32], |number| vec![number]) {
        let load = Load { url: url.clone(), rows: ROWS, connections };
        let (plain, stack) = (Contestant::plain(&load).await?, Contestant::stack(&load).await?);
        let allocations = contestants::allocations(&plain, &stack).await?;
        let pairs = Pairs::run(&plain, &stack, pairs, ROUND).await?;
        println!("\n{connections} connections");
        println!("  plain diesel-async, held    {:>9.0} /s", pairs.base_rate());
        println!("  whole stack                 {:>9.0} /s", pairs.rate());
        println!(
            "  ratio: median {:.3}, at least {:.3} with 95 % confidence",
            pairs.median(),
            pairs.lower_bound()
        );
        println!("  allocations an operation: plain {:.1}, stack {:.1}", allocations.0, allocations.1);
        missed |= pairs.lower_bound() < BOUND;
        if let Some(rate) = pgbench::rate(&load, single)? {
            println!(
                "  pgbench -S -M prepared      {rate:>9.0} /s, {:.3} of plain",
                rate / pairs.base_rate()
            );
        }
        for peer in contestants::peers(&load).await? {
            let rate = peer.rate(single).await?;
            println!("  {:<27} {rate:>9.0} /s, {:.3} of plain", peer.name, rate / pairs.base_rate());
        }
    }
    anyhow::ensure!(!missed, "the lower bound of a ratio is below {BOUND}");
    Ok(())
}

/// The argument after `flag`.
fn after(flag: &str) -> Option<String> {
    std::env::args().skip_while(|argument| argument != flag).nth(1)
}

/// Runs one contestant for just so many operations, for a program that counts instructions.
async fn exactly(name: &str, operations: i32, load: &Load) -> Result<()> {
    let contestant =
        if name == "stack" { Contestant::stack(load).await? } else { Contestant::plain(load).await? };
    for key in 1..=operations {
        (contestant.read)(0, key % ROWS + 1).await?;
    }
    Ok(())
}

/// Runs one contestant for a while, for a profiler to look at.
async fn only(name: &str, load: &Load) -> Result<()> {
    let contestant =
        if name == "stack" { Contestant::stack(load).await? } else { Contestant::plain(load).await? };
    println!("{name}: {:.0} /s", contestant.rate(2 * SINGLE).await?);
    Ok(())
}
