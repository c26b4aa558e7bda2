//! The faults, and under which rule each has to be found.

mod cases;
mod contracts;
mod queries;
mod schema;

use crate::operation::Operation;
use steadfast_plans::{Contract, Rule};

/// A fault that a finding has to name.
pub(crate) struct Fault {
    /// Its name, which is the operation's if it is planted in one.
    pub(crate) name: String,
    /// Rule under which it has to be found.
    pub(crate) rule: Rule,
    /// Subject of the finding.
    pub(crate) subject: String,
    pub(crate) plant: Plant,
}

/// A fault that ends the verification.
pub(crate) struct Broken {
    pub(crate) operation: Operation,
    /// Words that the error has to contain.
    pub(crate) words: [&'static str; 2],
}

/// Place of a fault.
pub(crate) enum Plant {
    /// An operation beside those of the shop.
    Operation(Operation),
    /// An operation that is declared and never run.
    Declaration(Operation),
    /// The schema, which `sql` changes. Faults of the same `object` are never planted together.
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

/// Returns the faults that end the verification.
pub(crate) fn broken() -> Vec<Broken> {
    vec![Broken {
        operation: Operation::new(Contract::new("index_to_drop_is_gone"))
            .sends("DROP INDEX orders_gone")
            .case("one", []),
        words: ["index_to_drop_is_gone [one]", "index \"orders_gone\" does not exist"],
    }]
}

/// Returns the fault in `operation`, whose name says what it is.
fn fault(rule: Rule, operation: Operation) -> Fault {
    let name = operation.contract.operation.clone();
    Fault { subject: name.clone(), name, rule, plant: Plant::Operation(operation) }
}

impl Fault {
    /// Returns the change of the schema.
    pub(crate) fn sql(&self) -> Option<&'static str> {
        match self.plant {
            Plant::Schema { sql, .. } => Some(sql),
            Plant::Operation(_) | Plant::Declaration(_) => None,
        }
    }

    /// Returns the object of the schema that it changes.
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

    /// Rules that a [`Verification`](steadfast_plans::Verification) does not check.
    const NOT_CHECKED: [Rule; 2] = [Rule::UnstablePlan, Rule::Survived];

    #[test]
    fn faults_have_names_of_their_own() {
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
