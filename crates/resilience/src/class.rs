//! Failure classes: what an error means for the next step, whichever library it came from.

/// Meaning of a failure for the next step. Policies read the class, never the text of an error.
///
/// After every class but [`Class::Ambiguous`], the failed work had no effect, or one that may happen twice. Where that is
/// not known, as for a request to charge a card whose answer is lost, the class is `Ambiguous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Two units of work blocked each other, and this one was rolled back. Repeat it as a whole.
    Deadlock,
    /// The object exists already. Repeating gives the same answer; [`Classify::key`] names the rule.
    Duplicate,
    /// The state of the data forbids it: a missing parent, a failed check, an exclusion.
    Conflict,
    /// The work exceeded its time limit and had no effect.
    Timeout,
    /// The dependency is down or does not respond. The only class that a breaker counts as a failure.
    Unavailable,
    /// The dependency responds and refuses more work.
    Overload,
    /// The answer to the final step was lost, so the work may have taken effect. Never repeated by any policy.
    Ambiguous,
    /// The caller asked for something wrong or left. Says nothing about the dependency.
    Caller,
    /// A defect of the program or of the dependency. Repeating does not help.
    Fault,
}

impl Class {
    /// Returns the class as a metric label and log field: lower case, never changes.
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

/// An error that knows its [`Class`].
pub trait Classify {
    /// Returns the meaning of this failure for the next step.
    fn class(&self) -> Class;

    /// Returns the name of the violated rule, such as a unique constraint, if the class is [`Class::Duplicate`] or
    /// [`Class::Conflict`] and the dependency reported it.
    fn key(&self) -> Option<&str> {
        None
    }

    /// Returns the time for which the dependency asked not to be called, as HTTP does with `Retry-After`.
    fn retry_after(&self) -> Option<std::time::Duration> {
        None
    }
}
