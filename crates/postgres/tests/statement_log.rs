//! What is written of statements and connections: slow ones by their operation's threshold, all statements with echo, values
//! never, and who keeps a connection too long.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use anyhow::Result;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::Text;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, cached};
use support::{Forest, insert};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

const UNHURRIED: Operation =
    Operation::write("trees.unhurried").slow_after(Duration::from_secs(20)).statements(2);
const HASTY: Operation = Operation::write("trees.hasty").slow_after(Duration::from_millis(50)).statements(2);

/// Keeps its connection too long.
const FORGETFUL: Operation = Operation::read("trees.forgetful");

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// What this thread logs at `level` and above, until the guard goes.
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

/// Runs a unit of work that plants a tree and then sleeps for 0.1 s, with a value that nobody may see.
async fn work(forest: &Forest, operation: &'static Operation) -> Result<()> {
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
async fn a_slow_statement_is_reported_by_the_threshold_of_its_operation_and_without_its_values() -> Result<()>
{
    let (lines, _logged) = Lines::logged(Level::INFO);
    work(&Forest::new().await?, &UNHURRIED).await?;
    assert!(!lines.text().contains("slow"), "{}", lines.text());
    work(&Forest::new().await?, &HASTY).await?;
    let logged = lines.text();
    let slow = |text: &str| {
        logged.lines().filter(|line| line.contains("slow statement") && line.contains(text)).count()
    };
    // Others may be slow as well on a busy machine; this one is.
    assert_eq!(slow("SELECT pg_sleep(0.1), $1::text"), 1, "{logged}");
    assert_eq!(slow("trees.hasty"), slow(""), "{logged}");
    assert!(logged.contains("slow database operation") && !logged.contains("s3cret"), "{logged}");
    Ok(())
}

#[tokio::test]
async fn with_echo_every_statement_is_logged_without_its_values() -> Result<()> {
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
async fn a_connection_that_does_not_come_back_is_reported_with_its_borrower() -> Result<()> {
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
    assert_eq!(logged.matches("a connection was not returned yet").count(), 1, "told once: {logged}");
    assert!(logged.contains("trees.forgetful"), "{logged}");
    Ok(())
}

#[tokio::test]
async fn what_is_logged_inside_of_a_unit_of_work_names_its_operation() -> Result<()> {
    let (lines, _logged) = Lines::logged(Level::DEBUG);
    let forest = Forest::new().await?;
    let work = forest.db.write(&UNHURRIED, async |conn| {
        insert(1).execute(conn).await?;
        // The span has been left and entered again since the unit of work began.
        tracing::info!("a tree stands");
        Ok(())
    });
    work.await?;
    tracing::info!("and is kept");
    let logged = lines.text();
    let told = |what: &str| logged.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    assert!(told("a tree stands").contains("db{operation=\"trees.unhurried\"}"), "{logged}");
    assert!(!told("and is kept").contains("trees.unhurried"), "{logged}");
    Ok(())
}
