//! Changes of the session state never reach the next borrower.

mod support;

use anyhow::Result;
use std::time::{Duration, Instant};
use steadfast_postgres::diesel::sql_types::Text;
use steadfast_postgres::diesel::{QueryableByName, sql_query};
use steadfast_postgres::diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use steadfast_postgres::{CloseReason, Db, Operation, Read, SqlState, Write, cached};
use support::{Forest, insert};

const CHANGE: Operation<Write> = Operation::write("session.change").statements(9);
const LOOK: Operation<Read> = Operation::read("session.look").statements(9);

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = Text)]
    seen: String,
}

/// Returns all session state that the next borrower could notice.
const STATE: &str = "SELECT concat_ws(' ', current_user, current_setting('search_path'), \
     current_setting('statement_timeout'), current_setting('default_transaction_read_only'), \
     current_setting('TimeZone'), current_setting('app.tenant', true), \
     (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), \
     to_regclass('pg_temp.scratch'), (SELECT count(*) FROM pg_cursors), \
     (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine')) AS seen";

async fn state(db: &Db) -> Result<String> {
    let seen: Seen = db.read(&LOOK, async |conn| cached(sql_query(STATE)).get_result(conn).await).await?;
    Ok(seen.seen)
}

/// Returns a forest with one session, so that borrowers follow each other on it.
async fn forest() -> Result<Forest> {
    Forest::with(|settings| settings.pool.pool_size = 1).await
}

#[tokio::test]
async fn session_changes_never_reach_the_next_borrower() -> Result<()> {
    let forest = forest().await?;
    let fresh = state(&forest.db).await?;
    let changes = [
        "SET search_path TO pg_catalog",
        "SET ROLE pg_monitor",
        "SET statement_timeout = '1h'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET TIME ZONE 'Europe/Oslo'",
        "SELECT set_config('app.tenant', 'seven', false)",
        "SELECT pg_advisory_lock(7)",
        "CREATE TEMP TABLE scratch AS SELECT 1 AS id",
        "SELECT 1 AS id INTO TEMP scratch",
        "DECLARE all_of_them CURSOR WITH HOLD FOR SELECT 1",
        "PREPARE mine AS SELECT 1",
        "DO $$ BEGIN SET search_path TO pg_catalog; END $$",
    ];
    for (number, sql) in changes.into_iter().enumerate() {
        for is_batch in [true, false] {
            forest
                .db
                .write(&CHANGE, async |conn| match is_batch {
                    true => conn.batch_execute(&format!("SELECT 1; {sql}")).await,
                    false => cached(sql_query(sql)).execute(conn).await.map(drop),
                })
                .await?;
            assert_eq!(state(&forest.db).await?, fresh, "after {sql}");
        }
        let closed = forest.db.health().pool.closed_for(CloseReason::Altered);
        assert_eq!(closed, 2 * (number as u64 + 1), "closed once for each: {sql}");
    }
    Ok(())
}

#[tokio::test]
async fn transaction_local_changes_close_no_session() -> Result<()> {
    let forest = forest().await?;
    let fresh = state(&forest.db).await?;
    for sql in [
        "SET LOCAL search_path TO pg_catalog",
        "SELECT set_config('app.tenant', 'seven', true)",
        "SELECT pg_advisory_xact_lock(7)",
        "CREATE TEMP TABLE scratch (id int) ON COMMIT DROP",
        "SET CONSTRAINTS ALL DEFERRED",
    ] {
        forest.db.write(&CHANGE, async |conn| conn.batch_execute(sql).await).await?;
        // A custom setting that was set once reads as an empty text instead of NULL.
        assert_eq!(state(&forest.db).await?.replace("  ", " "), fresh.replace("  ", " "), "after {sql}");
    }
    assert_eq!(forest.db.health().pool.opened, 1);
    Ok(())
}

#[tokio::test]
async fn errors_close_no_session() -> Result<()> {
    let forest = forest().await?;
    for _ in 0..2_000 {
        forest
            .db
            .read(&LOOK, async |conn| conn.batch_execute("SELECT 1 / 0").await)
            .await
            .expect_err("by zero");
    }
    assert_eq!(forest.db.health().pool.opened, 1);
    Ok(())
}

