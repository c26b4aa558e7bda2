//! Whole verifications, each on a private server: creating and dropping databases waits for the writes of other tests.

use anyhow::Result;
use diesel::sql_query;
use diesel::sql_types::{Integer, Nullable};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use std::cell::RefCell;
use steadfast_plans::{Contract, Error, Finding, Report, Rule, Verification};
use steadfast_testkit::Server;

async fn build(url: &str, amount: u32) -> Result<()> {
    let schema = format!(
        "CREATE TABLE books (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, shelf int NOT NULL, notes text NOT NULL);
         INSERT INTO books (shelf, notes) SELECT i / 10, repeat('x', 100) FROM generate_series(1, 1000 * {amount}) i;
         CREATE INDEX books_shelf ON books (shelf)"
    );
    let mut conn = AsyncPgConnection::establish(url).await?;
    Ok(conn.batch_execute(&schema).await?)
}

async fn execute(conn: &mut AsyncPgConnection, sql: &str, shelf: i32) -> diesel::QueryResult<usize> {
    sql_query(sql).bind::<Integer, _>(shelf).execute(conn).await
}

fn of_shelf() -> Contract {
    Contract::new("books.of_shelf").served_by(&["books_shelf"])
}

/// Verifies one operation with one statement for shelf 7.
async fn one(url: &str, contract: Contract, sql: &str) -> Result<Report, Error> {
    let cases = async |verification: &mut Verification| {
        verification.case(&contract, "seven", async |conn| execute(conn, sql, 7).await).await
    };
    Verification::run(url, build, cases).await
}

/// Returns the number of databases that verifications have left.
async fn left(url: &str) -> Result<usize> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    let made = sql_query("SELECT 1 FROM pg_database WHERE datname LIKE '%verification%'");
    Ok(made.execute(&mut conn).await?)
}

#[tokio::test]
async fn commits_of_a_case_are_invisible_to_the_next() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let find = "SELECT notes FROM books WHERE shelf = $1";
    let write = "INSERT INTO books (shelf, notes) VALUES ($1, 'new') RETURNING id";
    let seen = RefCell::new(Vec::new());
    let look = async |conn: &mut _| -> diesel::QueryResult<()> {
        let found = execute(conn, find, 7).await?;
        seen.borrow_mut().push(found);
        Ok(())
    };
    let cases = async |verification: &mut Verification| {
        let add = Contract::new("books.add");
        for _ in 0..2 {
            verification.case(&add, "seven", async |conn| execute(conn, write, 7).await).await?;
            verification.case(&of_shelf(), "seven", look).await?;
        }
        verification.case(&of_shelf(), "none", async |conn| execute(conn, find, -1).await).await?;
        Ok(())
    };
    let report = Verification::run(&url, build, cases).await?;
    assert_eq!(report.findings, []);
    assert_eq!(seen.into_inner(), [10; 4], "at two sizes, twice");
    assert!(report.to_string().contains(": 2 operations, 2 statements, 0 findings,"), "{report}");
    assert_eq!(left(&url).await?, 0);
    Ok(())
}

#[tokio::test]
async fn growth_is_reported_with_both_figures() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let sql =
        "SELECT id FROM books WHERE shelf >= (SELECT max(shelf) FROM books) * 9 / 10 AND length(notes) = $1";
    let report = one(&url, of_shelf(), sql).await?;
    let rules: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Wasteful, Rule::Branch, Rule::Growth], "{report}");
    let growth = &report.cases[0].growth[0];
    let figures =
        format!("{} pages for 0 rows returned or changed, after {} for 0", growth.large, growth.small);
    assert_eq!(report.findings[2].found, figures, "no note has seven letters");
    Ok(())
}

#[tokio::test]
async fn sequential_scan_is_one_finding_per_case() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let sql = "SELECT id FROM books WHERE length(notes) = $1";
    let report = one(&url, of_shelf(), sql).await?;
    let rules: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Unserved, Rule::Branch], "no note has seven letters: {report}");
    Ok(())
}

