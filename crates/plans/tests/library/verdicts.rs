//! Tests of verdicts: access paths, and findings of plans.

use crate::support::{Library, rules, served_by};
use anyhow::Result;
use diesel::sql_query;
use diesel::sql_types::{Array, Integer, Nullable, Numeric, Text};
use diesel_async::RunQueryDsl;
use steadfast_plans::{Access, Contract, Reads, Rule, TableActivity, Via, never_used};

fn access(table: &str, via: Via) -> Access {
    Access { table: table.to_owned(), via }
}

#[tokio::test]
async fn index_lookups_have_no_finding() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("SELECT title FROM books WHERE id = $1", 77).await?;
    let judged = library.judge(served_by(&["books_pkey"]), captured).await?;
    assert_eq!(judged.findings, []);
    let statement = &judged.statements[0];
    assert_eq!(statement.accesses, [access("books", Via::Index("books_pkey".into()))]);
    assert_eq!(
        (&*statement.shape, statement.work.returned, statement.work.scanned),
        ("Index Scan books_pkey", 1, 1)
    );
    assert!((2..=4).contains(&statement.buffers), "{statement:?}");
    assert!(statement.query_id.is_some_and(|id| id != 0), "{statement:?}");
    Ok(())
}

#[tokio::test]
async fn finds_undeclared_index() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("SELECT title FROM books WHERE id = $1", 77).await?;
    let judged = library.judge(served_by(&["books_author"]), captured).await?;
    assert_eq!(rules(&judged), [Rule::Undeclared]);
    assert_eq!(judged.findings[0].found, "books_pkey on books");
    Ok(())
}

#[tokio::test]
async fn finds_undeclared_scans_of_large_tables() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.plain("SELECT id FROM books WHERE notes = 'y'").await?;
    let judged = library.judge(served_by(&[]), captured.clone()).await?;
    assert_eq!(rules(&judged), [Rule::Unserved], "{:?}", judged.findings);
    assert!(judged.findings[0].found.starts_with("Seq Scan on books"), "{}", judged.findings[0]);
    let declared = served_by(&[]).reads(Reads::All, "an export");
    assert_eq!(library.judge(declared, captured).await?.findings, []);
    Ok(())
}

#[tokio::test]
async fn accepts_scans_of_small_tables() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.plain("SELECT id FROM shelves WHERE room = 'room 3'").await?;
    assert_eq!(library.judge(served_by(&[]), captured).await?.findings, []);
    Ok(())
}

#[tokio::test]
async fn finds_scans_of_whole_indexes() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.plain("SELECT count(price) FROM books").await?;
    let judged = library.judge(served_by(&["books_price"]), captured).await?;
    assert!(rules(&judged).contains(&Rule::Unserved), "{:?}", judged);
    Ok(())
}

#[tokio::test]
async fn finds_heap_fetches_of_index_only_scans() -> Result<()> {
    let mut library = Library::open().await?;
    let sql = "SELECT title FROM books WHERE price BETWEEN $1 AND $1 + 20";
    let captured = library.with_number(sql, 500).await?;
    let judged = library.judge(served_by(&["books_price"]), captured.clone()).await?;
    assert_eq!(judged.findings, []);
    let alone = Via::IndexOnly { index: "books_price".into(), heap_fetches: 0 };
    assert_eq!(judged.statements[0].accesses, [access("books", alone)]);
    library.replays.client().batch_execute("UPDATE books SET notes = '' WHERE price = 505").await?;
    let judged = library.judge(served_by(&["books_price"]), captured).await?;
    assert_eq!(rules(&judged), [Rule::Wasteful]);
    assert!(judged.findings[0].found.contains("heap fetches"), "{}", judged.findings[0]);
    Ok(())
}

#[tokio::test]
async fn bitmaps_name_all_indexes() -> Result<()> {
    let mut library = Library::open().await?;
    let sql = "SELECT id FROM books WHERE author_id = $1 OR mood = 'merry'";
    let captured = library.with_number(sql, 7).await?;
    let judged = library.judge(served_by(&["books_author", "books_mood"]), captured).await?;
    assert_eq!(judged.findings, []);
    let both = Via::Bitmap(vec!["books_author".into(), "books_mood".into()]);
    assert_eq!(judged.statements[0].accesses, [access("books", both)]);
    assert!(judged.statements[0].shape.contains("BitmapOr"), "{}", judged.statements[0].shape);
    Ok(())
}

#[tokio::test]
async fn conflict_index_serves_insert_that_is_rolled_back() -> Result<()> {
    let mut library = Library::open().await?;
    let sql = "INSERT INTO shelves VALUES (3, 'moved'), ($1, 'new') ON CONFLICT (id) DO UPDATE SET room = excluded.room";
    let captured = library.with_number(sql, 99).await?;
    let judged = library.judge(served_by(&["shelves_pkey"]), captured).await?;
    assert_eq!(judged.findings, []);
    assert_eq!(judged.statements[0].accesses, [access("shelves", Via::Arbiter("shelves_pkey".into()))]);
    assert_eq!(judged.statements[0].work.returned, 2);
    assert!(judged.statements[0].wal_bytes > 0);
    let kept = "SELECT count(*) FROM shelves WHERE room IN ('moved', 'new')";
    let kept: i64 = library.replays.client().query_one(kept, &[]).await?.get(0);
    assert_eq!(kept, 0);
    Ok(())
}

