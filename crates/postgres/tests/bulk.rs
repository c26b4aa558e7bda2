//! Savepoints and bulk inserts on a real server.

mod support;

use anyhow::Result;
use std::sync::Mutex;
use steadfast_postgres::diesel::sql_types::{Array, BigInt};
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::resilience::{Class, Classify};
use steadfast_postgres::{Bulk, Conn, Error, Operation, Read, Write, cached};
use support::{Forest, insert};

const PLANT: Operation<Write> = Operation::write("trees.plant").statements(200);
const LOOK: Operation<Read> = Operation::read("trees.look");

async fn plant(conn: &mut Conn, ids: &[i64]) -> QueryResult<usize> {
    let sql = "INSERT INTO trees (id, height_cm) SELECT id, 100 FROM unnest($1) AS given(id)";
    cached(sql_query(sql).bind::<Array<BigInt>, _>(ids)).execute(conn).await
}

async fn plant_all(forest: &Forest, ids: &[i64]) -> Result<Bulk, Error> {
    forest.db.write(&PLANT, async |conn| conn.insert_valid(ids, plant).await).await
}

#[tokio::test]
async fn insert_valid_stores_valid_rows_and_reports_duplicates() -> Result<()> {
    let forest = Forest::new().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (3, 0), (17, 0), (18, 0), (49, 0)").await?;
    let ids: Vec<i64> = (0..50).collect();
    let bulk = plant_all(&forest, &ids).await?;
    assert_eq!((bulk.stored, bulk.duplicates().collect::<Vec<_>>()), (46, vec![3, 17, 18, 49]));
    assert!(bulk.refused.iter().all(|(_, error)| error.key() == Some("trees_pkey")));
    assert_eq!(forest.trees().await?, ids);
    Ok(())
}

#[tokio::test]
async fn insert_valid_without_refusals_sends_one_statement() -> Result<()> {
    let forest = Forest::new().await?;
    let counts = Mutex::new(Vec::new());
    for ids in [&[1, 2, 3][..], &[]] {
        forest
            .db
            .write(&PLANT, async |conn| {
                let bulk = conn.insert_valid(ids, plant).await?;
                counts.lock().expect("not poisoned").push((bulk.stored, conn.statements()));
                Ok(())
            })
            .await?;
    }
    assert_eq!(*counts.lock().expect("not poisoned"), [(3, 1), (0, 0)]);
    Ok(())
}

#[tokio::test]
async fn insert_valid_accepts_inline_closures() -> Result<()> {
    let forest = Forest::new().await?;
    let height = 7;
    let bulk = forest.db.write(&PLANT, async |conn| {
        conn.insert_valid(&[1_i64, 2], async |conn, ids| {
            let sql =
                format!("INSERT INTO trees (id, height_cm) SELECT id, {height} FROM unnest($1) AS given(id)");
            sql_query(sql).bind::<Array<BigInt>, _>(ids).execute(conn).await
        })
        .await
    });
    assert_eq!(bulk.await?.stored, 2);
    assert_eq!(forest.trees().await?, [1, 2]);
    Ok(())
}

#[tokio::test]
async fn insert_valid_stores_nothing_after_other_errors() -> Result<()> {
    let forest = Forest::new().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (2, 0)").await?;
    let broken = forest.db.write(&PLANT, async |conn| {
        conn.insert_valid(&[1_i64, 2, 3], plant).await?;
        sql_query("SELECT 1 / 0").execute(conn).await
    });
    assert_eq!(broken.await.expect_err("division by zero").class(), Class::Fault);
    assert_eq!(forest.trees().await?, [2]);
    Ok(())
}

#[tokio::test]
async fn failed_savepoint_is_rolled_back() -> Result<()> {
    let forest = Forest::new().await?;
    let written = forest.db.write(&PLANT, async |conn| {
        insert(1).execute(conn).await?;
        let inner = conn.savepoint(async |conn| {
            insert(2).execute(conn).await?;
            conn.savepoint(async |conn| insert(1).execute(conn).await).await.map(drop).unwrap_or_default();
            insert(3).execute(conn).await?;
            insert(1).execute(conn).await
        });
        let refused = inner.await.is_err();
        insert(4).execute(conn).await?;
        Ok(refused)
    });
    assert!(written.await?);
    assert_eq!(forest.trees().await?, [1, 4]);
    Ok(())
}

#[tokio::test]
async fn savepoint_requires_transaction() -> Result<()> {
    let forest = Forest::new().await?;
    let refused =
        forest.db.read(&LOOK, async |conn| conn.savepoint(async |conn| insert(1).execute(conn).await).await);
    assert!(matches!(refused.await, Err(Error::Query(_))));
    assert_eq!(forest.trees().await?, [0; 0]);
    Ok(())
}
