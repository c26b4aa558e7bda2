//! A write that reports success has stored exactly what its closure completed, whatever was nested or dropped inside.

#[path = "support/address.rs"]
mod address;
mod support;

use anyhow::Result;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::task::Poll;
use steadfast_postgres::diesel::QueryResult;
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Conn, Operation, Pool, PoolSettings, Write};
use support::{Forest, insert};

const WRITE: Operation<Write> = Operation::write("trees.nest").statements(1_000);

/// The id of a tree that exists before each case.
const TAKEN: i64 = -1;

/// A forest with a pool beside its database handle.
struct Planted {
    forest: Forest,
    pool: Pool,
}

impl Planted {
    async fn new() -> Result<Self> {
        let forest = Forest::new().await?;
        let settings = PoolSettings { pool_size: 2, ..PoolSettings::default() };
        let pool = Pool::new(&address::url(&forest).await?, settings, || {})?;
        Ok(Self { forest, pool })
    }
}

/// A step of a unit of work.
#[derive(Clone, Debug)]
enum Step {
    Insert,
    /// A duplicate, whose error ends the enclosing level.
    Fail,
    /// A duplicate, whose error is ignored.
    IgnoredFail,
    Pause,
    Nest(Nest),
}

/// A nested transaction.
#[derive(Clone, Debug)]
struct Nest {
    steps: Vec<Step>,
    /// Polls after which the nested future is dropped if it is still pending.
    polls: Option<usize>,
    /// True if the enclosing level ignores an error of the nested transaction.
    is_error_ignored: bool,
}

/// Function that opens levels.
#[derive(Clone, Copy, Debug)]
enum Api {
    /// Savepoints in a unit of work.
    Savepoint,
    /// Nested transactions in a unit of work.
    Transaction,
    /// Nested transactions on a connection of a pool.
    Pool,
}

/// Progress of a case.
#[derive(Debug)]
struct Run {
    api: Api,
    next_id: AtomicI64,
    /// True if a future was dropped or an error was ignored without a savepoint around it.
    is_incomplete: AtomicBool,
}

impl Run {
    fn new(api: Api) -> Self {
        Self { api, next_id: AtomicI64::new(0), is_incomplete: AtomicBool::new(false) }
    }

    /// Runs `steps` and returns the ids of the rows that they inserted permanently, as far as the closure can tell.
    fn level<'a>(&'a self, conn: &'a mut Conn, steps: &'a [Step]) -> BoxFuture<'a, QueryResult<Vec<i64>>> {
        async move {
            let mut stored = Vec::new();
            for step in steps {
                match step {
                    Step::Insert => {
                        let id = self.next_id.fetch_add(1, Relaxed);
                        insert(id).execute(conn).await?;
                        stored.push(id);
                    }
                    Step::Fail => _ = insert(TAKEN).execute(conn).await?,
                    Step::IgnoredFail => {
                        self.is_incomplete.store(true, Relaxed);
                        _ = insert(TAKEN).execute(conn).await;
                    }
                    Step::Pause => tokio::task::yield_now().await,
                    Step::Nest(nest) => match self.nested(conn, nest).await {
                        Some(Ok(ids)) => stored.extend(ids),
                        Some(Err(error)) if !nest.is_error_ignored => return Err(error),
                        Some(Err(_)) => {}
                        None => self.is_incomplete.store(true, Relaxed),
                    },
                }
            }
            Ok(stored)
        }
        .boxed()
    }

    async fn nested(&self, conn: &mut Conn, nest: &Nest) -> Option<QueryResult<Vec<i64>>> {
        let work = async |conn: &mut Conn| self.level(conn, &nest.steps).await;
        match self.api {
            Api::Savepoint => at_most(nest.polls, conn.savepoint(work)).await,
            Api::Transaction | Api::Pool => at_most(nest.polls, conn.transaction(work)).await,
        }
    }
}

/// Runs `work` for at most `polls` polls; `None` if it was dropped.
async fn at_most<T>(polls: Option<usize>, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut left) = (pin!(work), polls.unwrap_or(usize::MAX));
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        6 => Just(Step::Insert),
        1 => Just(Step::Fail),
        1 => Just(Step::IgnoredFail),
        2 => Just(Step::Pause),
    ];
    let step = leaf.prop_recursive(3, 16, 4, |inner| {
        let nest = (prop::collection::vec(inner, 1..4), prop::option::of(0_usize..12), any::<bool>());
        nest.prop_map(|(steps, polls, is_error_ignored)| Step::Nest(Nest { steps, polls, is_error_ignored }))
    });
    prop::collection::vec(step, 1..5)
}

/// Checks one case: success means that exactly the completed rows are stored, an error that none is.
async fn check(forest: &Planted, api: Api, steps: &[Step]) -> Result<(), TestCaseError> {
    let fail = |error: &dyn std::fmt::Display| TestCaseError::fail(error.to_string());
    let reset = format!("TRUNCATE trees; INSERT INTO trees VALUES ({TAKEN}, 0)");
    forest.forest.looker.batch_execute(&reset).await.map_err(|error| fail(&error))?;
    let run = Run::new(api);
    let closure_ended_well = AtomicBool::new(false);
    let work = async |conn: &mut Conn| {
        let ids = run.level(conn, steps).await?;
        closure_ended_well.store(true, Relaxed);
        Ok(ids)
    };
    let outcome = match api {
        Api::Pool => {
            let mut conn = forest.pool.get().await.map_err(|error| fail(&error))?;
            conn.transaction(work).await.map_err(|error: diesel::result::Error| error.to_string())
        }
        _ => forest.forest.db.write(&WRITE, work).await.map_err(|error| error.to_string()),
    };
    let mut there = forest.forest.trees().await.map_err(|error| fail(&error))?;
    there.retain(|id| *id != TAKEN);
    match &outcome {
        Ok(ids) => prop_assert_eq!(ids, &there, "reported as stored, and stored"),
        Err(error) => prop_assert!(there.is_empty(), "{error}, but {there:?} are there"),
    }
    let must_succeed = closure_ended_well.into_inner() && !run.is_incomplete.into_inner();
    prop_assert!(outcome.is_ok() || !must_succeed, "refused without a reason: {:?}", outcome.err());
    Ok(())
}

/// Runs random cases and shrinks a failing one.
fn random_cases(api: Api) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let forest = runtime.block_on(Planted::new())?;
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner.run(&steps(), |steps| runtime.block_on(check(&forest, api, &steps)))?;
    runtime.block_on(async move { drop(forest) });
    Ok(())
}

#[test]
fn success_means_stored_with_dropped_savepoints() -> Result<()> {
    random_cases(Api::Savepoint)
}

#[test]
fn success_means_stored_in_transactions_of_a_pool() -> Result<()> {
    random_cases(Api::Pool)
}

#[test]
fn success_means_stored_with_dropped_nested_transactions() -> Result<()> {
    random_cases(Api::Transaction)
}
