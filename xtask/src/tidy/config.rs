//! The tables of the rules, from `xtask/tidy.toml`.

use serde::Deserialize;
use std::collections::BTreeMap;

/// Values by name.
pub(super) type Table = BTreeMap<String, Vec<String>>;

/// The tables. Their file documents them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) areas: Vec<String>,
    pub(super) areas_used_by_others: Vec<String>,
    pub(super) clean: Vec<String>,
    pub(super) folders: Vec<String>,
    pub(super) vague_names: Vec<String>,
    pub(super) crates_for_others: Vec<String>,
    pub(super) business_nouns: Vec<String>,
    pub(super) not_below_resilience: Vec<String>,
    pub(super) may_use: Table,
    pub(super) tests_may_use: Table,
    pub(super) excluded: Table,
    pub(super) layers: Table,
    pub(super) no_resources: Table,
    /// Areas that need no module in the layer of HTTP.
    pub(super) without_routes: Vec<String>,
    pub(super) doors: Doors,
}

/// Ways to the database outside operations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doors {
    pub(super) names: Vec<String>,
    pub(super) exceptions: Table,
}

impl Config {
    /// Returns the tables.
    pub(super) fn load() -> anyhow::Result<Self> {
        Ok(toml::from_str(include_str!("../../tidy.toml"))?)
    }

    /// Returns true if `name` is an area.
    pub(super) fn is_area(&self, name: &str) -> bool {
        self.areas.iter().any(|area| area == name)
    }
}

/// Returns true if `table` lists `value` under `name`.
pub(super) fn lists(table: &Table, name: &str, value: &str) -> bool {
    table.get(name).is_some_and(|values| values.iter().any(|listed| matches(listed, value)))
}

/// Returns true if `name` is `pattern`, or starts with the part of it before `*`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}
