//! Planted faults, and the rules that must find them.

mod cases;
mod contracts;
mod queries;
mod schema;

use crate::operation::Operation;
use steadfast_plans::{Contract, Rule};

/// A fault that a finding has to name.
pub(crate) struct Fault {
    /// Name; for a fault in an operation the name of the operation.
    pub(crate) name: String,
    /// Rule that must find it.
    pub(crate) rule: Rule,
    /// Subject of the finding.
    pub(crate) subject: String,
    pub(crate) plant: Plant,
}

/// A fault that makes the verification fail.
pub(crate) struct Broken {
    pub(crate) operation: Operation,
    /// Words that the error must contain.
    pub(crate) words: [&'static str; 2],
}

/// Place of a fault.
pub(crate) enum Plant {
    /// An operation besides those of the shop.
    Operation(Operation),
    /// An operation that is declared and has no case.
    Declaration(Operation),
    /// A change of the schema by `sql`. Faults of the same `object` are never planted together.
    Schema { object: &'static str, sql: &'static str },
}

/// Returns every fault that a finding has to name.
pub(crate) fn all() -> Vec<Fault> {
    [
        queries::unserved(),
        queries::unbounded(),
        queries::wasteful(),
        contracts::all(),
        cases::all(),
        schema::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the faults that make the verification fail.
pub(crate) fn broken() -> Vec<Broken> {
    vec![Broken {
        operation: Operation::new(Contract::new("index_to_drop_is_gone"))
            .sends("DROP INDEX orders_gone")
            .case("one", []),
        words: ["index_to_drop_is_gone [one]", "index \"orders_gone\" does not exist"],
    }]
}

/// Returns the fault in `operation`, which has its name.
fn fault(rule: Rule, operation: Operation) -> Fault {
    let name = operation.contract.operation.clone();
    Fault { subject: name.clone(), name, rule, plant: Plant::Operation(operation) }
}

impl Fault {
    /// Returns the SQL that changes the schema.
    pub(crate) fn sql(&self) -> Option<&'static str> {
        match self.plant {
            Plant::Schema { sql, .. } => Some(sql),
            Plant::Operation(_) | Plant::Declaration(_) => None,
        }
    }

    /// Returns the object of the schema that is changed.
    pub(crate) fn object(&self) -> Option<&'static str> {
        match self.plant {
            Plant::Schema { object, .. } => Some(object),
            Plant::Operation(_) | Plant::Declaration(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    /// Rules that need checks which the self-test does not switch on.
    const NOT_CHECKED: [Rule; 2] = [Rule::UnstablePlan, Rule::Survived];

    #[test]
    fn names_of_faults_are_unique() {
        let faults = all();
        let names: HashSet<_> = faults.iter().map(|fault| &fault.name).collect();
        assert_eq!(names.len(), faults.len());
        assert!(faults.len() + broken().len() >= 40, "{}", faults.len());
    }

    #[test]
    fn every_rule_has_a_fault() {
        let planted: BTreeSet<_> = all().iter().map(|fault| fault.rule).collect();
        let checked = Rule::all().iter().filter(|rule| !NOT_CHECKED.contains(rule)).copied();
        assert_eq!(planted, checked.collect());
    }
}
