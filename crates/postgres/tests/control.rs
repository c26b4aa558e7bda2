//! Units of work that end their own transaction or fail with the caller's error.

mod support;

use anyhow::Result;
use diesel::QueryableByName;
use diesel::deserialize::{self, FromSql};
use diesel::pg::{Pg, PgValue};
use diesel::sql_types::Text;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::resilience::{Backoff, Class, Classify, Retry};
use steadfast_postgres::{Abort, CallerError, Conn, DbSettings, Error, Operation, Read, Write, cached};
use support::{Forest, insert};

const WRITE: Operation<Write> = Operation::write("trees.write").statements(9);
const HASTY: Operation<Write> =
    Operation::write("trees.hasty").statements(9).deadline(Duration::from_millis(500));
const READ: Operation<Read> = Operation::read("trees.read");

/// Sets a retry policy that retries every class.
fn repeat_everything(settings: &mut DbSettings) {
    let pause = Duration::from_millis(1);
    settings.retry = Retry::new(3, Backoff::exponential(pause, pause)).on(|_| true);
}

#[tokio::test]
async fn own_commit_is_never_reported_as_stored() -> Result<()> {
    let forest = Forest::with(repeat_everything).await?;
    for (sql, stored) in [
        ("ROLLBACK", vec![]),
        ("ROLLBACK; BEGIN", vec![]),
        ("ROLLBACK AND CHAIN", vec![]),
        ("ROLLBACK AND CHAIN; SAVEPOINT s; ROLLBACK TO SAVEPOINT s", vec![]),
        ("COMMIT", vec![1]),
        ("COMMIT; BEGIN", vec![1]),
        ("COMMIT AND CHAIN", vec![1]),
    ] {
        for fails in [false, true] {
            forest.looker.batch_execute("TRUNCATE trees").await?;
            let runs = AtomicU32::new(0);
            let outcome = forest.db.write(&WRITE, async |conn| {
                runs.fetch_add(1, Relaxed);
                insert(1).execute(conn).await?;
                conn.batch_execute(sql).await?;
                match fails {
                    true => sql_query("SELECT 1 / 0").execute(conn).await,
                    false => Ok(0),
                }
            });
            let error = outcome.await.expect_err(sql);
            assert!(matches!(error, Error::TransactionControl), "{sql}: {error}");
            assert_eq!((error.class(), runs.into_inner()), (Class::Ambiguous, 1), "{sql}");
            assert_eq!(forest.trees().await?, stored, "{sql}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn deadline_during_own_commit_is_ambiguous() -> Result<()> {
    let forest = Forest::new().await?;
    // A deferred trigger delays COMMIT until after the deadline.
    let slow_commit = "CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS \
                       $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$; \
                       CREATE CONSTRAINT TRIGGER doze AFTER INSERT ON trees DEFERRABLE INITIALLY DEFERRED \
                       FOR EACH ROW EXECUTE FUNCTION doze()";
    forest.looker.batch_execute(slow_commit).await?;
    let outcome = forest.db.write(&HASTY, async |conn| {
        insert(1).execute(conn).await?;
        conn.batch_execute("SELECT 1; COMMIT").await
    });
    assert!(matches!(outcome.await, Err(Error::TransactionControl)));
    let outcome = forest.db.write(&HASTY, async |conn| insert(2).execute(conn).await).await;
    assert!(matches!(outcome, Err(Error::CommitUnknown)), "{outcome:?}");
    Ok(())
}

#[tokio::test]
async fn raw_sql_savepoints_are_part_of_unit() -> Result<()> {
    let forest = Forest::new().await?;
    let written = forest.db.write(&WRITE, async |conn| {
        insert(1).execute(conn).await?;
        conn.batch_execute("SAVEPOINT mine").await?;
        insert(2).execute(conn).await?;
        conn.batch_execute("rollback to savepoint mine").await?;
        insert(3).execute(conn).await
    });
    written.await?;
    assert_eq!(forest.trees().await?, [1, 3]);
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Fallow;

impl CallerError for Fallow {}

#[tokio::test]
async fn caller_errors_roll_back_without_retry() -> Result<()> {
    let forest = Forest::with(repeat_everything).await?;
    let runs = AtomicU32::new(0);
    let outcome: Result<(), Abort<Fallow, Error>> = forest
        .db
        .try_write(&WRITE, async |conn| {
            runs.fetch_add(1, Relaxed);
            insert(1).execute(conn).await?;
            Err(Fallow)?
        })
        .await;
    assert!(matches!(outcome, Err(Abort::Caller(Fallow))), "{outcome:?}");
    assert_eq!((forest.trees().await?, runs.into_inner()), (vec![], 1));
    let read = forest.db.try_read::<(), _, _>(&READ, async |_| Err(Fallow)?).await;
    assert!(matches!(read, Err(Abort::Caller(Fallow))));
    let breaker = forest.db.health().breaker;
    for _ in 0..5 {
        _ = forest.db.try_read::<(), _, _>(&READ, async |_| Err(Fallow)?).await;
    }
    assert_eq!(forest.db.health().breaker.state, breaker.state, "the server has answered");
    assert_eq!(forest.db.health().pool.opened, 1, "the session is reused");
    Ok(())
}

#[tokio::test]
async fn database_errors_beside_caller_errors_are_retried() -> Result<()> {
    let forest = Forest::new().await?;
    let runs = AtomicU32::new(0);
    let abort_first = "DO $$ BEGIN RAISE EXCEPTION 'serialization failure' USING ERRCODE = '40001'; END $$";
    let outcome: Result<u32, Abort<Fallow, Error>> = forest
        .db
        .try_write(&WRITE, async |conn| {
            let run = runs.fetch_add(1, Relaxed);
            insert(1).execute(conn).await?;
            if run == 0 {
                conn.batch_execute(abort_first).await?;
            }
            Ok(run)
        })
        .await;
    assert!(matches!(outcome, Ok(1)), "{outcome:?}");
    let duplicate: Result<usize, Abort<Fallow, Error>> =
        forest.db.try_write(&WRITE, async |conn| Ok(insert(1).execute(conn).await?)).await;
    let Err(Abort::Database(error)) = duplicate else { panic!("a duplicate: {duplicate:?}") };
    assert_eq!((error.class(), error.key()), (Class::Duplicate, Some("trees_pkey")));
    Ok(())
}

#[tokio::test]
async fn operation_deadline_overrides_session_timeout() -> Result<()> {
    const UNHURRIED: Operation<Read> = Operation::read("trees.unhurried").deadline(Duration::from_secs(20));
    const SNAPSHOT: Operation<Read> = UNHURRIED.snapshot();
    let forest = Forest::with(|settings| {
        settings.pool.session.statement_timeout = Duration::from_millis(200);
        settings.deadline = Duration::from_millis(200);
    })
    .await?;
    let doze = async |conn: &mut Conn| -> QueryResult<usize> {
        cached(sql_query("SELECT pg_sleep(0.6)")).execute(conn).await
    };
    forest.db.read(&UNHURRIED, doze).await?;
    forest.db.read(&SNAPSHOT, doze).await?;
    assert_eq!(forest.db.read(&READ, doze).await.expect_err("too slow").class(), Class::Timeout);
    Ok(())
}

#[tokio::test]
async fn extreme_deadlines_saturate() -> Result<()> {
    const FOREVER: Operation<Write> = Operation::write("trees.forever").deadline(Duration::MAX);
    const MONTH: Operation<Write> =
        Operation::write("trees.month").deadline(Duration::from_secs(30 * 86_400));
    const FOREVER_READ: Operation<Read> = Operation::read("trees.forever_read").deadline(Duration::MAX);
    let forest = Forest::new().await?;
    forest.db.write(&FOREVER, async |conn| insert(1).execute(conn).await).await?;
    forest.db.write(&MONTH, async |conn| insert(2).execute(conn).await).await?;
    forest.db.read(&FOREVER_READ, async |conn| insert(3).execute(conn).await).await.expect_err("reads only");
    assert_eq!(forest.trees().await?, [1, 2]);
    Ok(())
}

/// A type whose conversion fails with an error that shows the value.
#[derive(Debug)]
struct Label;

impl FromSql<Text, Pg> for Label {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Err(format!("unknown label {}", String::from_utf8_lossy(value.as_bytes())).into())
    }
}

#[derive(Debug, QueryableByName)]
struct Labelled {
    #[diesel(sql_type = Text)]
    #[expect(dead_code, reason = "no value is ever accepted")]
    label: Label,
}

#[tokio::test]
async fn error_texts_show_no_values() -> Result<()> {
    let forest = Forest::new().await?;
    let unreadable = forest
        .db
        .read(&READ, async |conn| sql_query("SELECT 's3cret' AS label").get_result::<Labelled>(conn).await);
    let unreadable = unreadable.await.expect_err("no label is accepted");
    assert_eq!(unreadable.to_string(), "a value could not be read");
    let refused = forest.db.read(&READ, async |conn| conn.batch_execute("SELECT 's3cret'::int").await).await;
    for error in [unreadable, refused.expect_err("no number")] {
        for text in [format!("{error}"), format!("{error:?}"), format!("{:#}", anyhow::Error::new(error))] {
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
    Ok(())
}
