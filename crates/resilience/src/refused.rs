//! Error returned for work that was not admitted.

use crate::{Class, Classify};
use std::time::Duration;

/// Error returned if a [`Bulkhead`](crate::Bulkhead) or a [`ContentionGate`](crate::ContentionGate) does not admit a caller.
/// The work has not started. The class is [`Class::Overload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full.
    #[error("{name} is full: {waiting} callers are waiting, try again later or with fewer concurrent calls")]
    Full {
        /// Name of the bulkhead or gate.
        name: &'static str,
        /// Number of waiting callers.
        waiting: usize,
    },
    /// The deadline passed while the caller waited.
    #[error("{name} admitted no caller within {:.1} s, try again later or with a longer deadline", waited.as_secs_f64())]
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
