//! A program written for diesel-async and bb8 runs on this pool.

#[path = "../examples/port.rs"]
mod station;

use anyhow::Result;
use diesel::sql_query;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::{CloseReason, Operation, Pool, Write};
use steadfast_postgres::{Db, DbSettings};
use steadfast_testkit::TestDatabase;

const LISTEN: Operation<Write> = Operation::write("trains.listen");

#[tokio::test]
async fn ported_program_books_both_trains_or_none() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let pool = Pool::from_url(&database.url())?;
    let trains = station::day(&pool).await.map_err(anyhow::Error::from_boxed)?;
    let seats: Vec<String> = trains.iter().map(|train| format!("{train:?}")).collect();
    assert_eq!(
        seats,
        [
            "Train { number: 401, destination: \"Trondheim\", free_seats: 41 }",
            "Train { number: 402, destination: \"Bergen\", free_seats: 79 }"
        ]
    );
    assert_eq!((pool.state().opened, pool.state().checked_out), (1, 0));
    // The rest of the program only reads the address from the command line.
    let _: fn() -> _ = station::main;
    Ok(())
}

#[tokio::test]
async fn ignored_statement_error_fails_transaction() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let pool = Pool::from_url(&database.url())?;
    let mut conn = pool.get().await?;
    let lost = conn
        .transaction(async |conn| {
            sql_query("CREATE TABLE kept (id int4)").execute(conn).await?;
            _ = sql_query("SELECT 1 / 0").execute(conn).await;
            Ok::<_, diesel::result::Error>(())
        })
        .await
        .expect_err("PostgreSQL rolled it back");
    assert!(lost.to_string().starts_with("COMMIT was answered by ROLLBACK: nothing was stored"), "{lost}");
    conn.transaction(async |conn| sql_query("CREATE TABLE kept (id int4)").execute(conn).await).await?;
    Ok(())
}

#[tokio::test]
async fn listen_is_rejected() -> Result<()> {
    let database = TestDatabase::empty().await?;
    let pool = Pool::from_url(&database.url())?;
    let mut conn = pool.get().await?;
    let batch = conn.batch_execute("LISTEN arrivals").await.expect_err("refused");
    drop(conn);
    let mut conn = pool.get().await?;
    let query = sql_query("LISTEN arrivals").execute(&mut conn).await.expect_err("refused");
    drop(conn);
    let db = Db::new(&database.url(), DbSettings::default())?;
    let unit = db.write(&LISTEN, async |conn| sql_query("LISTEN arrivals").execute(conn).await).await;
    let unit = unit.expect_err("refused");
    for text in [batch.to_string(), query.to_string(), unit.to_string()] {
        assert!(text.contains("LISTEN is not supported on a pooled connection"), "{text}");
        assert!(text.contains("open a separate connection with tokio_postgres"), "{text}");
    }
    assert_eq!((pool.state().opened, pool.state().closed_for(CloseReason::Broken)), (2, 2));
    Ok(())
}