#[tokio::test]
async fn declared_operation_without_case_is_found() -> Result<()> {
    let server = Server::private()?;
    let cases = async |verification: &mut Verification| {
        verification.declare(&of_shelf());
        verification.declare(&Contract::new("books.forgotten"));
        let sql = "SELECT id FROM books WHERE shelf = $1";
        verification.case(&of_shelf(), "seven", async |conn| execute(conn, sql, 7).await).await?;
        verification.case(&of_shelf(), "none", async |conn| execute(conn, sql, -1).await).await
    };
    let report = Verification::run(&server.url("postgres"), build, cases).await?;
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, &*finding.subject)).collect();
    assert_eq!(found, [(Rule::Coverage, "books.forgotten")], "{report}");
    Ok(())
}

#[tokio::test]
async fn parameter_without_value_in_any_case_is_found() -> Result<()> {
    let server = Server::private()?;
    let find = async |conn: &mut AsyncPgConnection, above: Option<i32>| {
        let sql = "SELECT notes FROM books WHERE shelf = $1 AND id > coalesce($2, 0)";
        let query = sql_query(sql).bind::<Integer, _>(7).bind::<Nullable<Integer>, _>(above);
        query.execute(conn).await
    };
    let verify = async |values: &[Option<i32>]| {
        let cases = async |verification: &mut Verification| {
            for above in values {
                let name = if above.is_some() { "next" } else { "first" };
                verification.case(&of_shelf(), name, async |conn| find(conn, *above).await).await?;
            }
            Ok(())
        };
        Verification::run(&server.url("postgres"), build, cases).await
    };
    let found = verify(&[None]).await?.findings;
    let is_of_null =
        |finding: &&Finding| finding.rule == Rule::Branch && finding.found.contains("$2 is NULL");
    let [finding] = &found.iter().filter(is_of_null).collect::<Vec<_>>()[..] else { panic!("{found:?}") };
    assert_eq!((&*finding.subject, &*finding.found), ("books.of_shelf", "$2 is NULL in its only case"));
    let found = verify(&[None, Some(75)]).await?.findings;
    assert_eq!(found.iter().filter(is_of_null).count(), 0, "{found:?}");
    Ok(())
}

#[tokio::test]
async fn failure_of_program_is_named_and_leaves_no_database() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let outcome = one(&url, of_shelf(), "SELECT nothing FROM books WHERE shelf = $1").await;
    let error = outcome.expect_err("there is no such column").to_string();
    let step = "books.of_shelf [seven] failed on the small database, in `SELECT nothing FROM books WHERE shelf = $1`: column";
    assert!(error.starts_with(step), "{error}");
    let cannot = async |_: &str, amount: u32| anyhow::bail!("no data times {amount}");
    let outcome = Verification::run(&url, cannot, async |_| Ok(())).await;
    let error = outcome.expect_err("nothing is built").to_string();
    assert_eq!(error, "the small database could not be built: no data times 1");
    assert_eq!(left(&url).await?, 0);
    Ok(())
}

/// Creates one large shelf of books and many small ones, with an index that saves little and one that is needed.
async fn build_shelves(url: &str, amount: u32) -> Result<()> {
    let schema = format!(
        "CREATE TABLE labels (id int PRIMARY KEY);
         CREATE TABLE books (id int PRIMARY KEY, shelf int NOT NULL, title text NOT NULL);
         INSERT INTO books SELECT i, CASE WHEN i > 1000 * {amount} THEN 0 ELSE i / 10 END, 'title ' || i
             FROM generate_series(1, 2000 * {amount}) i;
         CREATE INDEX books_titles ON books (shelf) INCLUDE (title);
         CREATE INDEX books_page ON books (shelf, id)"
    );
    let mut conn = AsyncPgConnection::establish(url).await?;
    Ok(conn.batch_execute(&schema).await?)
}

