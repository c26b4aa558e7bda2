//! Checks of names.

use super::finding;
use crate::Finding;
use crate::catalogue::Catalogue;
use std::collections::BTreeMap;

/// Maximum length of a name in bytes. The server truncates longer ones, with only a notice.
const LONGEST: usize = 63;

pub(super) fn cut_off(catalogue: &Catalogue) -> Vec<Finding> {
    let tables = catalogue.whole_tables();
    let columns = tables.clone().flat_map(|table| table.columns.iter().map(|column| &column.name));
    let indexes = catalogue.whole_indexes().map(|index| &index.name);
    let constraints = catalogue.constraints.iter().map(|constraint| &constraint.name);
    let sequences = catalogue.sequences.iter().map(|sequence| &sequence.name);
    let names = tables
        .clone()
        .map(|table| &table.name)
        .chain(columns)
        .chain(indexes)
        .chain(constraints)
        .chain(sequences);
    let bare = |name: &&String| name.trim_matches('"').len() >= LONGEST;
    let to_finding = |name: &String| {
        let found = format!("{LONGEST} bytes, the longest there is: it was probably cut off");
        finding(name, "a complete name", found, "choose a shorter name")
    };
    names.filter(bare).map(to_finding).collect()
}

pub(super) fn same_name_other_type(catalogue: &Catalogue) -> Vec<Finding> {
    let mut types: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for table in catalogue.whole_tables() {
        for column in &table.columns {
            types.entry(&column.name).or_default().entry(&column.data_type).or_insert(&table.name);
        }
    }
    let differing = types.into_iter().filter(|(_, types)| types.len() > 1);
    let to_finding = |(column, types): (&str, BTreeMap<&str, &str>)| {
        let each: Vec<String> = types.iter().map(|(kind, table)| format!("{kind} in {table}")).collect();
        finding(
            column,
            "one type for one name",
            each.join(", "),
            "give one of them the other's type, or another name",
        )
    };
    differing.map(to_finding).collect()
}
