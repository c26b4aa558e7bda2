//! Work that was not let in, because too much of it is there already.

use crate::{Class, Classify};
use std::time::Duration;

/// Work that a [`Bulkhead`](crate::Bulkhead) or a [`ContentionGate`](crate::ContentionGate) did not let in. Nothing
/// was begun. Its class is [`Class::Overload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many wait already as may.
    #[error("{name} is full: {waiting} callers wait already, try again later or with fewer at a time")]
    Full {
        /// The name that bulkhead or gate was given.
        name: &'static str,
        /// How many wait.
        waiting: usize,
    },
    /// The deadline passed before it was this caller's turn.
    #[error("{name} had no room within {:.1} s, try again later or with a longer deadline", waited.as_secs_f64())]
    TooLate {
        /// The name that bulkhead or gate was given.
        name: &'static str,
        /// How long the caller waited.
        waited: Duration,
    },
}

impl Classify for Refused {
    fn class(&self) -> Class {
        Class::Overload
    }
}