/// Verifies one operation for each index, without or with mutants.
async fn verify_shelves(url: &str, mutate: bool) -> Result<Report, Error> {
    let cases = async |verification: &mut Verification| {
        if mutate {
            verification.mutate()
        } else {
            verification.ablate()
        }
        let titles = Contract::new("books.titles").served_by(&["books_titles"]);
        let page = Contract::new("books.page").served_by(&["books_page"]);
        let titles_of = "SELECT title FROM books WHERE shelf = $1";
        let page_of = "SELECT id FROM books WHERE shelf = $1 ORDER BY id LIMIT 20";
        for (case, shelf) in [("few", 7), ("none", -1)] {
            verification.case(&titles, case, async |conn| execute(conn, titles_of, shelf).await).await?;
        }
        for (case, shelf) in [("full", 0), ("few", 7), ("none", -1)] {
            verification.case(&page, case, async |conn| execute(conn, page_of, shelf).await).await?;
        }
        Ok(())
    };
    Verification::run(url, build_shelves, cases).await
}

#[tokio::test]
async fn ablation_finds_index_that_saves_too_little() -> Result<()> {
    let server = Server::private()?;
    let report = verify_shelves(&server.url("postgres"), false).await?;
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, &*finding.subject)).collect();
    assert_eq!(found, [(Rule::Unneeded, "books_titles")], "{report}");
    let needed = report.ablation.iter().find(|row| row.index == "books_page");
    assert!(needed.is_some_and(|row| row.without > Some(10 * row.with)), "{:?}", report.ablation);
    assert_eq!(report.mutation, None);
    Ok(())
}

#[tokio::test]
async fn mutants_of_tables_without_cases_survive() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let report = verify_shelves(&url, true).await?;
    let survivors = report.findings.iter().filter(|finding| finding.rule == Rule::Survived);
    let survivors: Vec<_> = survivors.map(|finding| &*finding.subject).collect();
    assert_eq!(survivors, ["drop labels_pkey", "wrap labels_pkey: (id + 0::integer)"], "{report}");
    let tally = report.mutation.map(|score| score.total()).unwrap_or_default();
    assert!(tally.by_verdict > 0 && tally.unjudged == 2, "{tally}");
    assert_eq!(left(&url).await?, 0);
    Ok(())
}

#[tokio::test]
async fn coverage_finds_statement_of_tests_without_case() -> Result<()> {
    const OF_CASE: &str = "SELECT id FROM books WHERE shelf = $1";
    let server = Server::private()?;
    let url = server.url("postgres");
    let mut conn = AsyncPgConnection::establish(&url).await?;
    let schema = "CREATE ROLE app LOGIN SUPERUSER; CREATE EXTENSION pg_stat_statements;
         CREATE TABLE books (id int PRIMARY KEY, shelf int NOT NULL); CREATE INDEX books_shelf ON books (shelf)";
    conn.batch_execute(schema).await?;
    drop(conn);
    // The tests of the program, in the database that the verification copies.
    let mut tests = AsyncPgConnection::establish(&url.replace("postgres@", "app@")).await?;
    for sql in [OF_CASE, "SELECT count(*) FROM books WHERE shelf > $1"] {
        execute(&mut tests, sql, 7).await?;
    }
    drop(tests);
    let fill = async |url: &str, amount: u32| -> Result<()> {
        let mut conn = AsyncPgConnection::establish(url).await?;
        let books = format!("INSERT INTO books SELECT i, i / 10 FROM generate_series(1, 1000 * {amount}) i");
        Ok(conn.batch_execute(&books).await?)
    };
    let cases = async |verification: &mut Verification| {
        verification.coverage("app", |text| text.contains("pg_type"));
        for (case, shelf) in [("some", 7), ("none", -1)] {
            verification.case(&of_shelf(), case, async |conn| execute(conn, OF_CASE, shelf).await).await?;
        }
        Ok(())
    };
    let report = Verification::run_on_copies(&url, fill, cases).await?;
    let found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, &*finding.statement)).collect();
    assert_eq!(found, [(Rule::Coverage, "SELECT count(*) FROM books WHERE shelf > $1")], "{report}");
    Ok(())
}
