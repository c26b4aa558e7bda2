//! Callers that repeatedly call and pause, with a record of every call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{Conn, Db, Operation, Read, cached};
use tokio::task::JoinSet;

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: usize,
    pub(crate) began: Instant,
    pub(crate) took: Duration,
    /// Class and text of its error.
    pub(crate) error: Option<(Class, String)>,
}

impl Call {
    pub(crate) fn ended(&self) -> Instant {
        self.began + self.took
    }
}

/// Concurrent reading callers.
pub(crate) struct Load {
    done: Arc<AtomicBool>,
    callers: JoinSet<Vec<Call>>,
}

impl Load {
    pub(crate) fn start(
        db: &Db,
        operation: &'static Operation<Read>,
        callers: usize,
        pause: Duration,
    ) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let mut crowd = JoinSet::new();
        for caller in 0..callers {
            let (db, done) = (db.clone(), done.clone());
            crowd.spawn(async move {
                let mut calls = Vec::new();
                while !AtomicBool::load(&done, Relaxed) {
                    let began = Instant::now();
                    let outcome = db.read(operation, look).await;
                    let error = outcome.err().map(|error| (error.class(), error.to_string()));
                    calls.push(Call { caller, began, took: began.elapsed(), error });
                    tokio::time::sleep(pause).await;
                }
                calls
            });
        }
        Self { done, callers: crowd }
    }

    /// Waits until every caller has ended its call, and returns all calls.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.done.store(true, Relaxed);
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

pub(crate) async fn look(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT 1")).execute(conn).await
}

/// Returns the errors among `calls`.
pub(crate) fn errors(calls: &[Call]) -> impl Iterator<Item = (&Call, Class, &str)> {
    calls.iter().filter_map(|call| call.error.as_ref().map(|(class, text)| (call, *class, text.as_str())))
}

/// Returns how long after `moment` the last caller had its first success, and the last error occurred.
pub(crate) fn recovery(calls: &[Call], callers: usize, moment: Instant) -> (Duration, Duration) {
    let first_success = |caller: usize| {
        let served = |call: &&Call| call.caller == caller && call.error.is_none() && call.ended() >= moment;
        calls.iter().find(served).map_or(Duration::MAX, |call| call.ended() - moment)
    };
    let last_served = (0..callers).map(first_success).max().unwrap_or_default();
    let last_error = errors(calls).map(|(call, ..)| call.ended().saturating_duration_since(moment)).max();
    (last_served, last_error.unwrap_or_default())
}

/// Returns the 99th percentile of the waits.
pub(crate) fn percentile_99(waits: impl Iterator<Item = Duration>) -> Duration {
    let mut waits: Vec<_> = waits.collect();
    waits.sort_unstable();
    waits.get(waits.len().saturating_sub(1) * 99 / 100).copied().unwrap_or_default()
}

/// Returns the duration of a test: short, unless `STEADFAST_LONG` is set.
pub(crate) fn length(short: Duration, full: Duration) -> Duration {
    if std::env::var_os("STEADFAST_LONG").is_some() { full } else { short }
}
