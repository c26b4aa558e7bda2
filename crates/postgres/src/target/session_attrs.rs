//! The values of `target_session_attrs`.

/// Required kind of sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionAttrs {
    /// The value in a connection string.
    pub(crate) word: &'static str,
    /// Requirements in order: all hosts are tried with the first one, then with the next. `None` accepts every session.
    pub(crate) rounds: &'static [Option<Requirement>],
}

/// A requirement on a session, checked by one statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirement {
    pub(crate) statement: &'static str,
    /// Value that the statement must return.
    pub(crate) expected: &'static str,
    /// Error text for any other value.
    pub(crate) otherwise: &'static str,
}

const fn read_only(expected: &'static str, otherwise: &'static str) -> Option<Requirement> {
    Some(Requirement { statement: "SHOW transaction_read_only", expected, otherwise })
}

const fn in_recovery(expected: &'static str, otherwise: &'static str) -> Option<Requirement> {
    Some(Requirement { statement: "SELECT pg_catalog.pg_is_in_recovery()", expected, otherwise })
}

const STANDBY: Option<Requirement> = in_recovery("t", "the server is not a standby");

impl SessionAttrs {
    pub(crate) const ANY: Self = Self { word: "any", rounds: &[None] };

    const ALL: [Self; 6] = [
        Self::ANY,
        Self { word: "read-write", rounds: &[read_only("off", "the session is read-only")] },
        Self { word: "read-only", rounds: &[read_only("on", "the session is not read-only")] },
        Self { word: "primary", rounds: &[in_recovery("f", "the server is a standby")] },
        Self { word: "standby", rounds: &[STANDBY] },
        Self { word: "prefer-standby", rounds: &[STANDBY, None] },
    ];

    /// Returns all values with their kinds.
    pub(crate) fn words() -> [(&'static str, Self); 6] {
        Self::ALL.map(|attrs| (attrs.word, attrs))
    }
}
