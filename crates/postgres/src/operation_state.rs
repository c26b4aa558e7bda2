//! State of each operation at run time: its metrics and its contention gate.

use crate::AnyOperation;
use metrics::Histogram;
use std::sync::OnceLock;
use std::time::Duration;
use steadfast_resilience::{ContentionGate, ContentionRules};

/// Upper bounds in seconds for the buckets of the histogram `db_operation_seconds`, for your metrics exporter. Unlike
/// quantiles, buckets of several instances can be added up.
pub const OPERATION_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Number of hash buckets. Each holds a chain of operations.
const BUCKETS: usize = 64;

/// State of one operation. Install a metrics recorder before the operation runs for the first time.
pub(crate) struct OperationState {
    name: &'static str,
    /// Resolved once, since a look-up in the recorder costs as much as the rest of the library.
    succeeded: Histogram,
    /// Limits concurrency after a deadlock. Delays alone end no storm, since the delayed callers collide again.
    pub(crate) gate: ContentionGate,
    /// The next operation of the same bucket.
    next: OnceLock<Box<OperationState>>,
}

impl OperationState {
    fn new(name: &'static str) -> Self {
        let succeeded = metrics::histogram!("db_operation_seconds", "operation" => name, "outcome" => "ok");
        let gate = ContentionGate::new(name, ContentionRules::default());
        Self { name, succeeded, gate, next: OnceLock::new() }
    }

    /// Records a successful unit of work.
    pub(crate) fn succeeded(&self, took: Duration) {
        self.succeeded.record(took);
    }

    /// Records a failed unit of work with the class `outcome`.
    pub(crate) fn failed(&self, outcome: &'static str, took: Duration) {
        metrics::histogram!("db_operation_seconds", "operation" => self.name, "outcome" => outcome)
            .record(took);
    }
}

/// States of all operations that have run on one database. Their number is limited by the program's declarations and
/// none is ever removed, so they are found without a lock.
pub(crate) struct OperationRegistry([OnceLock<Box<OperationState>>; BUCKETS]);

impl OperationRegistry {
    pub(crate) fn new() -> Self {
        Self([const { OnceLock::new() }; BUCKETS])
    }

    /// Returns the state of `operation`. Concurrent first callers get the same state, so there is only one gate.
    pub(crate) fn state(&self, operation: &'static AnyOperation) -> &OperationState {
        let name = operation.name();
        let mut entry = &self.0[hash(name) as usize % BUCKETS];
        loop {
            let state = entry.get_or_init(|| Box::new(OperationState::new(name)));
            if state.name == name {
                return state;
            }
            entry = &state.next;
        }
    }
}

/// Hashes a name with FNV-1a.
pub(crate) fn hash(name: &str) -> u32 {
    let add = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    name.bytes().fold(0x811c_9dc5, add)
}

impl std::fmt::Debug for OperationRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OperationRegistry")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Operation;

    #[test]
    fn each_operation_has_one_state() {
        let registry = OperationRegistry::new();
        let operations: Vec<&'static AnyOperation> = (0..4 * BUCKETS)
            .map(|number| Operation::read(format!("meadow.look_{number}").leak()))
            .map(|operation| Box::leak(Box::new(operation)).any())
            .collect();
        let first: Vec<_> =
            operations.iter().map(|operation| std::ptr::from_ref(registry.state(operation))).collect();
        for (operation, first) in operations.iter().zip(first) {
            assert_eq!(registry.state(operation).name, operation.name());
            assert!(std::ptr::eq(registry.state(operation), first), "{}", operation.name());
        }
    }
}
