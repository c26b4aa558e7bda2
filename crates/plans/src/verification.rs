//! Verifies a whole program: databases of two sizes, runs of all cases, verdicts, growth, and the checks that need every
//! operation.

mod ablation;
mod case;
mod checks;
mod databases;
mod measurement;
mod mutant_run;
mod options;
mod rows;
mod seeded;
mod server;

pub use case::{Case, ProgramDatabase};

use crate::{Contract, Error, Report};
use databases::Databases;
use options::Options;
use seeded::SeededDatabase;
use steadfast_postgres::diesel_async::AsyncPgConnection;

/// Factor between the two sizes of the data.
const TIMES: u32 = 10;

/// A verification in progress. It runs every case of every operation at two sizes of the data, and reports what is wrong.
///
/// The checks of plans, growth, cases and the schema always run. The others are switched on by
/// [`ablate`](Self::ablate), [`mutate`](Self::mutate), [`resample`](Self::resample), [`coverage`](Self::coverage) and
/// [`null_parameters`](Self::null_parameters).
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
/// let report = Verification::run(url, build, async |verification| {
///     verification.ablate();
///     let contract = Contract::new("books.of_shelf").served_by(&["shelves"]);
///     verification.case(&contract, "common", async |conn| find(conn, 7).await).await?;
///     verification.case(&contract, "absent", async |conn| find(conn, -1).await).await
/// });
/// let report = report.await?;
/// assert!(report.is_clean(), "{report}");
/// assert!(report.to_string().contains(": 1 operations, 1 statements, 0 findings"));
/// assert_eq!(report.ablation[0].index, "shelves");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Verification {
    small: SeededDatabase,
    large: SeededDatabase,
    options: Options,
}

/// Error of a function that the caller passed in.
type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Verification {
    /// Verifies the cases that `cases` runs by [`Verification::case`] or [`Verification::run_case`].
    ///
    /// `url` needs a role that may create databases, and no TLS. Its database is not changed. Up to eight databases are
    /// created next to it, with its name as a prefix (e.g. `stars_verification_small`), and dropped at the end. Databases
    /// of a process that was killed are dropped by the next verification, and verifications with the same `url` run one
    /// after another.
    ///
    /// `build` creates the schema in the empty database whose URL it receives, fills it, and closes its sessions. It is
    /// called with 1, and with 10 for ten times the data. Give each value the same number of rows at both sizes: a
    /// customer does not have more orders because there are more customers. Reading a table of up to eight pages is
    /// never a finding, so the larger size needs some thousand rows.
    ///
    /// # Errors
    /// Returns [`Error::Program`] if `build` or a case fails, and another [`Error`] if no verdict can be reached. Faults
    /// of the program are findings in the report.
    pub async fn run<E: Into<Failure>>(
        url: &str,
        build: impl AsyncFn(&str, u32) -> Result<(), E>,
        cases: impl AsyncFnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Report, Error> {
        Self::verify(Databases::claim(url, false).await?, build, cases).await
    }

    /// Does the same as [`Verification::run`], except that `build` receives copies of the database of `url`. Use it if
    /// that database has the schema already: copies keep its object ids, which the ids of
    /// [`coverage`](Self::coverage) are made of.
    ///
    /// # Errors
    /// Returns the errors of [`Verification::run`]. The database of `url` must not have other sessions.
    pub async fn run_on_copies<E: Into<Failure>>(
        url: &str,
        build: impl AsyncFn(&str, u32) -> Result<(), E>,
        cases: impl AsyncFnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Report, Error> {
        Self::verify(Databases::claim(url, true).await?, build, cases).await
    }

    async fn verify<E: Into<Failure>>(
        databases: Databases,
        build: impl AsyncFn(&str, u32) -> Result<(), E>,
        cases: impl AsyncFnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<Report, Error> {
        let verified = async {
            let small = SeededDatabase::build(&databases, "small", async |url| build(url, 1).await).await?;
            let large =
                SeededDatabase::build(&databases, "large", async |url| build(url, TIMES).await).await?;
            let mut verification = Self { small, large, options: Options::default() };
            cases(&mut verification).await?;
            let Self { small, large, options } = verification;
            checks::report(small, large, &options).await
        };
        let outcome = verified.await;
        databases.drop_all().await.and(outcome)
    }

    /// Runs one case of an operation at both sizes, each time on a new recorded connection. The case may commit: every
    /// case finds the data as `build` left them. A case that fails ends the verification.
    ///
    /// # Errors
    /// Returns [`Error::Program`] with the error of `program`, and another [`Error`] if its connection cannot be opened.
    pub async fn case<T, E: Into<Failure>>(
        &mut self,
        contract: &Contract,
        case: &str,
        program: impl AsyncFn(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<(), Error> {
        let case = Case::new(contract.clone(), case);
        for database in [&mut self.small, &mut self.large] {
            database.run_connected(&case, &program).await?;
        }
        Ok(())
    }

    /// Runs one case of a program that opens its own sessions. They must be recorded by the recorder of the
    /// [`ProgramDatabase`] that `program` receives. A heavy case runs at the smaller size only.
    ///
    /// # Errors
    /// Returns [`Error::Program`] with the error of `program`.
    pub async fn run_case<T, E: Into<Failure>>(
        &mut self,
        case: &Case,
        program: impl AsyncFn(&ProgramDatabase) -> Result<T, E>,
    ) -> Result<(), Error> {
        self.small.run(case, &program).await?;
        if !case.is_heavy {
            self.large.run(case, &program).await?;
        }
        Ok(())
    }
}
