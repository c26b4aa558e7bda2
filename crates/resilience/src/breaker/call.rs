//! Calls through a breaker.

use super::{Breaker, Rejected};
use crate::{Class, Classify};
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Error of a call through [`Breaker::call_with`]. Implements [`Classify`], so that a [`Retry`](crate::Retry) can retry the
/// call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError<E> {
    /// The breaker rejected the call. Nothing was sent.
    Rejected(Rejected),
    /// The call failed.
    Failed {
        /// Error of the call.
        error: E,
        /// Class of the error.
        class: Class,
    },
}

impl Breaker {
    /// Calls `work` and records its outcome. If the returned future is dropped before the call ends, the call counts as
    /// cancelled.
    ///
    /// # Errors
    /// Returns [`Rejected`], converted into the error type of the call, if the breaker is open, else the error of the
    /// call.
    pub async fn call<T, E, F, Fut>(&self, work: F) -> Result<T, E>
    where
        E: Classify + From<Rejected>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let permit = self.try_acquire()?;
        let result = work().await;
        permit.record(result.as_ref().err().map(Classify::class));
        result
    }

    /// Calls `work` like [`Breaker::call`], for errors of any type. `class_of` classifies the errors.
    ///
    /// # Errors
    /// Returns [`CallError::Rejected`] if the breaker is open, and [`CallError::Failed`] if the call failed.
    pub async fn call_with<T, E, F, Fut>(
        &self,
        class_of: impl FnOnce(&E) -> Class,
        work: F,
    ) -> Result<T, CallError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let permit = self.try_acquire().map_err(CallError::Rejected)?;
        let result = work().await.map_err(|error| CallError::Failed { class: class_of(&error), error });
        permit.record(result.as_ref().err().map(Classify::class));
        result
    }
}

impl<E> Classify for CallError<E> {
    fn class(&self) -> Class {
        match self {
            Self::Rejected(rejected) => rejected.class(),
            Self::Failed { class, .. } => *class,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejected) => rejected.retry_after(),
            Self::Failed { .. } => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::Failed { error, .. } => error.fmt(f),
        }
    }
}

impl<E: Error> Error for CallError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejected) => rejected.source(),
            Self::Failed { error, .. } => error.source(),
        }
    }
}
