//! What the library keeps of each operation while the process runs: its metrics, looked up once, and the gate before it.

use crate::AnyOperation;
use metrics::Histogram;
use std::sync::OnceLock;
use std::time::Duration;
use steadfast_resilience::{ContentionGate, ContentionRules};

/// Upper bounds for the buckets of the histogram `db_operation_seconds`, in seconds: from a page in memory to the longest
/// deadline. Give them to your exporter. Buckets of several instances can be added up, which quantiles cannot, and a sample
/// costs a few comparisons.
pub const OPERATION_SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Chains of operations: a few times as many as a program declares would be one operation to a chain.
const CHAINS: usize = 64;

/// How one operation stands. A metrics recorder has to be installed before the operation runs first.
pub(crate) struct OperationState {
    name: &'static str,
    /// Looked up once: a recorder's own look-up costs as much as the rest of the library.
    succeeded: Histogram,
    /// Lets in one at a time after a deadlock: the delay alone ends no storm, since all come back together.
    pub(crate) gate: ContentionGate,
    /// The next operation of the same chain.
    next: OnceLock<Box<OperationState>>,
}

impl OperationState {
    fn new(name: &'static str) -> Self {
        let succeeded = metrics::histogram!("db_operation_seconds", "operation" => name, "outcome" => "ok");
        let gate = ContentionGate::new(name, ContentionRules::default());
        Self { name, succeeded, gate, next: OnceLock::new() }
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

/// How all operations stand that have run on one database. There are as many as the program declares, and none is ever
/// taken out, so they are found without a lock.
pub(crate) struct OperationRegistry([OnceLock<Box<OperationState>>; CHAINS]);

impl OperationRegistry {
    pub(crate) fn new() -> Self {
        Self([const { OnceLock::new() }; CHAINS])
    }

    /// How `operation` stands. Of two callers that come first at once, both get the same: there is one gate only.
    pub(crate) fn state(&self, operation: &'static AnyOperation) -> &OperationState {
        let name = operation.name();
        let mut place = &self.0[hash(name) as usize % CHAINS];
        loop {
            let operation_state = place.get_or_init(|| Box::new(OperationState::new(name)));
            if operation_state.name == name {
                return operation_state;
            }
            place = &operation_state.next;
        }
    }
}

/// Hashes a name, by Fowler, Noll and Vo.
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
    fn an_operation_has_one_standing_however_many_there_are() {
        let registry = OperationRegistry::new();
        let operations: Vec<&'static AnyOperation> = (0..4 * CHAINS)
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
