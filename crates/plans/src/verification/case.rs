//! Cases, and the database that the program runs on.

use crate::{Contract, Recorder};

/// One case of an operation.
#[derive(Clone, Debug)]
pub struct Case {
    /// Contract of the operation.
    pub contract: Contract,
    /// Name of the case, unique in its operation.
    pub name: String,
    /// Indexes that this case must use; empty if any index of the contract will do.
    pub expects: Vec<String>,
    /// True if the case does so much that it runs at the smaller size only.
    pub is_heavy: bool,
}

impl Case {
    /// Returns the case `name`, which any index of the contract may serve and which runs at both sizes.
    pub fn new(contract: Contract, name: impl Into<String>) -> Self {
        Self { contract, name: name.into(), expects: Vec::new(), is_heavy: false }
    }

    /// Sets the indexes that this case must use.
    #[must_use]
    pub fn expects(self, indexes: &[&str]) -> Self {
        Self { expects: indexes.iter().map(|index| (*index).to_owned()).collect(), ..self }
    }

    /// Sets whether the case runs at the smaller size only.
    #[must_use]
    pub fn heavy(self, is_heavy: bool) -> Self {
        Self { is_heavy, ..self }
    }
}

/// Database that a case of the program runs on.
#[derive(Clone, Debug)]
pub struct ProgramDatabase {
    /// URL of the database.
    pub url: String,
    /// Recorder for the sessions of the program.
    pub recorder: Recorder,
}
