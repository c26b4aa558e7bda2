//! What to do when the thing that is to be made exists already.

use crate::{Class, Classify};
use tracing::Level;

/// Decides what a [`Class::Duplicate`] in `result` means: [`skip`](OnDuplicateKey::skip),
/// [`fetch`](OnDuplicateKey::fetch) or [`raise`](OnDuplicateKey::raise). Every other result passes as it is. Nothing
/// is logged unless [`log`](OnDuplicateKey::log) says so.
pub fn on_duplicate_key<T, E: Classify>(result: Result<T, E>) -> OnDuplicateKey<T, E> {
    OnDuplicateKey { result, level: None }
}

/// A result whose duplicates are about to be handled; see [`on_duplicate_key`].
#[derive(Debug)]
#[must_use = "nothing is decided until skip, fetch or raise is called"]
pub struct OnDuplicateKey<T, E> {
    result: Result<T, E>,
    level: Option<Level>,
}

impl<T, E: Classify> OnDuplicateKey<T, E> {
    /// Logs each duplicate at `level`, with the name of the violated rule and what is done.
    pub fn log(self, level: impl Into<Option<Level>>) -> Self {
        Self { level: level.into(), ..self }
    }

    /// `None` for a duplicate: the thing is there, which is all that was wanted.
    ///
    /// # Errors
    /// Every error that is no duplicate.
    pub fn skip(self) -> Result<Option<T>, E> {
        if self.tell("skipped") {
            return Ok(None);
        }
        self.result.map(Some)
    }

    /// For a duplicate what `existing` finds. In a transaction the failed statement has to be undone before.
    ///
    /// # Errors
    /// Every error that is no duplicate, and those of `existing`.
    pub async fn fetch<F, Fut>(self, existing: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if self.tell("fetched") {
            return existing().await;
        }
        self.result
    }

    /// The duplicate stays an error.
    ///
    /// # Errors
    /// Every error.
    pub fn raise(self) -> Result<T, E> {
        self.tell("raised");
        self.result
    }

    /// Logs a duplicate. True when it is one.
    fn tell(&self, done: &'static str) -> bool {
        let Some(error) = self.result.as_ref().err().filter(|error| error.class() == Class::Duplicate) else {
            return false;
        };
        if let Some(level) = self.level {
            log(level, error.key().unwrap_or("unknown"), done);
        }
        true
    }
}

/// The level of an event is part of its call site, so there is one for each.
fn log(level: Level, key: &str, done: &'static str) {
    match level {
        Level::ERROR => tracing::error!(key, done, "duplicate key"),
        Level::WARN => tracing::warn!(key, done, "duplicate key"),
        Level::INFO => tracing::info!(key, done, "duplicate key"),
        Level::DEBUG => tracing::debug!(key, done, "duplicate key"),
        Level::TRACE => tracing::trace!(key, done, "duplicate key"),
    }
}
