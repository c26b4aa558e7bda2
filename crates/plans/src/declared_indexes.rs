//! Declared indexes that no case uses.

use crate::outcome::StatementOutcome;
use crate::verdict::Context;
use crate::{Contract, Finding, Judged, Rule};
use std::collections::{BTreeMap, HashSet};

/// Returns a finding for each index in `served_by` or `supports_fk` of an operation that none of its cases uses.
/// `judged` are all cases, of any number of operations.
pub fn never_used<'a>(judged: impl IntoIterator<Item = &'a Judged>) -> Vec<Finding> {
    let mut operations: BTreeMap<&str, (&Contract, HashSet<&String>)> = BTreeMap::new();
    for case in judged {
        let name = case.contract.operation.as_str();
        let (_, used) = operations.entry(name).or_insert((&case.contract, HashSet::new()));
        used.extend(case.statements.iter().flat_map(StatementOutcome::all_indexes));
    }
    operations.into_values().flat_map(|(contract, used)| of_operation(contract, &used)).collect()
}

fn of_operation(contract: &Contract, used: &HashSet<&String>) -> Vec<Finding> {
    let declared = contract.served_by.iter().map(|index| (index, "served_by"));
    let declared = declared.chain(contract.supports_fk.iter().map(|index| (index, "supports_fk")));
    let unused = declared.filter(|(index, _)| !used.contains(index));
    let context = Context { contract, case: "", statement: "" };
    let finding = |(index, list): (&String, &str)| {
        let suggestion = format!(
            "see whether a statement has lost the condition or the order that {index} serves; if a branch needs it, add \
             the case that reaches the branch; if no statement is meant to use it, take it off `{list}`"
        );
        context.finding(
            Rule::Unclaimed,
            format!("{index} to be used by some case"),
            "none that uses it",
            suggestion,
        )
    };
    unused.map(finding).collect()
}
