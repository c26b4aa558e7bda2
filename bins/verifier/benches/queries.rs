//! Cost of every operation on the server: `cargo xtask bench queries [--quick]`
//!
//! The cases of the plan gate run once through the real functions on one copy of a seeded database. What they sent is
//! then executed many times on another copy, alone and by 32 sessions at once. Times are those of planning and execution,
//! as the server measures them.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast_domain::page::Position;
use steadfast_domain::practice::ClientParameters;
use steadfast_plans::tokio_postgres::{NoTls, connect};
use steadfast_plans::{Captured, Recorder, ReplayDatabase, ServerCost};
use steadfast_postgres::{Db, DbSettings, PoolSettings, SessionSettings};
use steadfast_repository::cases::{self, Case};
use steadfast_repository::{Store, practice};
use steadfast_testkit::{Server, TestDatabase};

/// Rows of the largest table but the audit trail, which has twice as many: 100,000 clients, 500,000 appointments, 300,000
/// notes and a million entries in the ledger.
const ROWS: u64 = 1_053_000;

/// ServerCost executions of a case, alone.
const RUNS: usize = 40;

/// Number of concurrent sessions, and executions of a case by each.
const SESSIONS: usize = 32;
const RUNS_EACH: usize = 4;

/// Maximum medians, alone, of the cases of an operation: all, or those whose name begins with a text.
const BARS: [(&str, &str, Duration); 8] = [
    ("practice.search_clients", "", Duration::from_millis(20)),
    ("practice.look_up_clients", "", Duration::from_millis(20)),
    ("practice.clients", "active, first page", Duration::from_millis(5)),
    ("practice.clients", "active, after a cursor", Duration::from_millis(5)),
    ("practice.clients", "all, first page", Duration::from_millis(5)),
    ("practice.clients", "all, after a cursor", Duration::from_millis(5)),
    ("practice.calendar", "a week", Duration::from_millis(5)),
    ("practice.financial_summary", "", Duration::from_millis(5)),
];

/// Operations of the terminology have a benchmark and data of their own; those of partitions change the schema.
const LEFT_OUT: [&str; 2] = ["terminology.", "audit.maintain_partitions"];

/// Statements of a case, and their costs.
struct Costs {
    operation: &'static str,
    case: String,
    sent: Captured,
    alone: Vec<ServerCost>,
    together: Vec<ServerCost>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let rows = if is_quick { ROWS / 10 } else { ROWS };
    // A private server, because other work on a shared one would distort the measurement.
    let server = Server::private()?;
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    let database =
        TestDatabase::from_template_on(&server, "steadfast", steadfast_schema::fingerprint(), migrate)
            .await?;
    eprintln!("seeding {rows} rows");
    run(&database.url(), |client| async move { Ok(cases::mark_seedable(&client).await?) }).await?;
    cases::seed(&database.url(), rows, |_, _, _| ()).await?;
    let copy = copied(&server, &database).await?;
    let mut all = captured(&copy).await?;
    eprintln!("measuring {} cases", all.len());
    measure_alone(&database.url(), &mut all).await?;
    measure_together(&database.url(), &mut all).await?;
    let are_bars_met = report(&all);
    ensure!(are_bars_met, "a bar was missed");
    Ok(())
}

/// Runs `work` in a session of its own.
async fn run<F: Future<Output = Result<()>>>(
    url: &str,
    work: impl FnOnce(steadfast_plans::tokio_postgres::Client) -> F,
) -> Result<()> {
    let (client, connection) = connect(url, NoTls).await?;
    let session = tokio::spawn(connection);
    work(client).await?;
    Ok(session.await??)
}

/// Copies the database, which must have no sessions, and returns the URL of the copy.
async fn copied(server: &Server, database: &TestDatabase) -> Result<String> {
    let url = database.url();
    let name = url.rsplit('/').next().and_then(|name| name.split('?').next()).context("a URL with a name")?;
    let copy = format!("CREATE DATABASE queries_copy TEMPLATE \"{name}\" STRATEGY file_copy");
    run(&server.url("postgres"), |client| async move { Ok(client.batch_execute(&copy).await?) }).await?;
    Ok(server.url("queries_copy"))
}

