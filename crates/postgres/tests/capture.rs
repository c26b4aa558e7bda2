//! Capture of units of work on a real server.

mod support;

use anyhow::Result;
use futures_util::future::try_join;
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{BigInt, Integer, Nullable};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{
    Captured, Conn, Operation, Read, Recorder, StatementKind, TransactionStatus, Write, cached,
};
use support::{Forest, insert};

const FIND: Operation<Read> = Operation::read("trees.find").statements(2);
const PLANT: Operation<Write> = Operation::write("trees.plant");

async fn recorded() -> Result<(Forest, Recorder)> {
    let recorder = Recorder::new();
    let forest = Forest::with(|settings| settings.pool.session.recorder = Some(recorder.clone())).await?;
    Ok((forest, recorder))
}

async fn find(conn: &mut Conn, id: i64) -> steadfast_postgres::diesel::QueryResult<usize> {
    let query = sql_query("SELECT id FROM trees WHERE id = $1 OR height_cm = $2");
    cached(query.bind::<BigInt, _>(id).bind::<Nullable<Integer>, _>(None::<i32>)).execute(conn).await
}

fn own(captured: &Captured) -> Vec<(&str, &str, Option<u64>)> {
    captured.own().map(|statement| (statement.operation, &*statement.sql, statement.rows())).collect()
}

#[tokio::test]
async fn captures_statement_with_operation_types_values_and_rows() -> Result<()> {
    let (forest, recorder) = recorded().await?;
    forest.db.write(&PLANT, async |conn| insert(5).execute(conn).await).await?;
    forest.db.read(&FIND, async |conn| find(conn, 4).await).await?;
    recorder.start();
    forest.db.read(&FIND, async |conn| find(conn, 5).await).await?;
    let captured = recorder.take();
    let [statement] = &captured.statements[..] else { panic!("one statement: {captured:?}") };
    assert_eq!((statement.operation, statement.rows()), ("trees.find", Some(1)));
    assert_eq!(statement.types, [20, 23]);
    let values: Vec<_> = statement.parameters.iter().map(|parameter| parameter.value.as_deref()).collect();
    assert_eq!(values, [Some(&5_i64.to_be_bytes()[..]), None]);
    assert_eq!(captured.missing, 0);
    Ok(())
}

#[tokio::test]
async fn captures_transactions_and_errors() -> Result<()> {
    let (forest, recorder) = recorded().await?;
    forest.db.write(&PLANT, async |conn| insert(5).execute(conn).await).await?;
    recorder.start();
    let again = forest.db.write(&PLANT, async |conn| insert(5).execute(conn).await).await;
    assert!(again.is_err(), "5 stands already");
    let captured = recorder.take();
    let ends: Vec<_> =
        captured.statements.iter().map(|statement| (statement.kind(), statement.after)).collect();
    let (transaction, own) = (StatementKind::Transaction, StatementKind::Own);
    let (open, idle) = (Some(TransactionStatus::Open), Some(TransactionStatus::Idle));
    assert_eq!(ends, [(transaction, open), (own, None), (transaction, idle)]);
    assert_eq!(captured.statements[1].error.as_deref(), Some("23505"));
    assert_eq!(forest.trees().await?, [5]);
    Ok(())
}

#[tokio::test]
async fn captures_pipelined_answers() -> Result<()> {
    let (forest, recorder) = recorded().await?;
    for id in 1..=3 {
        forest.db.write(&PLANT, async |conn| insert(id).execute(conn).await).await?;
    }
    recorder.start();
    let found = forest.db.read(&FIND, async |conn| {
        let (mut first, mut second): (&Conn, &Conn) = (conn, conn);
        let all = sql_query("SELECT id FROM trees").execute(&mut first);
        try_join(all, sql_query("SELECT id FROM trees LIMIT 2").execute(&mut second)).await
    });
    assert_eq!(found.await?, (3, 2));
    let captured = recorder.take();
    let expected = [
        ("trees.find", "SELECT id FROM trees", Some(3)),
        ("trees.find", "SELECT id FROM trees LIMIT 2", Some(2)),
    ];
    assert_eq!(own(&captured), expected);
    Ok(())
}

#[tokio::test]
async fn captures_long_values_without_showing_them() -> Result<()> {
    let (forest, recorder) = recorded().await?;
    let long = "leaf".repeat(500_000);
    recorder.start();
    let query = async |conn: &mut Conn| {
        let query =
            sql_query("SELECT length($1)").bind::<steadfast_postgres::diesel::sql_types::Text, _>(&long);
        query.execute(conn).await
    };
    forest.db.read(&FIND, query).await?;
    let captured = recorder.take();
    let value = captured.own().next().and_then(|statement| statement.parameters[0].value.as_deref());
    assert!(value == Some(long.as_bytes()));
    let shown = format!("{captured:?}");
    assert!(shown.contains("2000000 bytes") && shown.len() < 1_000, "{shown}");
    Ok(())
}

#[tokio::test]
async fn stores_nothing_outside_of_capture() -> Result<()> {
    let (forest, recorder) = recorded().await?;
    forest.db.read(&FIND, async |conn| find(conn, 1).await).await?;
    assert_eq!(recorder.take().statements.len(), 0);
    assert_eq!(format!("{recorder:?}"), "Recorder { on: false, stored: 0 }");
    Ok(())
}

#[tokio::test]
async fn sessions_without_recorder_are_not_recorded() -> Result<()> {
    let (forest, recorder) = (Forest::new().await?, Recorder::new());
    recorder.start();
    forest.db.read(&FIND, async |conn| find(conn, 1).await).await?;
    assert_eq!(recorder.take().statements.len(), 0);
    Ok(())
}
