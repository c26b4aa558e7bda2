//! Tests of replays: transactions, pipelines, sequences, and differences from the run.

use crate::support::{Library, rules, served_by};
use anyhow::Result;
use diesel::sql_query;
use diesel::sql_types::{Integer, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use steadfast_plans::{Contract, ReplayDatabase, Rule, Run, Sequences, freeze, judge};
use steadfast_postgres::{Db, DbSettings, Operation, Read, Write};

#[tokio::test]
async fn finds_other_numbers_of_rows() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("SELECT title FROM books WHERE author_id = $1", 7).await?;
    library.replays.client().batch_execute("DELETE FROM books WHERE id = 6").await?;
    let judged = library.judge(served_by(&["books_author"]), captured).await?;
    assert_eq!(rules(&judged), [Rule::Replay]);
    let finding = &judged.findings[0];
    assert_eq!(
        (&*finding.expected, &*finding.found),
        ("20 rows, as the program got", "19 rows in the replay")
    );
    Ok(())
}

#[tokio::test]
async fn finds_statements_that_fail_in_the_replay() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("INSERT INTO shelves VALUES ($1, 'new')", 77).await?;
    library.replays.client().batch_execute("INSERT INTO shelves VALUES (77, 'there')").await?;
    let judged = library.judge(served_by(&[]), captured).await?;
    assert_eq!(rules(&judged), [Rule::Replay]);
    assert!(judged.findings[0].found.contains("23505"), "{}", judged.findings[0]);
    Ok(())
}

#[tokio::test]
async fn finds_commands_that_fail_in_the_replay() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.plain("DROP INDEX books_mood").await?;
    library.replays.client().batch_execute("DROP INDEX books_mood").await?;
    let judged = library.judge(served_by(&[]), captured).await?;
    assert_eq!(rules(&judged), [Rule::Replay]);
    assert!(judged.findings[0].found.contains("42704"), "{}", judged.findings[0]);
    Ok(())
}

#[tokio::test]
async fn frozen_data_has_fixed_statistics_and_no_autovacuum() -> Result<()> {
    let library = Library::open().await?;
    let client = library.replays.client();
    let loose = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND oid >= 16384 \
         AND NOT coalesce('autovacuum_enabled=off' = ANY(reloptions), false)";
    assert_eq!(client.query_one(loose, &[]).await?.get::<_, i64>(0), 0);
    client.batch_execute("SET default_statistics_target = 7").await?;
    freeze(client).await?;
    let target: String = client.query_one("SHOW default_statistics_target", &[]).await?.get(0);
    assert_eq!(target, "100");
    Ok(())
}

#[tokio::test]
async fn replays_pipelined_statements_in_order() -> Result<()> {
    let library = Library::open().await?;
    library.recorder.start();
    let conn = &library.conn;
    let find = |id: i32| async move {
        let mut conn: &AsyncPgConnection = conn;
        sql_query("SELECT title FROM books WHERE author_id = $1 LIMIT $2")
            .bind::<Integer, _>(7)
            .bind::<Integer, _>(id)
            .execute(&mut conn)
            .await
    };
    let found = tokio::try_join!(find(1), find(2), find(3))?;
    assert_eq!(found, (1, 2, 3));
    let captured = library.recorder.take();
    let judged =
        library.judge(served_by(&["books_author"]).batch(3, "replays are tested here"), captured).await?;
    assert_eq!(judged.findings, []);
    assert_eq!(
        judged.statements.iter().map(|statement| statement.work.returned).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    Ok(())
}

async fn put(conn: &mut AsyncPgConnection, id: i32, room: &str) -> diesel::QueryResult<usize> {
    let query = sql_query("INSERT INTO shelves VALUES ($1, $2)").bind::<Integer, _>(id).bind::<Text, _>(room);
    query.execute(conn).await
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "plain diesel-async, as in foreign projects")]
async fn replays_transactions_savepoints_and_failed_statements() -> Result<()> {
    let mut library = Library::open().await?;
    library.recorder.start();
    let conn = &mut library.conn;
    conn.transaction::<_, diesel::result::Error, _>(async |conn| {
        put(conn, 20, "kept").await?;
        let refused = conn.transaction::<_, diesel::result::Error, _>(async |conn| {
            put(conn, 21, "undone").await?;
            put(conn, 20, "refused").await
        });
        assert!(refused.await.is_err(), "20 is there");
        put(conn, 21, "kept").await
    })
    .await?;
    let undone = conn.transaction::<usize, diesel::result::Error, _>(async |conn| {
        put(conn, 22, "undone").await?;
        Err(diesel::result::Error::RollbackTransaction)
    });
    assert!(undone.await.is_err());
    assert_eq!(put(conn, 22, "kept").await?, 1);
    let captured = library.recorder.take();
    let judged = library.judge(served_by(&[]).batch(6, "replays are tested here"), captured).await?;
    assert_eq!(judged.findings, []);
    assert_eq!(judged.statements.len(), 5, "all but the refused one");
    let shelves: i64 = library.replays.client().query_one("SELECT count(*) FROM shelves", &[]).await?.get(0);
    assert_eq!(shelves, 10, "everything is rolled back");
    Ok(())
}

