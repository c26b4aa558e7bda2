//! Handling of duplicate keys.

use crate::{Class, Classify};
use tracing::Level;

/// Handles a [`Class::Duplicate`] in `result` by [`skip`](OnDuplicateKey::skip), [`fetch`](OnDuplicateKey::fetch) or
/// [`raise`](OnDuplicateKey::raise). Any other result is returned unchanged. Duplicates are logged only if
/// [`log`](OnDuplicateKey::log) is called.
pub fn on_duplicate_key<T, E: Classify>(result: Result<T, E>) -> OnDuplicateKey<T, E> {
    OnDuplicateKey { result, level: None }
}

/// Builder that is returned by [`on_duplicate_key`].
#[derive(Debug)]
#[must_use = "call skip, fetch or raise to get the result"]
pub struct OnDuplicateKey<T, E> {
    result: Result<T, E>,
    level: Option<Level>,
}

impl<T, E: Classify> OnDuplicateKey<T, E> {
    /// Logs a duplicate at `level`, with the name of the violated constraint and the action.
    pub fn log(self, level: impl Into<Option<Level>>) -> Self {
        Self { level: level.into(), ..self }
    }

    /// Returns `None` for a duplicate.
    ///
    /// # Errors
    /// Returns any error that is not a duplicate.
    pub fn skip(self) -> Result<Option<T>, E> {
        if self.log_duplicate("skipped") {
            return Ok(None);
        }
        self.result.map(Some)
    }

    /// Returns the result of `existing` for a duplicate. In a transaction, roll back the failed statement first.
    ///
    /// # Errors
    /// Returns any error that is not a duplicate, and the error of `existing`.
    pub async fn fetch<F, Fut>(self, existing: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if self.log_duplicate("fetched") {
            return existing().await;
        }
        self.result
    }

    /// Returns the result unchanged.
    ///
    /// # Errors
    /// Returns the error of the result, including a duplicate.
    pub fn raise(self) -> Result<T, E> {
        self.log_duplicate("raised");
        self.result
    }

    /// Returns true if the result is a duplicate, which is logged first if a level is set.
    fn log_duplicate(&self, done: &'static str) -> bool {
        let Some(error) = self.result.as_ref().err().filter(|error| error.class() == Class::Duplicate) else {
            return false;
        };
        if let Some(level) = self.level {
            log(level, error.key().unwrap_or("unknown"), done);
        }
        true
    }
}

/// Logs a duplicate. The level is a constant of the call site, so each level needs a call site.
fn log(level: Level, key: &str, done: &'static str) {
    match level {
        Level::ERROR => tracing::error!(key, done, "duplicate key"),
        Level::WARN => tracing::warn!(key, done, "duplicate key"),
        Level::INFO => tracing::info!(key, done, "duplicate key"),
        Level::DEBUG => tracing::debug!(key, done, "duplicate key"),
        Level::TRACE => tracing::trace!(key, done, "duplicate key"),
    }
}
