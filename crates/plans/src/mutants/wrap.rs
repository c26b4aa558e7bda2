//! Expressions with the value of a column that are not the column. No query uses them, so an index on one serves
//! nothing.

use crate::catalogue::Key;

/// Expression that wraps a column.
struct Wrap {
    /// The expression. It is immutable, and the planner cannot simplify it to the column.
    sql: String,
    /// True if it has the type of the column, so that the operator class still fits.
    keeps_type: bool,
}

/// Returns `key` as an expression, or `None` if its type has none for the access method.
pub(super) fn wrapped(key: &Key, method: &str) -> Option<Key> {
    let Wrap { sql, keeps_type } = wrap(&key.sql, &key.data_type)?;
    // A btree or hash has a default operator class for nearly every type; other methods need that of the column.
    let takes_any = matches!(method, "btree" | "hash");
    if !keeps_type && !takes_any {
        return None;
    }
    let opclass = key.opclass.clone().filter(|_| keeps_type);
    let collation = key.collation.clone().filter(|_| is_text(&key.data_type));
    Some(Key { sql, column: None, data_type: String::new(), opclass, collation, ..key.clone() })
}

fn wrap(column: &str, data_type: &str) -> Option<Wrap> {
    let keeping = |sql: String| Some(Wrap { sql: format!("({sql})"), keeps_type: true });
    let other = |sql: String| Some(Wrap { sql: format!("({sql})"), keeps_type: false });
    match data_type {
        "" | "json" | "xml" | "point" | "box" | "circle" | "polygon" | "tsquery" => None,
        "text" | "character varying" | "bytea" | "tsvector" => keeping(format!("{column} || ''")),
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => {
            keeping(format!("{column} + 0::{data_type}"))
        }
        "date" => keeping(format!("{column} + 0")),
        "interval" | "timestamp without time zone" | "time without time zone" => {
            keeping(format!("{column} + interval '0'"))
        }
        "timestamp with time zone" => other(format!("{column} AT TIME ZONE 'UTC'")),
        "boolean" => other(format!("{column}::integer")),
        "uuid" | "character" | "citext" | "name" => other(format!("{column}::text || ''")),
        "inet" => keeping(format!("{column} + 0")),
        "jsonb" => keeping(format!("{column} || '[]'")),
        array if array.ends_with("[]") => keeping(format!("{column} || '{{}}'::{array}")),
        range if range.ends_with("range") => keeping(format!("{column} * {column}")),
        // For enums and other types whose casts are not immutable: an array of one value.
        any => other(format!("array_append('{{}}'::{any}[], {column})")),
    }
}

fn is_text(data_type: &str) -> bool {
    matches!(data_type, "text" | "character varying" | "character" | "citext" | "name")
}