#[tokio::test]
async fn finds_rows_thrown_away() -> Result<()> {
    let mut library = Library::open().await?;
    let sql = "SELECT id FROM books WHERE price BETWEEN $1 AND $1 + 400 AND notes = 'y'";
    let captured = library.with_number(sql, 500).await?;
    let judged = library.judge(served_by(&["books_price"]), captured).await?;
    assert_eq!(rules(&judged), [Rule::Wasteful], "{:?}", judged);
    assert!(judged.findings[0].found.starts_with("401 thrown away"), "{}", judged.findings[0]);
    Ok(())
}

#[tokio::test]
async fn a_sort_on_disk_is_found() -> Result<()> {
    let mut library = Library::open().await?;
    library.replays.client().batch_execute("SET work_mem = '64kB'").await?;
    let captured = library.plain("SELECT id, notes FROM books ORDER BY notes, title DESC").await?;
    let judged = library.judge(served_by(&[]).reads(Reads::All, "an export"), captured).await?;
    assert_eq!(rules(&judged), [Rule::Wasteful]);
    assert!(judged.findings[0].found.starts_with("Sort on disk"), "{}", judged.findings[0]);
    Ok(())
}

#[tokio::test]
async fn indexes_of_partitions_have_the_name_of_the_parent() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("SELECT id FROM loans WHERE reader = $1", 77).await?;
    let judged = library.judge(served_by(&["loans_reader"]), captured).await?;
    assert_eq!(judged.findings, []);
    let indexes = judged.statements[0].indexes();
    assert_eq!(indexes, ["loans_reader"]);
    assert!(judged.statements[0].accesses.iter().all(|access| access.table == "loans"));
    Ok(())
}

#[tokio::test]
async fn finds_unindexed_foreign_keys_of_deletes() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("DELETE FROM authors WHERE id = $1", 7).await?;
    let contract = served_by(&["authors_pkey"]).supports_fk(&["books_author"]);
    let judged = library.judge(contract.clone(), captured.clone()).await?;
    assert_eq!(rules(&judged), [Rule::Unserved], "{:?}", judged.findings);
    assert!(judged.findings[0].found.contains("the whole of reviews"), "{}", judged.findings[0]);
    assert!(judged.statements[0].behind.contains(&"books_author".to_owned()), "{judged:?}");
    let index = "CREATE INDEX reviews_book ON reviews (book_id)";
    library.replays.client().batch_execute(index).await?;
    library.replays.refresh().await?;
    let judged = library.judge(contract, captured.clone()).await?;
    assert_eq!(rules(&judged), [Rule::Undeclared]);
    assert_eq!(judged.findings[0].found, "reviews_book");
    let contract = served_by(&["authors_pkey"]).supports_fk(&["books_author", "reviews_book"]);
    assert_eq!(library.judge(contract, captured).await?.findings, []);
    Ok(())
}

fn touched(table: &str, rows_written: u64) -> TableActivity {
    TableActivity { table: table.to_owned(), rows_written }
}

#[tokio::test]
async fn reports_table_activity_without_index() -> Result<()> {
    let mut library = Library::open().await?;
    let insert = "INSERT INTO loans SELECT 30000 + i, DATE '2024-12-30' + i, $1 FROM generate_series(1, 4) i";
    let captured = library.with_number(insert, 77).await?;
    let judged = library.judge(served_by(&[]), captured).await?;
    assert_eq!(judged.statements[0].accesses, []);
    assert_eq!(judged.statements[0].touched, [touched("loans", 4)], "partitions count as their table");
    let captured = library.with_number("DELETE FROM authors WHERE id = $1", 7).await?;
    let judged = library.judge(served_by(&["authors_pkey"]), captured).await?;
    let behind = [touched("authors", 1), touched("books", 20), touched("reviews", 20)];
    assert_eq!(judged.statements[0].touched, behind);
    let captured = library.with_number("SELECT $1 + (SELECT count(*) FROM shelves WHERE id < 3)", 1).await?;
    let judged = library.judge(served_by(&["shelves_pkey"]), captured).await?;
    assert_eq!(judged.statements[0].touched, [touched("shelves", 0)]);
    assert!(judged.statements[0].touches("shelves") && !judged.statements[0].touches("books"));
    Ok(())
}

/// The number 3 in the server's format.
#[derive(Debug, diesel::expression::AsExpression)]
#[diesel(sql_type = Numeric)]
struct Three;

impl diesel::serialize::ToSql<Numeric, diesel::pg::Pg> for Three {
    fn to_sql<'b>(
        &'b self,
        out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
    ) -> diesel::serialize::Result {
        std::io::Write::write_all(out, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 3])?;
        Ok(diesel::serialize::IsNull::No)
    }
}

#[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(name = "mood"))]
struct MoodSql;