#[tokio::test]
async fn draws_the_numbers_of_the_run() -> Result<()> {
    let mut library = Library::open().await?;
    let on_run = ReplayDatabase::connect(&library.run_on.url()).await?;
    let insert =
        "INSERT INTO books (author_id, title, mood, tags, status) VALUES ($1, 'n', 'grave', '{}', 'lent')";
    library.with_number(insert, 5).await?;
    let sequences = Sequences::read(&on_run).await?;
    library.recorder.start();
    sql_query(insert).bind::<Integer, _>(5).execute(&mut library.conn).await?;
    let review = sql_query("INSERT INTO reviews VALUES (30000, $1, 'good')").bind::<Integer, _>(2);
    review.execute(&mut library.conn).await?;
    let captured = library.recorder.take();
    let contract = served_by(&[]).statements(2);
    let run = Run::new(contract, "two", captured).sequences(sequences);
    assert_eq!(judge(&library.replays, &run).await?.findings, []);
    assert_eq!(judge(&library.replays, &run).await?.findings, [], "however often it is replayed");
    Ok(())
}

#[tokio::test]
async fn finds_several_statements_in_one_message() -> Result<()> {
    let mut library = Library::open().await?;
    library.recorder.start();
    let batch = "DELETE FROM shelves WHERE id = 1; DELETE FROM shelves WHERE id = 2";
    library.conn.batch_execute(batch).await?;
    let judged = library.judge(served_by(&[]), library.recorder.take()).await?;
    assert_eq!(rules(&judged), [Rule::Replay]);
    assert_eq!(judged.findings[0].found, "several statements in one message");
    Ok(())
}

#[tokio::test]
async fn writes_do_not_affect_later_cases() -> Result<()> {
    let mut library = Library::open().await?;
    let write = library.with_number("UPDATE books SET notes = '' WHERE id = $1", 505).await?;
    assert_eq!(library.judge(served_by(&["books_pkey"]), write).await?.findings, []);
    let read = library.with_number("SELECT title FROM books WHERE price = $1", 505).await?;
    assert_eq!(library.judge(served_by(&["books_price"]), read).await?.findings, []);
    Ok(())
}

#[tokio::test]
async fn replays_concurrent_transactions_in_sequence() -> Result<()> {
    let mut library = Library::open().await?;
    let mut other = library.recorder.connect(&library.run_on.url()).await?;
    library.recorder.start();
    library.conn.batch_execute("BEGIN").await?;
    other.batch_execute("BEGIN").await?;
    put(&mut library.conn, 30, "first").await?;
    put(&mut other, 31, "second").await?;
    put(&mut library.conn, 32, "third").await?;
    other.batch_execute("ROLLBACK").await?;
    library.conn.batch_execute("COMMIT").await?;
    put(&mut other, 31, "fourth").await?;
    let captured = library.recorder.take();
    let judged = library.judge(served_by(&[]).batch(4, "replays are tested here"), captured).await?;
    assert_eq!(judged.findings, []);
    Ok(())
}

const SHELVE: Operation<Write> = Operation::write("shelves.add");
const FIND: Operation<Read> = Operation::read("books.find").served_by(&["books_pkey", "shelves_pkey"]);

#[tokio::test]
async fn replays_statements_of_other_operations_without_judging() -> Result<()> {
    let library = Library::open().await?;
    let mut settings = DbSettings::default();
    settings.pool.session.recorder = Some(library.recorder.clone());
    let db = Db::new(&library.run_on.url(), settings)?;
    library.recorder.start();
    let add = sql_query("INSERT INTO shelves SELECT 40, title FROM books WHERE notes = 'y' OR id = 40");
    db.write(&SHELVE, async |conn| add.clone().execute(conn).await).await?;
    let find = "SELECT title FROM books WHERE id = (SELECT max(id) FROM shelves)";
    let found = db.read(&FIND, async |conn| sql_query(find).execute(conn).await).await?;
    assert_eq!(found, 1);
    let captured = library.recorder.take();
    let judged = library.judge(Contract::from(&FIND), captured.clone()).await?;
    assert_eq!(judged.findings, []);
    assert_eq!(judged.statements.iter().map(|statement| &*statement.sql).collect::<Vec<_>>(), [find]);
    let judged = library.judge(Contract::from(&SHELVE), captured).await?;
    assert_eq!(rules(&judged), [Rule::Unserved], "the other one reads all books");
    Ok(())
}
