//! Whole verifications: what they leave behind, what cases may do, and what ends them. Each on a server of its own, since
//! they make and drop whole databases, which waits for whatever others have written.

use anyhow::Result;
use diesel::sql_query;
use diesel::sql_types::{Integer, Nullable};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use std::cell::RefCell;
use steadfast_plans::{Contract, Error, Finding, Rule, Verification, Verified};
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

/// Verifies one operation by one statement for shelf 7.
async fn one(url: &str, contract: Contract, sql: &str) -> Result<Verified, Error> {
    let cases = async |verification: &mut Verification| {
        verification.case(&contract, "seven", async |conn| execute(conn, sql, 7).await).await
    };
    Verification::run(url, build, cases).await
}

/// The databases that were made beside that of `url` and are still there.
async fn left(url: &str) -> Result<usize> {
    let mut conn = AsyncPgConnection::establish(url).await?;
    let made = sql_query("SELECT 1 FROM pg_database WHERE datname LIKE '%verification%'");
    Ok(made.execute(&mut conn).await?)
}

#[tokio::test]
async fn what_a_case_commits_is_gone_for_the_next() -> Result<()> {
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
    let verified = Verification::run(&url, build, cases).await?;
    assert_eq!(verified.findings, []);
    assert_eq!(seen.into_inner(), [10; 4], "at two sizes, twice");
    assert_eq!(verified.to_string(), "2 operations, 5 cases, 0 findings");
    assert_eq!(left(&url).await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_reads_more_of_more_data_is_found_with_both_figures() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let sql =
        "SELECT id FROM books WHERE shelf >= (SELECT max(shelf) FROM books) * 9 / 10 AND length(notes) = $1";
    let verified = one(&url, of_shelf(), sql).await?;
    let rules: Vec<_> = verified.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Wasteful, Rule::Growth, Rule::Branch], "{verified}");
    let growth = &verified.growth[0];
    let figures =
        format!("{} pages for 0 rows returned or changed, after {} for 0", growth.large, growth.small);
    assert_eq!(verified.findings[1].found, figures, "no note has seven letters");
    Ok(())
}

#[tokio::test]
async fn a_table_that_is_read_as_a_whole_is_one_finding_a_case() -> Result<()> {
    let server = Server::private()?;
    let url = server.url("postgres");
    let sql = "SELECT id FROM books WHERE length(notes) = $1";
    let verified = one(&url, of_shelf(), sql).await?;
    let rules: Vec<_> = verified.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::Unserved, Rule::Branch], "no note has seven letters: {verified}");
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
    let verified = Verification::run(&server.url("postgres"), build, cases).await?;
    let found: Vec<_> = verified.findings.iter().map(|finding| (finding.rule, &*finding.subject)).collect();
    assert_eq!(found, [(Rule::Coverage, "books.forgotten")], "{verified}");
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
async fn a_failure_of_the_caller_is_told_and_leaves_no_database() -> Result<()> {
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
