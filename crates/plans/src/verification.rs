//! The whole way for a program that wants no more than the answer: databases, runs, verdicts, growth, catalogue.

mod databases;
mod size;
mod verified;

pub use verified::Verified;

use crate::{Contract, Error, SmallTable};
use databases::Databases;
use size::Size;
use steadfast_postgres::diesel_async::AsyncPgConnection;

/// How much more data the larger size has.
const TIMES: u32 = 10;

/// A verification that is on: it is given every case of every operation, and runs each at two sizes of the data.
///
/// It is made of [`judge`](crate::judge), [`plan_kinds`](crate::plan_kinds), [`growth`](fn@crate::growth),
/// [`never_used`](crate::never_used), [`Catalogue::check`](crate::Catalogue::check) and [`unclaimed`](crate::unclaimed),
/// and adds the databases, the order, and that one fault is said once. A program that wants more, such as mutants or
/// indexes that a document demands, calls those itself.
///
/// ```
/// use steadfast_plans::diesel::{QueryResult, sql_query, sql_types::Integer};
/// use steadfast_plans::diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
/// use steadfast_plans::{Contract, Verification};
///
/// async fn find(conn: &mut AsyncPgConnection, shelf: i32) -> QueryResult<usize> {
///     let query = sql_query("SELECT id FROM books WHERE shelf = $1").bind::<Integer, _>(shelf);
///     query.execute(conn).await
/// }
///
/// async fn build(url: &str, amount: u32) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
///     let mut conn = AsyncPgConnection::establish(url).await?;
///     let books = format!("SELECT i, i / 10 FROM generate_series(1, 1000 * {amount}) i");
///     conn.batch_execute("CREATE TABLE books (id int PRIMARY KEY, shelf int NOT NULL)").await?;
///     Ok(conn.batch_execute(&format!("INSERT INTO books {books}; CREATE INDEX shelves ON books (shelf)")).await?)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let database = steadfast_testkit::TestDatabase::empty().await?;
/// # let url = &database.url();
/// let verified = Verification::run(url, build, async |verification| {
///     let contract = Contract::new("books.of_shelf").served_by(&["shelves"]);
///     verification.case(&contract, "common", async |conn| find(conn, 7).await).await?;
///     verification.case(&contract, "absent", async |conn| find(conn, -1).await).await
/// });
/// assert_eq!(verified.await?.to_string(), "1 operations, 2 cases, 0 findings");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Verification {
    small: Size,
    large: Size,
    /// Operations that must have a case.
    declared: Vec<Contract>,
    small_tables: Vec<SmallTable<'static>>,
}

/// Why something that the caller gave has failed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Verification {
    /// Verifies all that `cases` runs by [`Verification::case`].
    ///
    /// `url` is that of a role that may create databases, without TLS. The database of `url` is left alone and lends its
    /// name to six others, e.g. `stars_verification_small`, which are made beside it and dropped whatever comes out; those
    /// of a process that was killed are dropped by the next. Two verifications by one `url` come one after another.
    ///
    /// `build` makes the schema in the empty database at the address that it is given, fills it, and ends its sessions. It
    /// is called twice, the second time for ten times the data: with 1, and with 10. Give the same values so many rows
    /// each at both sizes, as a customer has no more orders because there are more customers. No fault is found with
    /// reading tables of up to eight pages, so the larger size needs some thousand rows.
    ///
    /// # Errors
    /// [`Error::Program`] when `build` or a case fails; else no verdict can be reached. What is wrong with the program is
    /// among the findings.
    pub async fn run<E: Into<Failure>>(
        url: &str,
        build: impl AsyncFn(&str, u32) -> Result<(), E>,
        cases: impl AsyncFnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Verified, Error> {
        let databases = Databases::claim(url).await?;
        let outcome = Self::verify(&databases, build, cases).await;
        databases.drop_all().await.and(outcome)
    }

    async fn verify<E: Into<Failure>>(
        databases: &Databases,
        build: impl AsyncFn(&str, u32) -> Result<(), E>,
        cases: impl AsyncFnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Verified, Error> {
        let small = Size::build(databases, "small", async |url| build(url, 1).await).await?;
        let large = Size::build(databases, "large", async |url| build(url, TIMES).await).await?;
        let mut verification = Self { small, large, declared: Vec::new(), small_tables: Vec::new() };
        cases(&mut verification).await?;
        let Self { small, large, declared, small_tables } = verification;
        Verified::of(small, large, &declared, &small_tables).await
    }

    /// Declares an operation that must have a case: without one it is a finding. For a program that keeps a list of its
    /// operations, so that a new one is not forgotten here.
    pub fn declare(&mut self, contract: &Contract) {
        self.declared.push(contract.clone());
    }

    /// Declares that `table` never has more than so many `rows`, `because` something enforces it: a constraint or a test.
    /// Reading it as a whole is then fine. Every other table that a case reads needs more than eight pages at the larger
    /// size.
    pub fn small_table(&mut self, table: &'static str, rows: u64, because: &'static str) {
        self.small_tables.push(SmallTable { table, rows, because });
    }

    /// Runs one case of an operation, once at each size, on a connection that is written down and was opened for it. It
    /// may commit: the case after it finds the data as they were built. A case that fails ends the verification.
    ///
    /// # Errors
    /// [`Error::Program`] with what `program` failed with; else the connection could not be opened.
    pub async fn case<T, E: Into<Failure>>(
        &mut self,
        contract: &Contract,
        case: &str,
        program: impl AsyncFn(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<(), Error> {
        self.small.run(contract, case, &program).await?;
        self.large.run(contract, case, &program).await
    }
}