/// Runs the cases, and the search for every pair of letters, and returns what they sent.
async fn captured(url: &str) -> Result<Vec<Costs>> {
    let recorder = Recorder::new();
    let session = SessionSettings { recorder: Some(recorder.clone()), ..SessionSettings::default() };
    let pool = PoolSettings { session, ..PoolSettings::sized(5, 0) };
    let store = Store::new(Db::new(url, DbSettings { pool, ..DbSettings::default() })?);
    let is_measured = |case: &Case| {
        !case.is_heavy && !LEFT_OUT.iter().any(|prefix| case.operation.name().starts_with(prefix))
    };
    let mut all = Vec::new();
    let mut add = |operation, case: String, sent| {
        all.push(Costs { operation, case, sent, alone: Vec::new(), together: Vec::new() });
    };
    for case in cases::all()?.iter().filter(|case| is_measured(case)) {
        recorder.start();
        case.run(&store).await.with_context(|| format!("{case:?}"))?;
        add(case.operation.name(), case.name.to_owned(), recorder.take());
    }
    for (first, second) in ('a'..='z').flat_map(|first| ('a'..='z').map(move |second| (first, second))) {
        let search = Some(format!("{first}{second}"));
        let filter = ClientParameters { search, ..ClientParameters::default() }.parse()?;
        recorder.start();
        practice::clients(&store, &filter, &Position::numbered(1, 50)?).await?;
        add(practice::SEARCH_CLIENTS.name(), format!("\"{first}{second}\""), recorder.take());
    }
    Ok(all)
}

/// Measures each case alone. The first execution fills the caches and does not count.
async fn measure_alone(url: &str, all: &mut [Costs]) -> Result<()> {
    let database = ReplayDatabase::connect(url).await?;
    for costs in all {
        database.measure(&costs.sent).await?;
        // One of 676 searches needs fewer executions.
        let runs = if costs.case.starts_with('"') { 5 } else { RUNS };
        for _ in 0..runs {
            costs.alone.push(database.measure(&costs.sent).await?);
        }
    }
    Ok(())
}

/// Measures each case in all sessions at once.
async fn measure_together(url: &str, all: &mut [Costs]) -> Result<()> {
    let sessions = (0..SESSIONS).map(|_| ReplayDatabase::connect(url));
    let sessions = futures_util::future::try_join_all(sessions).await?;
    for costs in all.iter_mut().filter(|costs| !costs.case.starts_with('"')) {
        let sent = &costs.sent;
        let measured = sessions.iter().map(|session| async move {
            let mut measured = Vec::with_capacity(RUNS_EACH);
            for _ in 0..RUNS_EACH {
                measured.push(session.measure(sent).await?);
            }
            Ok::<_, steadfast_plans::Error>(measured)
        });
        let measured = futures_util::future::try_join_all(measured).await?;
        costs.together = measured.into_iter().flatten().collect();
    }
    Ok(())
}

/// Prints the dearest case of each operation, and the bars. Returns true if they are met.
fn report(all: &[Costs]) -> bool {
    let mut worst: BTreeMap<&str, &Costs> = BTreeMap::new();
    for costs in all {
        let known = worst.entry(costs.operation).or_insert(costs);
        if at(&costs.alone, 50).time > at(&known.alone, 50).time {
            *known = costs;
        }
    }
    println!(
        "{:<34} {:<36} {:>27}  {:>27} {:>8}",
        "operation", "dearest case", "alone: median, p95, p99 ms", "by 32: median, p95, p99 ms", "buffers"
    );
    let times = |samples: &[ServerCost]| {
        let [median, p95, p99] = [50, 95, 99].map(|percent| at(samples, percent).time.as_secs_f64() * 1e3);
        if samples.is_empty() { format!("{:>27}", "") } else { format!("{median:>9.2}{p95:>9.2}{p99:>9.2}") }
    };
    for (operation, costs) in &worst {
        let buffers = at(&costs.alone, 50).buffers;
        println!(
            "{operation:<34} {:<36} {}  {} {buffers:>8}",
            costs.case,
            times(&costs.alone),
            times(&costs.together)
        );
    }
    BARS.iter().fold(true, |are_met, (operation, case, bar)| {
        let of = all.iter().filter(|costs| costs.operation == *operation && costs.case.starts_with(case));
        let slowest = of.max_by_key(|costs| at(&costs.alone, 50).time);
        let Some(slowest) = slowest else { return are_met };
        let (time, verdict) =
            (at(&slowest.alone, 50).time, if at(&slowest.alone, 50).time <= *bar { "met" } else { "MISSED" });
        println!(
            "{operation} {case}: slowest median {time:.1?} ({}), at most {bar:?}: {verdict}",
            slowest.case
        );
        are_met && time <= *bar
    })
}

/// Returns the sample that `percent` of the samples do not exceed.
fn at(samples: &[ServerCost], percent: usize) -> ServerCost {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples
        .get((samples.len() * percent / 100).min(samples.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
