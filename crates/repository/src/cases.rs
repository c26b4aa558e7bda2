//! The cases of every operation, and the data that they run on: what verification runs before a release.
//!
//! A case calls the real function with arguments that mean something in the seeded data, at any size of it.

mod bulk;
mod seed;

pub(crate) use seed::{Rows, Table, mixed};
pub use seed::{SeedError, mark_seedable, seed};

use crate::{Error, Store, audit, identity, keys, terminology};
use std::future::Future;
use std::pin::Pin;
use steadfast_domain::Invalid;
use steadfast_postgres::AnyOperation;

/// No index in particular: any that serves the operation will do.
pub(crate) const ANY: &[&str] = &[];

/// A case that runs.
pub type Running = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// One way to call an operation.
pub struct Case {
    /// The operation that it is a case of.
    pub operation: &'static AnyOperation,
    /// What is special about it; unique in its operation.
    pub name: &'static str,
    /// The indexes that this very case must use; empty when any that serve the operation will do.
    pub served_by: &'static [&'static str],
    /// Whether it does so much that it is run once and at one size only.
    pub is_heavy: bool,
    run: Box<dyn Fn(Store) -> Running + Send + Sync>,
}

impl Case {
    /// The case `name` of `operation`, whose statements use at least the indexes `served_by`.
    pub(crate) fn new<F>(
        operation: &'static AnyOperation,
        name: &'static str,
        served_by: &'static [&'static str],
        run: impl Fn(Store) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self { operation, name, served_by, is_heavy: false, run: Box::new(move |store| Box::pin(run(store))) }
    }

    /// Creates a case of `operation` for each of `inputs`: its name, the indexes that it must use, and what `run` gets.
    pub(crate) fn each<I, F, T>(
        operation: &'static AnyOperation,
        run: impl Fn(Store, I) -> F + Copy + Send + Sync + 'static,
        inputs: impl IntoIterator<Item = (&'static str, &'static [&'static str], I)>,
    ) -> Vec<Self>
    where
        I: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let case = |(name, served_by, input): (_, _, I)| {
            Self::new(operation, name, served_by, move |store| {
                let running = run(store, input.clone());
                async move {
                    match running.await {
                        // The database answered.
                        Err(error) if error.is_refusal() => Ok(()),
                        outcome => outcome.map(drop),
                    }
                }
            })
        };
        inputs.into_iter().map(case).collect()
    }

    /// The same case, which does so much that it is run once and at one size only.
    pub(crate) fn heavy(self) -> Self {
        Self { is_heavy: true, ..self }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// [`Error`], which no case provokes on seeded data.
    pub async fn run(&self, store: &Store) -> Result<(), Error> {
        (self.run)(store.clone()).await
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}]", self.operation.name(), self.name)
    }
}

/// Returns the cases of all areas.
///
/// # Errors
/// Returns [`Invalid`] if the input of a case does not meet the rules of the domain.
pub fn all() -> Result<Vec<Case>, Invalid> {
    let areas =
        [keys::cases::all()?, identity::cases::all()?, audit::cases::all()?, terminology::cases::all()?];
    Ok(areas.into_iter().flatten().collect())
}

/// Indexes that no case needs and that stay because a document demands them: the index, and who demands it.
pub fn documented() -> Vec<(&'static str, &'static str)> {
    terminology::cases::DOCUMENTED.to_vec()
}

/// Tables that are small by their nature: the name, the maximum number of rows, and what enforces it.
pub fn small_tables() -> Vec<(&'static str, u64, &'static str)> {
    terminology::cases::SMALL_TABLES.to_vec()
}
