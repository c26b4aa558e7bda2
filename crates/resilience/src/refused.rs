//! Error of work that was not admitted.

use crate::{Class, Classify};
use std::time::Duration;

/// Error of work that a [`Bulkhead`](crate::Bulkhead) or a [`ContentionGate`](crate::ContentionGate) did not admit. The work
/// has not started. Its class is [`Class::Overload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full.
    #[error("{name} is full: {waiting} callers wait already, try again later or with fewer at a time")]
    Full {
        /// Name of the bulkhead or gate.
        name: &'static str,
        /// Number of waiting callers.
        waiting: usize,
    },
    /// The deadline passed in the queue.
    #[error("{name} had no room within {:.1} s, try again later or with a longer deadline", waited.as_secs_f64())]
    TooLate {
        /// Name of the bulkhead or gate.
        name: &'static str,
        /// Time that the caller waited.
        waited: Duration,
    },
}

impl Classify for Refused {
    fn class(&self) -> Class {
        Class::Overload
    }
}
