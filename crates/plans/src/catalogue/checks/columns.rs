//! Checks of columns.

use super::finding;
use crate::Finding;
use crate::catalogue::{Catalogue, Column, Table, TableKind};

/// Words in the names of columns that hold money.
const MONEY: [&str; 13] = [
    "amount", "balance", "budget", "charge", "cost", "fee", "payment", "price", "revenue", "salary",
    "subtotal", "tax", "wage",
];

/// Returns the findings of `to_finding` for the columns of all tables that are not partitions.
fn each(catalogue: &Catalogue, to_finding: impl Fn(&Table, &Column) -> Option<Finding>) -> Vec<Finding> {
    let of = |table| Table::objections(table, &to_finding);
    catalogue.whole_tables().flat_map(of).collect()
}

impl Table {
    fn objections(&self, to_finding: impl Fn(&Self, &Column) -> Option<Finding>) -> Vec<Finding> {
        self.columns.iter().filter_map(|column| to_finding(self, column)).collect()
    }

    fn subject(&self, column: &Column) -> String {
        format!("{}.{}", self.name, column.name)
    }

    fn change(&self, column: &Column, to: &str) -> String {
        match self.kind {
            TableKind::MaterializedView => format!("cast it in the query of {}", self.name),
            _ => format!("ALTER TABLE {} ALTER {} TYPE {to};", self.name, column.name),
        }
    }
}

pub(super) fn timestamp_without_zone(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let is_one =
            column.data_type.starts_with("timestamp") && column.data_type.ends_with("without time zone");
        let suggestion =
            table.change(column, &format!("timestamptz USING {} AT TIME ZONE 'UTC'", column.name));
        is_one.then(|| {
            finding(
                table.subject(column),
                "a timestamp with time zone (timestamptz)",
                &column.data_type,
                suggestion,
            )
        })
    })
}

pub(super) fn inexact_money(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let is_float = matches!(column.data_type.as_str(), "real" | "double precision");
        let inexact = is_float && names_money(&column.name);
        let found = match column.data_type.as_str() {
            "money" => "money, whose digits and sign depend on the server's locale".to_owned(),
            other => format!("{other}, which cannot hold 0.10"),
        };
        let suggestion = table.change(column, "numeric(19, 4)");
        (inexact || column.data_type == "money")
            .then(|| finding(table.subject(column), "an exact number for money", found, suggestion))
    })
}

fn names_money(column: &str) -> bool {
    let name = column.to_ascii_lowercase();
    name.split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| MONEY.contains(&word) || word.strip_suffix('s').is_some_and(|word| MONEY.contains(&word)))
}

pub(super) fn json(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let suggestion = table.change(column, "jsonb");
        let found = "json, which is parsed at each use and cannot be indexed or compared";
        (column.data_type == "json").then(|| finding(table.subject(column), "jsonb", found, suggestion))
    })
}

pub(super) fn serial_beside_the_key(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let is_beside = column.is_serial && !table.primary_key.contains(&column.name);
        let suggestion = format!("ALTER TABLE {} ALTER {} DROP DEFAULT;", table.name, column.name);
        is_beside.then(|| {
            finding(table.subject(column), "a sequence for the primary key only", "serial", suggestion)
        })
    })
}

pub(super) fn serial_key(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let is_key = column.is_serial && table.primary_key.contains(&column.name);
        let suggestion =
            "make it GENERATED ALWAYS AS IDENTITY, which rejects values that did not come from the sequence";
        is_key.then(|| finding(table.subject(column), "an identity column", "serial", suggestion))
    })
}

pub(super) fn limited_text(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let padded = column.data_type.starts_with("character(");
        let limited = column.data_type.starts_with("character varying(");
        let suggestion = table.change(column, "text");
        (padded || limited).then(|| finding(table.subject(column), "text", &column.data_type, suggestion))
    })
}

pub(super) fn without_comment(catalogue: &Catalogue) -> Vec<Finding> {
    each(catalogue, |table, column| {
        let has_own = column.has_comment || table.kind == TableKind::MaterializedView;
        let suggestion = format!("COMMENT ON COLUMN {}.{} IS '…';", table.name, column.name);
        (!has_own).then(|| finding(table.subject(column), "a comment", "none", suggestion))
    })
}
