//! Costs of the HTTP service: the endpoint as shipped against bare axum with the same statement and JSON, health and
//! cached answers against a bare handler. `cargo xtask bench http` runs it.
//!
//! Each contestant is a process of its own, started as `http-peers serve NAME`. Rounds alternate, and the CPU time of a
//! contestant is that of its process, so that neither the load generator nor PostgreSQL counts for it.

mod bare;
mod client;
mod contest;
mod count;
mod data;
#[path = "../../median.rs"]
mod median;
mod servers;

use anyhow::{Context as _, Result, ensure};
use client::Target;
use contest::{Bar, Figure, Round, contest};
use data::Data;
use servers::Server;
use std::time::Duration;

/// Rounds of each contestant and their time: many short ones, for tight bounds of the median.
const ROUNDS: usize = 45;
const ROUND: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.first().map(String::as_str) {
        Some("serve") => {
            let [_, name, port] = arguments.as_slice() else { anyhow::bail!("serve NAME PORT") };
            runtime.block_on(servers::serve(name, port.parse()?))
        }
        Some("hold") => {
            let name = arguments.get(1).context("hold NAME [SECONDS]")?;
            let seconds = arguments.get(2).map_or(Ok(15), |seconds| seconds.parse())?;
            hold(&runtime, name, Duration::from_secs(seconds))
        }
        Some("count") => {
            let data = runtime.block_on(Data::prepare())?;
            count::count(&data)
        }
        first => compare(&runtime, first == Some("--quick")),
    }
}

/// Runs both comparisons and fails if a bar is missed.
fn compare(runtime: &tokio::runtime::Runtime, is_quick: bool) -> Result<()> {
    let rounds = if is_quick { 5 } else { ROUNDS };
    let data = runtime.block_on(Data::prepare())?;
    println!(
        "{} connections, {rounds} alternated rounds of {ROUND:?} each; CPU and context switches of the server process",
        client::CONNECTIONS
    );
    let mut missed = false;

    println!("\nGET /api/v1/code/{{code}}, not cached, one statement");
    let [ours, bare, pinging, sqlx] =
        ["endpoint", "bare-bb8", "bare-bb8-ping", "bare-sqlx"].map(|name| Server::start(name, &data));
    let (ours, bare, pinging, sqlx) = (ours?, bare?, pinging?, sqlx?);
    data.check_same_answers(&[&ours, &bare, &pinging, &sqlx])?;
    let targets = [&ours, &bare, &pinging, &sqlx].map(|server| Target::codes(server, &data));
    let results = contest(&targets, rounds, ROUND)?;
    missed |= contest::report(
        &results,
        &[
            Bar::at_least(Figure::Rate, 0.92, "endpoint", "bare-bb8"),
            Bar::info(Figure::Cpu, "endpoint", "bare-bb8"),
            Bar::at_least(Figure::Rate, 0.92, "endpoint", "bare-bb8-ping"),
            Bar::at_least(Figure::Rate, 1.10, "endpoint", "bare-sqlx"),
        ],
    );
    drop((ours, bare, pinging, sqlx));

    println!("\nGET /health/live, and GET /api/v1/code/{{code}} from the cache, against a bare axum handler");
    let [cached, bare] = ["cached", "bare-handler"].map(|name| Server::start(name, &data));
    let (cached, bare) = (cached?, bare?);
    let targets = [
        Target::one("health", &cached, "/health/live"),
        Target::codes(&cached, &data),
        Target::one("bare-handler", &bare, "/health/live"),
        Target::one("bare-json", &bare, &format!("/api/v1/code/{}", data.codes[0])),
    ];
    let results = contest(&targets, rounds, ROUND)?;
    missed |= contest::report(
        &results,
        &[
            Bar::at_most(Figure::Cpu, 2.0, "health", "bare-handler"),
            Bar::at_most(Figure::Cpu, 2.5, "cached", "bare-handler"),
            Bar::info(Figure::Cpu, "cached", "bare-json"),
        ],
    );
    ensure!(!missed, "a bar was missed");
    Ok(())
}

/// Keeps one contestant under load, for a profiler to look at.
fn hold(runtime: &tokio::runtime::Runtime, name: &str, time: Duration) -> Result<()> {
    let data = runtime.block_on(Data::prepare())?;
    let server = Server::start(if name == "health" { "cached" } else { name }, &data)?;
    let target = match name {
        "health" | "bare-handler" => Target::one("held", &server, "/health/live"),
        _ => Target::codes(&server, &data),
    };
    Round::run(&target, Duration::from_secs(1))?;
    println!("{name}: process {}", server.pid());
    let round = Round::run(&target, time)?;
    println!("{:.0} /s, {:.1} us CPU, {:.2} switches a request", round.rate, round.cpu * 1e6, round.switches);
    Ok(())
}
