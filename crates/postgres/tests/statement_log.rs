//! Logging of slow statements, of all statements with echo, and of unreturned connections. Values are never logged.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
use chrono::NaiveDateTime;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::Text;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, Write, cached};
use support::{Forest, insert};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

const UNHURRIED: Operation<Write> =
    Operation::write("trees.unhurried").slow_after(Duration::from_secs(20)).statements(2);
const HASTY: Operation<Write> =
    Operation::write("trees.hasty").slow_after(Duration::from_millis(50)).statements(2);

/// Holds its connection too long.
const FORGETFUL: Operation<Read> = Operation::read("trees.forgetful");

/// Collects the log of this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Captures the log of this thread at `level` and above until the guard is dropped.
    fn logged(level: Level) -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }
}

/// Runs a unit of work that plants a tree and then sleeps for 0.1 s, with a value that must not be logged.
async fn work(forest: &Forest, operation: &'static Operation<Write>) -> Result<()> {
    let work = forest.db.write(operation, async |conn| {
        insert(1).execute(conn).await?;
        let sleep = sql_query("SELECT pg_sleep(0.1), $1::text").bind::<Text, _>("s3cret");
        cached(sleep).execute(conn).await
    });
    work.await?;
    assert_eq!(forest.trees().await?, [1]);
    Ok(())
}

#[tokio::test]
async fn logs_slow_statements_without_values() -> Result<()> {
    let (lines, _logged) = Lines::logged(Level::INFO);
    work(&Forest::new().await?, &UNHURRIED).await?;
    assert!(!lines.text().contains("slow"), "{}", lines.text());
    work(&Forest::new().await?, &HASTY).await?;
    let logged = lines.text();
    let slow = |text: &str| {
        logged.lines().filter(|line| line.contains("slow statement") && line.contains(text)).count()
    };
    // Other statements may be slow as well on a busy machine, also the preparation of this one, which always is.
    assert!((1..=2).contains(&slow("SELECT pg_sleep(0.1), $1::text")), "{logged}");
    assert_eq!(slow("trees.hasty"), slow(""), "{logged}");
    assert!(logged.contains("slow database operation") && !logged.contains("s3cret"), "{logged}");
    Ok(())
}

/// Set in the child process whose standard error is checked.
const WRITES_TO_STDERR: &str = "STEADFAST_TEST_WRITES_TO_STDERR";

#[tokio::test]
async fn writes_slow_statements_to_stderr() -> Result<()> {
    if std::env::var_os(WRITES_TO_STDERR).is_some() {
        let with_lines = |wanted| {
            Forest::with(move |settings| settings.pool.session.statement_log.slow_to_stderr = wanted)
        };
        work(&with_lines(true).await?, &HASTY).await?;
        work(&with_lines(true).await?, &UNHURRIED).await?;
        return work(&with_lines(false).await?, &HASTY).await;
    }
    let name = "writes_slow_statements_to_stderr";
    let child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(WRITES_TO_STDERR, "1")
        .output()
        .await?;
    let written = String::from_utf8(child.stderr)?;
    assert!(child.status.success(), "{written}");
    // One of the three that sleep is reported. On a busy machine its preparation, which comes first, may be slow as well.
    let lines: Vec<_> = written.lines().filter(|line| line.contains("pg_sleep")).collect();
    assert!((1..=2).contains(&lines.len()), "{written}");
    let line = lines[lines.len() - 1];
    let Some((time, rest)) = line.split_once("] SLOW QUERY (") else { panic!("{line}") };
    let Some((seconds, statement)) = rest.split_once("s): ") else { panic!("{line}") };
    NaiveDateTime::parse_from_str(time, "[%Y-%m-%d %H:%M:%S")?;
    assert!((0.1..10.0).contains(&seconds.parse::<f64>()?), "{line}");
    assert_eq!(statement, "SELECT pg_sleep(0.1), $1::text");
    assert!(!written.contains("s3cret"), "{written}");
    Ok(())
}

#[tokio::test]
async fn warns_if_server_allows_too_few_connections() -> Result<()> {
    let (lines, _logged) = Lines::logged(Level::WARN);
    let forest = Forest::new().await?;
    let roomy = forest.db.check_capacity(1, 0).await?;
    let warnings = || {
        let is_warning = |line: &&str| line.contains("the server has not enough connections");
        lines.text().lines().filter(is_warning).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(warnings(), [""; 0], "{roomy:?}");
    let instances = roomy.share() / roomy.ceiling + 1;
    let crowded = forest.db.check_capacity(instances, 0).await?;
    let warnings = warnings();
    let [warning] = &warnings[..] else { panic!("not one warning: {warnings:?}") };
    for (name, value) in [
        ("max_connections", crowded.max_connections),
        ("reserved", crowded.reserved),
        ("instances", instances),
        ("ceiling", 4),
        ("share", crowded.share()),
    ] {
        assert!(warning.contains(&format!(" {name}={value}")), "{name} is not {value}: {warning}");
    }
    Ok(())
}

#[tokio::test]
async fn echo_logs_every_statement_without_values() -> Result<()> {
    let (lines, _logged) = Lines::logged(Level::INFO);
    work(&Forest::with(|settings| settings.pool.session.statement_log.echo = true).await?, &UNHURRIED)
        .await?;
    let logged = lines.text();
    for statement in [
        "BEGIN; SET LOCAL statement_timeout",
        "INSERT INTO trees",
        "SELECT pg_sleep(0.1), $1::text",
        "COMMIT",
    ] {
        assert_eq!(logged.matches(statement).count(), 1, "{statement}: {logged}");
    }
    assert!(!logged.contains("s3cret"));
    Ok(())
}

#[tokio::test]
async fn reports_unreturned_connection_with_borrower() -> Result<()> {
    let (lines, _logged) = Lines::logged(Level::INFO);
    let forest = Forest::with(|settings| settings.pool.leak_after = Duration::from_millis(500)).await?;
    forest.db.write(&UNHURRIED, async |conn| insert(1).execute(conn).await).await?;
    assert!(!lines.text().contains("not returned"), "{}", lines.text());
    let forgetful = forest.db.read(&FORGETFUL, async |conn| {
        insert(2).execute(conn).await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok(())
    });
    forgetful.await?;
    let logged = lines.text();
    assert_eq!(logged.matches("a connection was not returned yet").count(), 1, "reported once: {logged}");
    assert!(logged.contains("trees.forgetful"), "{logged}");
    Ok(())
}

#[tokio::test]
async fn events_inside_unit_of_work_name_operation() -> Result<()> {
    let (lines, _logged) = Lines::logged(Level::DEBUG);
    let forest = Forest::new().await?;
    let work = forest.db.write(&UNHURRIED, async |conn| {
        insert(1).execute(conn).await?;
        // The span was left and entered again since the unit of work began.
        tracing::info!("a tree stands");
        Ok(())
    });
    work.await?;
    tracing::info!("and is stored");
    let logged = lines.text();
    let reported =
        |what: &str| logged.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    assert!(reported("a tree stands").contains("db{operation=\"trees.unhurried\"}"), "{logged}");
    assert!(!reported("and is stored").contains("trees.unhurried"), "{logged}");
    Ok(())
}
