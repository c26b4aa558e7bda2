//! The whole way for a program that wants no more than the answer: databases, runs, verdicts, growth, catalogue.

mod databases;
mod size;
mod verified;

pub use verified::Verified;

use crate::{Contract, Error};
use databases::Databases;
use size::Size;
use steadfast_postgres::diesel_async::AsyncPgConnection;

/// How much more data the larger size has.
const TIMES: u32 = 10;

/// A verification that is on: it is given every case of every operation, and runs each at two sizes of the data.
///
/// What it adds to [`judge`](crate::judge), [`plan_kinds`](crate::plan_kinds), [`growth`](fn@crate::growth),
/// [`never_used`](crate::never_used) and [`unclaimed`](crate::unclaimed) are the databases, their order, and that one
/// fault is said once. A program that has a harness of its own calls those.
#[derive(Debug)]
pub struct Verification {
    small: Size,
    large: Size,
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
        let mut verification = Self { small, large };
        cases(&mut verification).await?;
        let Self { small, large } = verification;
        Verified::of(small, large).await
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
