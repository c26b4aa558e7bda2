//! Statement budgets: units of work with more statements than declared are counted.

use anyhow::Result;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Conn, Db, DbSettings, Operation, Read, StatementCount, cached};
use steadfast_testkit::TestDatabase;

const TWO: Operation<Read> = Operation::read("meadow.look_twice").statements(2);

/// A recorder that stores only counters, by name and labels.
#[derive(Default)]
struct Counts(Mutex<Vec<(Key, Arc<Count>)>>);

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, SeqCst);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, SeqCst);
    }
}

impl Counts {
    fn of(&self, name: &str, operation: &str) -> u64 {
        let counts = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_it = |key: &Key| key.name() == name && key.labels().any(|label| label.value() == operation);
        counts.iter().filter(|(key, _)| is_it(key)).map(|(_, count)| AtomicU64::load(&count.0, SeqCst)).sum()
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let count = Arc::<Count>::default();
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((key.clone(), count.clone()));
        Counter::from_arc(count)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// Runs `statements` statements in one unit of work of [`TWO`].
async fn look(db: &Db, statements: u32) -> Result<()> {
    let work = async |conn: &mut Conn| {
        for _ in 0..statements {
            cached(sql_query("SELECT 1")).execute(conn).await?;
        }
        Ok(())
    };
    Ok(db.read(&TWO, work).await?)
}

#[tokio::test]
async fn counts_units_over_statement_budget() -> Result<()> {
    let counts = Counts::default();
    let _guard = metrics::set_default_local_recorder(&counts);
    let database = TestDatabase::empty().await?;
    let db = Db::new(&database.url(), DbSettings::default())?;
    let over_budget = || counts.of("db_operation_over_budget_total", "meadow.look_twice");
    for (statements, counted) in [(1, 0), (2, 0), (3, 1), (2, 1), (30, 2)] {
        look(&db, statements).await?;
        assert_eq!(over_budget(), counted, "after {statements} statements");
    }
    Ok(())
}

#[tokio::test]
async fn scope_counts_statements_of_all_units() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = Db::new(&database.url(), DbSettings::default())?;
    let count = StatementCount::default();
    look(&db, 2).await?;
    let (outer, inner) = (count.clone(), StatementCount::default());
    outer
        .scope(async {
            for _ in 0..5 {
                look(&db, 2).await?;
            }
            let elsewhere = db.clone();
            tokio::spawn(async move { look(&elsewhere, 100).await }).await??;
            let handed_over = db.clone();
            tokio::spawn(StatementCount::current().scope(async move { look(&handed_over, 1).await }))
                .await??;
            inner.clone().scope(look(&db, 7)).await
        })
        .await?;
    assert_eq!((count.get(), inner.get()), (11, 7));
    Ok(())
}

#[tokio::test]
async fn failed_units_are_counted() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let db = Db::new(&database.url(), DbSettings::default())?;
    let count = StatementCount::default();
    let work = async |conn: &mut Conn| cached(sql_query("SELECT 1 / 0")).execute(conn).await;
    assert!(count.clone().scope(db.read(&TWO, work)).await.is_err());
    assert_eq!(count.get(), 1);
    Ok(())
}