#[derive(Debug, diesel::expression::AsExpression)]
#[diesel(sql_type = MoodSql)]
struct Merry;

impl diesel::serialize::ToSql<MoodSql, diesel::pg::Pg> for Merry {
    fn to_sql<'b>(
        &'b self,
        out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
    ) -> diesel::serialize::Result {
        std::io::Write::write_all(out, b"merry")?;
        Ok(diesel::serialize::IsNull::No)
    }
}

#[tokio::test]
async fn replays_values_of_all_types() -> Result<()> {
    let mut library = Library::open().await?;
    library.recorder.start();
    let conn = &mut library.conn;
    let sql = "SELECT id FROM books WHERE mood = $1 AND price > $2 AND ($3 IS NULL OR notes = $3)";
    let found = sql_query(sql)
        .bind::<MoodSql, _>(Merry)
        .bind::<Numeric, _>(Three)
        .bind::<Nullable<Text>, _>(None::<String>)
        .execute(conn)
        .await?;
    assert_eq!(found, 40);
    let sql = "SELECT id FROM books WHERE title = ANY($1)";
    let titles = vec!["t5", "t6", "nothing"];
    assert_eq!(sql_query(sql).bind::<Array<Text>, _>(titles).execute(conn).await?, 2);
    let captured = library.recorder.take();
    assert!(captured.statements.len() > 2, "the look-ups of the enum are in the capture: {captured:?}");
    assert_eq!(captured.own().count(), 2);
    let judged = library.judge(served_by(&["books_mood", "books_title"]).statements(2), captured).await?;
    assert_eq!(judged.findings, []);
    assert_eq!(
        judged.statements.iter().map(|statement| statement.work.returned).collect::<Vec<_>>(),
        [40, 2]
    );
    Ok(())
}

#[tokio::test]
async fn finds_more_statements_than_declared() -> Result<()> {
    let mut library = Library::open().await?;
    library.recorder.start();
    for id in 1..=3 {
        let query = sql_query("SELECT title FROM books WHERE id = $1").bind::<Integer, _>(id);
        query.execute(&mut library.conn).await?;
    }
    let captured = library.recorder.take();
    let judged = library.judge(served_by(&["books_pkey"]).statements(2), captured.clone()).await?;
    assert_eq!(rules(&judged), [Rule::Repeated], "it is sent in a loop");
    let judged = library.judge(served_by(&["books_pkey"]).batch(2, "in twos"), captured.clone()).await?;
    assert_eq!(rules(&judged), [Rule::Budget]);
    let judged = library.judge(served_by(&["books_pkey"]).batch(3, "in threes"), captured.clone()).await?;
    assert_eq!(rules(&judged), []);
    let judged = library.judge(served_by(&["books_pkey"]).statements(11), captured).await?;
    assert_eq!(rules(&judged), [Rule::Budget, Rule::Repeated], "a large budget has a reason");
    Ok(())
}

#[tokio::test]
async fn finds_expected_index_that_is_not_used() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("SELECT title FROM books WHERE id = $1", 77).await?;
    let contract = served_by(&["books_pkey", "books_author"]);
    let run = steadfast_plans::Run::new(contract, "rare", captured).expects(&["books_author"]);
    let judged = steadfast_plans::judge(&library.replays, &run).await?;
    assert_eq!(rules(&judged), [Rule::Unserved]);
    assert_eq!(judged.findings[0].expected, "books_author to be used");
    Ok(())
}

#[test]
fn contracts_have_the_declarations_of_operations() {
    use steadfast_postgres::{Operation, Read};
    const FIND: Operation<Read> = Operation::read("books.find")
        .statements(2)
        .served_by(&["books_pkey"])
        .supports_fk(&["books_author"])
        .reads(Reads::PerMatch(3), "counted exactly");
    let by_hand = Contract::new("books.find").statements(2).served_by(&["books_pkey"]);
    let by_hand = by_hand.supports_fk(&["books_author"]).reads(Reads::PerMatch(3), "counted exactly");
    assert_eq!(Contract::from(&FIND), by_hand);
}

#[tokio::test]
async fn finds_declared_index_without_case() -> Result<()> {
    let mut library = Library::open().await?;
    let contract = served_by(&["books_pkey", "books_mood"]).supports_fk(&["books_author"]);
    let captured = library.with_number("SELECT title FROM books WHERE id = $1", 77).await?;
    let by_key = library.judge(contract.clone(), captured).await?;
    let captured = library.with_number("SELECT title FROM books WHERE mood = 'merry' LIMIT $1", 100).await?;
    let by_mood = library.judge(contract, captured).await?;
    let expected = |findings: Vec<steadfast_plans::Finding>| {
        findings.into_iter().map(|finding| finding.expected).collect::<Vec<_>>()
    };
    let alone = expected(never_used(std::slice::from_ref(&by_key)));
    assert_eq!(alone, ["books_mood to be used by some case", "books_author to be used by some case"]);
    assert_eq!(expected(never_used(&[by_key, by_mood])), ["books_author to be used by some case"]);
    Ok(())
}
