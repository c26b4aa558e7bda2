//! What the library keeps of each operation while the process runs: its metrics, looked up once, and the gate before it.

use crate::Operation;
use metrics::Histogram;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use steadfast_resilience::{ContentionGate, ContentionRules};

/// How one operation stands. A metrics recorder has to be installed before the operation runs first.
pub(crate) struct Standing {
    name: &'static str,
    /// Looked up once: a recorder's own look-up costs as much as the rest of the library.
    succeeded: Histogram,
    /// Lets in one at a time after a deadlock: the delay alone ends no storm, since all come back together.
    pub(crate) gate: ContentionGate,
}

impl Standing {
    fn new(name: &'static str) -> Self {
        let succeeded = metrics::histogram!("db_operation_seconds", "operation" => name, "outcome" => "ok");
        Self { name, succeeded, gate: ContentionGate::new(name, ContentionRules::default()) }
    }

    /// A unit of work ended well after `took`.
    pub(crate) fn succeeded(&self, took: Duration) {
        self.succeeded.record(took);
    }

    /// A unit of work failed after `took`, with an error of the class `outcome`.
    pub(crate) fn failed(&self, outcome: &'static str, took: Duration) {
        metrics::histogram!("db_operation_seconds", "operation" => self.name, "outcome" => outcome)
            .record(took);
    }
}

/// How all operations stand that have run on one database. There are as many as the program declares.
#[derive(Default)]
pub(crate) struct Standings(RwLock<Vec<Arc<Standing>>>);

impl Standings {
    /// How `operation` stands.
    pub(crate) fn of(&self, operation: &'static Operation) -> Arc<Standing> {
        let name = operation.name();
        let find = |all: &[Arc<Standing>]| all.iter().find(|standing| standing.name == name).cloned();
        if let Some(standing) = find(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return standing;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Another caller may have been first in the meantime, and there must be one gate only.
        find(&all).unwrap_or_else(|| {
            let standing = Arc::new(Standing::new(name));
            all.push(standing.clone());
            standing
        })
    }
}

impl std::fmt::Debug for Standings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Standings")
    }
}
