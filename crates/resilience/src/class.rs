//! Failure classes: what an error means for the next step, whichever library it came from.

/// What a failure means for the next step. Policies read the class, never the error's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Two units of work stood in each other's way; nothing of this one was kept. Repeat it whole.
    Deadlock,
    /// The thing exists already. Repeating gives the same answer; [`Classify::key`] names the rule.
    Duplicate,
    /// The state of the data forbids it: a missing parent, a failed check, an exclusion.
    Conflict,
    /// It took longer than it was allowed to. Nothing was kept.
    Timeout,
    /// The dependency is gone or silent. The only class that counts against a breaker by itself.
    Unavailable,
    /// The dependency is there and refuses more work.
    Overload,
    /// The answer to the final step was lost: it may have been done. Never repeat blindly.
    Ambiguous,
    /// The caller asked for something wrong or left. Says nothing about the dependency.
    Caller,
    /// A defect on our side or in the dependency; repeating does not help.
    Fault,
}

impl Class {
    /// The class as a metric label and log field: lower case, never changes.
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
    /// What this failure means for the next step.
    fn class(&self) -> Class;

    /// The name of the violated rule (a unique constraint, say) when the class is [`Class::Duplicate`] or
    /// [`Class::Conflict`] and the dependency told it.
    fn key(&self) -> Option<&str> {
        None
    }

    /// How long the dependency asked to be left alone.
    fn retry_after(&self) -> Option<std::time::Duration> {
        None
    }
}
