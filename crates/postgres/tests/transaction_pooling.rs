//! Sessions for PgBouncer in transaction mode, tested on a plain server where each property can be checked.

mod support;

use anyhow::Result;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{BigInt, Text};
use steadfast_postgres::diesel::{QueryResult, QueryableByName};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::{Captured, Conn, Operation, Read, Recorder, Write, cached};
use support::{Forest, insert};

const LOOK: Operation<Read> = Operation::read("trees.look").statements(3);
const COMPARE: Operation<Read> = Operation::read("trees.compare").snapshot();
const PLANT: Operation<Write> = Operation::write("trees.plant");

/// Returns a forest configured for PgBouncer in transaction mode, with one slot, and a recorder of its messages.
async fn pooled_by_transaction() -> Result<(Forest, Recorder)> {
    let recorder = Recorder::new();
    let forest = Forest::with(|settings| {
        settings.pool.pool_size = 1;
        settings.pool.session.pgbouncer_transaction = true;
        settings.pool.session.recorder = Some(recorder.clone());
    })
    .await?;
    Ok((forest, recorder))
}

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

/// Returns the value of a setting in the session.
async fn setting(conn: &mut Conn, name: &str) -> QueryResult<String> {
    let row: Setting =
        sql_query(format!("SELECT current_setting('{name}') AS value")).get_result(conn).await?;
    Ok(row.value)
}

#[derive(QueryableByName)]
struct Prepared {
    #[diesel(sql_type = BigInt)]
    cached: i64,
}

/// Returns the number of prepared statements of the session after two executions.
async fn cached_statements(conn: &mut Conn) -> QueryResult<i64> {
    for _ in 0..2 {
        cached(sql_query("SELECT id FROM trees")).execute(conn).await?;
    }
    let sql =
        "SELECT count(*) AS cached FROM pg_prepared_statements WHERE statement LIKE 'SELECT id FROM trees%'";
    let row: Prepared = sql_query(sql).get_result(conn).await?;
    Ok(row.cached)
}

/// Returns the texts of the statements.
fn sent(captured: &Captured) -> Vec<&str> {
    captured.statements.iter().map(|statement| &*statement.sql).collect()
}

#[tokio::test]
async fn session_sends_no_settings() -> Result<()> {
    let (pooled, _) = pooled_by_transaction().await?;
    for (forest, expected) in [(Forest::new().await?, "30s"), (pooled, "0")] {
        let limit = forest.db.read(&LOOK, async |conn| setting(conn, "statement_timeout").await).await?;
        assert_eq!(limit, expected);
    }
    Ok(())
}

#[tokio::test]
async fn caches_no_prepared_statements() -> Result<()> {
    let (pooled, _) = pooled_by_transaction().await?;
    for (forest, expected) in [(Forest::new().await?, 1), (pooled, 0)] {
        assert_eq!(forest.db.read(&LOOK, cached_statements).await?, expected);
    }
    Ok(())
}

#[tokio::test]
async fn every_unit_of_work_is_a_transaction() -> Result<()> {
    let (forest, recorder) = pooled_by_transaction().await?;
    forest.db.write(&PLANT, async |conn| insert(1).execute(conn).await).await?;
    let count = async |conn: &mut Conn| cached(sql_query("SELECT id FROM trees")).execute(conn).await;
    recorder.start();
    assert_eq!(forest.db.read(&LOOK, count).await?, 1);
    assert_eq!(sent(&recorder.take()), ["BEGIN READ ONLY", "SELECT id FROM trees", "COMMIT"]);
    recorder.start();
    assert_eq!(forest.db.read(&COMPARE, count).await?, 1);
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    assert_eq!(sent(&recorder.take()), [begin, "SELECT id FROM trees", "COMMIT"]);
    let read_only = forest.db.read(&LOOK, async |conn| setting(conn, "transaction_read_only").await).await?;
    assert_eq!(read_only, "on");
    let refused = forest.db.read(&LOOK, async |conn| insert(2).execute(conn).await).await;
    let code = refused.expect_err("a read changes nothing").sqlstate();
    assert_eq!(code.map(|code| code.to_string()).as_deref(), Some("25006"));
    assert_eq!(forest.trees().await?, [1]);
    Ok(())
}

#[tokio::test]
async fn session_setup_is_one_transaction() -> Result<()> {
    let (forest, recorder) = pooled_by_transaction().await?;
    recorder.start();
    forest.db.read(&LOOK, async |conn| conn.batch_execute("SELECT 1").await).await?;
    let captured = recorder.take();
    let sent = sent(&captured);
    assert_eq!(sent[0], "BEGIN", "{sent:?}");
    let end = sent.iter().position(|sql| *sql == "COMMIT").expect("it is committed");
    assert_eq!(sent[end + 1..], ["BEGIN READ ONLY", "SELECT 1", "COMMIT"]);
    Ok(())
}
