//! Schema changes cause no errors; each session is replaced at most once.

mod support;

use anyhow::Result;
use futures_util::future::join_all;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use steadfast_postgres::diesel::sql_types::{SqlType, Text};
use steadfast_postgres::diesel::{QueryResult, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::{Conn, Error, Operation, Read, Write, cached};
use support::{Forest, insert};
use tokio::sync::Barrier;

const LOOK: Operation<Read> = Operation::read("trees.look").statements(2);
const GROW: Operation<Write> = Operation::write("trees.grow").statements(2);

async fn look(conn: &mut Conn) -> QueryResult<usize> {
    cached(sql_query("SELECT * FROM trees")).execute(conn).await
}

/// Prepares the statements of `work` on all four sessions of the pool.
async fn warm<F>(forest: &Forest, work: F) -> Result<()>
where
    F: for<'r> Fn(&'r mut Conn) -> futures_util::future::BoxFuture<'r, QueryResult<()>> + Send + Sync,
{
    let (meet, came) = (Barrier::new(4), AtomicU32::new(0));
    let one = async || {
        forest
            .db
            .read(&LOOK, async |conn| {
                // A retried unit does not wait again.
                if came.fetch_add(1, Relaxed) < 4 {
                    meet.wait().await;
                }
                work(conn).await
            })
            .await
    };
    for outcome in join_all([one(), one(), one(), one()]).await {
        outcome?;
    }
    Ok(())
}

#[tokio::test]
async fn reads_survive_changed_columns() -> Result<()> {
    let forest = Forest::new().await?;
    forest.db.write(&GROW, async |conn| insert(1).execute(conn).await).await?;
    warm(&forest, |conn| Box::pin(async { look(conn).await.map(drop) })).await?;
    forest.looker.batch_execute("ALTER TABLE trees ALTER COLUMN height_cm TYPE int8").await?;
    for _ in 0..20 {
        assert_eq!(forest.db.read(&LOOK, look).await?, 1);
    }
    assert_eq!(forest.trees().await?, [1]);
    let opened = forest.db.health().pool.opened;
    assert!(opened <= 8, "{opened} sessions were opened for a pool of 4");
    Ok(())
}

#[tokio::test]
async fn writes_survive_changed_columns() -> Result<()> {
    let forest = Forest::new().await?;
    forest.looker.batch_execute("INSERT INTO trees VALUES (1, 0)").await?;
    let runs = AtomicU32::new(0);
    let grow = async || {
        forest
            .db
            .write(&GROW, async |conn| {
                runs.fetch_add(1, Relaxed);
                cached(sql_query("UPDATE trees SET height_cm = height_cm + 1 RETURNING *"))
                    .execute(conn)
                    .await
            })
            .await
    };
    grow().await?;
    forest.looker.batch_execute("ALTER TABLE trees ALTER COLUMN height_cm TYPE int8").await?;
    grow().await?;
    let height: i64 = forest.looker.query_one("SELECT height_cm FROM trees", &[]).await?.get(0);
    assert_eq!((height, runs.into_inner()), (2, 3), "the second one ran twice and counted once");
    Ok(())
}

#[tokio::test]
async fn reads_survive_deallocated_statements() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    forest.db.read(&LOOK, look).await?;
    let runs = AtomicU32::new(0);
    forest
        .db
        .read(&LOOK, async |conn| {
            look(conn).await?;
            if runs.fetch_add(1, Relaxed) == 0 {
                conn.batch_execute("DEALLOCATE ALL").await?;
            }
            look(conn).await
        })
        .await?;
    assert_eq!((runs.into_inner(), forest.db.health().pool.opened), (2, 2));
    Ok(())
}

#[derive(SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "leaf"))]
struct Leaf;

#[derive(Debug, diesel::expression::AsExpression)]
#[diesel(sql_type = Leaf)]
struct Shape(&'static str);

impl diesel::serialize::ToSql<Leaf, diesel::pg::Pg> for Shape {
    fn to_sql<'b>(
        &'b self,
        out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
    ) -> diesel::serialize::Result {
        std::io::Write::write_all(out, self.0.as_bytes())?;
        Ok(diesel::serialize::IsNull::No)
    }
}

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = Text)]
    shown: String,
}

#[tokio::test]
async fn reads_survive_recreated_types() -> Result<()> {
    let forest = Forest::new().await?;
    let create = "DROP TYPE IF EXISTS leaf; CREATE TYPE leaf AS ENUM ('needle', 'blade')";
    forest.looker.batch_execute(create).await?;
    async fn show(conn: &mut Conn) -> QueryResult<String> {
        let query = cached(sql_query("SELECT $1::text AS shown").bind::<Leaf, _>(Shape("needle")));
        Ok(query.get_result::<Shown>(conn).await?.shown)
    }
    /// Uses a type that was looked up before the change, in a statement that was not prepared.
    async fn show_anew(conn: &mut Conn) -> QueryResult<String> {
        let query = sql_query("SELECT upper($1::text) AS shown").bind::<Leaf, _>(Shape("needle"));
        Ok(query.get_result::<Shown>(conn).await?.shown)
    }
    for round in 0..3 {
        warm(&forest, |conn| Box::pin(async { show(conn).await.map(drop) })).await?;
        forest.looker.batch_execute(create).await?;
        for _ in 0..6 {
            let shown = forest.db.read(&LOOK, show).await;
            assert!(matches!(shown.as_deref(), Ok("needle")), "round {round}: {shown:?}");
            let shown = forest.db.read(&LOOK, show_anew).await;
            assert!(matches!(shown.as_deref(), Ok("NEEDLE")), "round {round}: {shown:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn other_unsupported_features_close_no_session() -> Result<()> {
    let forest = Forest::with(|settings| settings.pool.pool_size = 1).await?;
    for _ in 0..5 {
        let refused = forest
            .db
            .read(&LOOK, async |conn| conn.batch_execute("SELECT 1 FOR UPDATE OF missing").await)
            .await;
        refused.expect_err("no such table");
        let foreign = "SELECT * FROM other_database.public.trees";
        let refused = forest.db.read(&LOOK, async |conn| conn.batch_execute(foreign).await).await;
        let code = refused.as_ref().err().and_then(Error::sqlstate).map(|code| code.to_string());
        assert_eq!(code.as_deref(), Some("0A000"), "{refused:?}");
    }
    assert_eq!(forest.db.health().pool.opened, 1);
    Ok(())
}
