//! Failure classes: what an error means to a policy, independent of the library that reported it.

/// Class of a failure. Policies decide by the class, never by the text of an error.
///
/// With every class but [`Class::Ambiguous`], the failed work had no effect, or its effect is idempotent. Use `Ambiguous`
/// if that is unknown, for example if the response to a card payment was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Two units of work blocked each other, and this one was rolled back. Repeat it as a whole.
    Deadlock,
    /// The object exists already. Retrying gives the same result. [`Classify::key`] names the violated constraint.
    Duplicate,
    /// The state of the data forbids the change: a missing parent, a failed check, an exclusion.
    Conflict,
    /// The work exceeded its time limit and had no effect.
    Timeout,
    /// The dependency is down or does not respond. The only class that a breaker counts as a failure.
    Unavailable,
    /// The dependency responds but refuses more work.
    Overload,
    /// The response to the final step was lost, so the work may have taken effect. No policy retries it.
    Ambiguous,
    /// The caller made an invalid request or cancelled it. Independent of the dependency's health.
    Caller,
    /// A defect of the program or of the dependency. Retrying does not help.
    Fault,
}

impl Class {
    /// Returns the stable lower-case name for metric labels and log fields.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deadlock => "deadlock",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Overload => "overload",
            Self::Ambiguous => "ambiguous",
            Self::Caller => "caller",
            Self::Fault => "fault",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Errors that have a [`Class`].
pub trait Classify {
    /// Returns the class of this failure.
    fn class(&self) -> Class;

    /// Returns the name of the violated constraint if the class is [`Class::Duplicate`] or [`Class::Conflict`] and the
    /// dependency reported it.
    fn key(&self) -> Option<&str> {
        None
    }

    /// Returns the time for which the dependency asked callers to wait, such as HTTP's `Retry-After`.
    fn retry_after(&self) -> Option<std::time::Duration> {
        None
    }
}