#[tokio::test]
async fn unread_rows_close_no_session() -> Result<()> {
    let forest = Forest::new().await?;
    for rows in [2, 3_000, 30_000] {
        for _ in 0..20 {
            let sql = format!("SELECT repeat('x', 20) AS seen FROM generate_series(1, {rows})");
            forest.db.read(&LOOK, async |conn| sql_query(&sql).get_result::<Seen>(conn).await).await?;
        }
    }
    // The first rows are sent immediately, the rest after a pause.
    for _ in 0..20 {
        let sql = "SELECT repeat('x', 20000) AS seen FROM generate_series(1, 3) UNION ALL SELECT pg_sleep(0.02)::text";
        forest.db.read(&LOOK, async |conn| sql_query(sql).get_result::<Seen>(conn).await).await?;
    }
    let state = forest.db.health().pool;
    assert_eq!(state.closed.map(|(_, count)| count), [0; CloseReason::ALL.len()], "{state:?}");
    Ok(())
}

#[tokio::test]
async fn endless_answers_are_cancelled() -> Result<()> {
    let forest = forest().await?;
    let began = Instant::now();
    for sql in [
        // Too many rows.
        "SELECT repeat('x', 1000) AS seen, generate_series(1, 1000000000) AS number",
        // Takes too long.
        "SELECT repeat('x', 20000) AS seen FROM generate_series(1, 3) UNION ALL SELECT pg_sleep(600)::text",
    ] {
        forest.db.read(&LOOK, async |conn| sql_query(sql).get_result::<Seen>(conn).await).await?;
        forest.db.read(&LOOK, async |conn| sql_query("SELECT 1").execute(conn).await).await?;
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(forest.db.health().pool.closed_for(CloseReason::Abandoned), 2);
    let still_at_it = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = current_database() AND query LIKE '%repeat%' AND state = 'active' \
                       AND pid <> pg_backend_pid()";
    assert_eq!(forest.looker.query_one(still_at_it, &[]).await?.get::<_, i64>(0), 0);
    Ok(())
}

#[tokio::test]
async fn prepared_statements_are_bounded() -> Result<()> {
    let forest = Forest::with(|settings| {
        settings.pool.pool_size = 1;
        settings.pool.session.statement_cache = 20;
    })
    .await?;
    let count = "SELECT count(*)::text AS seen FROM pg_prepared_statements";
    let mut most = 0;
    for id in 0..100 {
        forest.db.write(&CHANGE, async |conn| insert(id).execute(conn).await).await?;
        let seen: Seen =
            forest.db.read(&LOOK, async |conn| cached(sql_query(count)).get_result(conn).await).await?;
        most = most.max(seen.seen.parse()?);
    }
    assert!((20..=22).contains(&most), "{most} prepared statements");
    assert_eq!(forest.trees().await?, (0..100).collect::<Vec<_>>());
    assert_eq!(forest.db.health().pool.opened, 1);
    Ok(())
}

#[tokio::test]
async fn read_only_server_retires_older_sessions_once() -> Result<()> {
    let forest = Forest::new().await?;
    let meet = tokio::sync::Barrier::new(4);
    let all_four = async || {
        let look = async || {
            forest
                .db
                .read(&LOOK, async |_| {
                    meet.wait().await;
                    Ok(())
                })
                .await
        };
        futures_util::future::try_join_all([look(), look(), look(), look()]).await
    };
    all_four().await?;
    assert_eq!(forest.db.health().pool.opened, 4);
    // The error of a standby.
    let refuse = "DO $$ BEGIN RAISE SQLSTATE '25006'; END $$";
    for retired in [4, 5] {
        let refused = forest.db.write(&CHANGE, async |conn| conn.batch_execute(refuse).await).await;
        assert_eq!(refused.expect_err("refused").sqlstate(), Some(SqlState::READ_ONLY));
        all_four().await?;
        assert_eq!(
            forest.db.health().pool.opened,
            4 + retired,
            "the first error concerns all sessions, the next its own"
        );
    }
    Ok(())
}
