//! Faults that can be planted to see them found.

use anyhow::{bail, ensure};

/// A fault of the schema or of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The index that finds the sightings of an observer is missing.
    MissingIndex,
    /// An index that no query needs exists.
    UnusedIndex,
    /// A query sends a value where the predicate of an index has a constant.
    BindInPredicate,
}

impl Fault {
    /// Parses the command line: nothing, or `--fault` with a name.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Option<Self>> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        let Some((option, names)) = arguments.split_first() else { return Ok(None) };
        ensure!(option == "--fault" && names.len() == 1, "usage: star-catalogue [--fault NAME]");
        match names[0].as_str() {
            "missing-index" => Ok(Some(Self::MissingIndex)),
            "unused-index" => Ok(Some(Self::UnusedIndex)),
            "bind-in-predicate" => Ok(Some(Self::BindInPredicate)),
            other => bail!(
                "unknown fault `{other}`; the faults are missing-index, unused-index, or bind-in-predicate"
            ),
        }
    }
}
