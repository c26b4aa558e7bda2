//! The values of `target_session_attrs`.

/// Kind of sessions that are handed out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionAttrs {
    /// The word that a connection string has for it.
    pub(crate) word: &'static str,
    /// All hosts are tried with the first requirement, then with the next one. `None` takes every session.
    pub(crate) rounds: &'static [Option<Requirement>],
}

/// A property of a session, found out by one statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requirement {
    pub(crate) statement: &'static str,
    /// The value that the statement has to return.
    pub(crate) expected: &'static str,
    /// Description of a session that returns anything else.
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

    /// Returns all kinds with their words.
    pub(crate) fn words() -> [(&'static str, Self); 6] {
        Self::ALL.map(|attrs| (attrs.word, attrs))
    }
}
