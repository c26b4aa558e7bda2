//! Cases of all operations, and seed data for them. The plan gate runs them.
//!
//! A case calls the real function with arguments that are meaningful for seeded data of any size.

mod bulk;
mod seed;

pub(crate) use seed::{Rows, Table, mixed};
pub use seed::{SeedError, mark_seedable, seed};

use crate::{Error, Store, audit, identity, keys, practice, terminology};
use std::future::Future;
use std::pin::Pin;
use steadfast_domain::Invalid;
use steadfast_domain::page::Position;
use steadfast_postgres::AnyOperation;

/// No required index: the case may use any index that serves the operation.
pub(crate) const ANY: &[&str] = &[];

/// Future of a running case.
pub type Running = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// A call of an operation with meaningful arguments.
pub struct Case {
    /// Operation of the case.
    pub operation: &'static AnyOperation,
    /// Name of the case, unique in its operation.
    pub name: &'static str,
    /// Indexes that the case must use. If empty, it may use any index that serves the operation.
    pub served_by: &'static [&'static str],
    /// True if the case is so expensive that it runs only once and at one scale.
    pub is_heavy: bool,
    run: Box<dyn Fn(Store) -> Running + Send + Sync>,
}

impl Case {
    /// Creates the case `name` of `operation`, whose statements use at least the indexes `served_by`.
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

    /// Creates a case of `operation` for each of `inputs`: its name, the indexes that it must use, and the argument of
    /// `run`.
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

    /// Creates the cases of a list without filter that has more than 150 items: its first, third and last pages by
    /// number, and the pages after cursors in the middle, near the end, and beyond all items.
    pub(crate) fn pages<C, F, T>(
        operation: &'static AnyOperation,
        run: impl Fn(Store, Position<C>) -> F + Copy + Send + Sync + 'static,
        [middle, near_end, last]: [C; 3],
    ) -> Result<Vec<Self>, Invalid>
    where
        C: Clone + Send + Sync + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let inputs = [
            ("first page", ANY, Position::numbered(1, 50)?),
            ("third page", ANY, Position::numbered(3, 50)?),
            ("past the last page", ANY, Position::numbered(200, 50)?),
            ("after a cursor", ANY, Position::after(middle, 50)),
            ("after a cursor near the end", ANY, Position::after(near_end, 50)),
            ("after the last cursor", ANY, Position::after(last, 50)),
        ];
        Ok(Self::each(operation, run, inputs))
    }

    /// Marks the case as heavy, see [`Case::is_heavy`].
    pub(crate) fn heavy(self) -> Self {
        Self { is_heavy: true, ..self }
    }

    /// Runs the case once.
    ///
    /// # Errors
    /// Returns [`Error`] if the operation fails. No case fails by design on seeded data.
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
/// Returns [`Invalid`] if the domain rejects the input of a case.
pub fn all() -> Result<Vec<Case>, Invalid> {
    let areas = [
        keys::cases::all()?,
        identity::cases::all()?,
        audit::cases::all()?,
        practice::cases::all()?,
        terminology::cases::all()?,
    ];
    Ok(areas.into_iter().flatten().collect())
}

/// Returns the indexes that no case needs but a document requires, each with the document.
pub fn documented() -> Vec<(&'static str, &'static str)> {
    [identity::cases::DOCUMENTED, practice::cases::DOCUMENTED, terminology::cases::DOCUMENTED].concat()
}

/// Returns the tables that stay small: the name, the maximum number of rows, and the reason.
pub fn small_tables() -> Vec<(&'static str, u64, &'static str)> {
    terminology::cases::SMALL_TABLES.to_vec()
}
