//! SQL definitions of changed indexes.

use crate::catalogue::{Catalogue, ConstraintKind, ForeignKey, Index, Key, TableKind};

/// Returns the statement that drops `index`, with its constraint and everything that depends on it.
pub(super) fn drop_statement(index: &Index) -> String {
    match &index.constraint {
        Some(constraint) => {
            format!("ALTER TABLE {} DROP CONSTRAINT {} CASCADE", index.table, constraint.name)
        }
        None => format!("DROP INDEX {} CASCADE", index.sql_name),
    }
}

/// Returns the statements that replace `index` by `changed`, under the same name. An index on an expression is
/// analysed, because its statistics belong to it. An index on columns is not: another sample of the table could change
/// other plans.
pub(super) fn replacement(catalogue: &Catalogue, index: &Index, changed: &Index) -> Vec<String> {
    let mut statements = vec![drop_statement(index), create_statement(changed)];
    if changed.is_unique && changed.predicate.is_none() && changed.keys.iter().all(|key| key.column.is_some())
    {
        let referring =
            catalogue.foreign_keys.iter().filter(|key| key.referenced_index.as_ref() == Some(&index.name));
        statements.extend(referring.map(add_foreign_key));
    }
    if changed.keys.iter().any(|key| key.column.is_none()) {
        statements.push(format!("ANALYZE {}", changed.table));
    }
    statements
}

pub(super) fn is_partitioned(catalogue: &Catalogue, index: &Index) -> bool {
    catalogue.table(&index.table).is_some_and(|table| table.kind == TableKind::Partitioned)
}

fn add_foreign_key(key: &ForeignKey) -> String {
    format!("ALTER TABLE {} ADD CONSTRAINT {} {}", key.table, key.name, key.definition)
}

fn create_statement(index: &Index) -> String {
    match &index.constraint {
        Some(constraint) => {
            let kind = if constraint.kind == ConstraintKind::PrimaryKey { "PRIMARY KEY" } else { "UNIQUE" };
            let nulls = if index.nulls_not_distinct { " NULLS NOT DISTINCT" } else { "" };
            let columns = list(index.keys.iter().map(|key| key.sql.clone()));
            let rest = [included(index), storage(index), spaced(&constraint.timing)].concat();
            format!(
                "ALTER TABLE {} ADD CONSTRAINT {} {kind}{nulls} ({columns}){rest}",
                index.table, constraint.name
            )
        }
        None => create_index(index),
    }
}

fn create_index(index: &Index) -> String {
    let unique = if index.is_unique { "UNIQUE " } else { "" };
    let nulls = if index.nulls_not_distinct && index.is_unique { " NULLS NOT DISTINCT" } else { "" };
    let predicate =
        index.predicate.as_ref().map(|predicate| format!(" WHERE {predicate}")).unwrap_or_default();
    let keys = list(index.keys.iter().map(|key| key_sql(key, &index.method)));
    let rest = [included(index), nulls.to_owned(), storage(index), predicate].concat();
    // Without its schema: an index is always created in the schema of its table.
    let name = format!("\"{}\"", index.name.replace('"', "\"\""));
    format!("CREATE {unique}INDEX {name} ON {} USING {} ({keys}){rest}", index.table, index.method)
}

fn key_sql(key: &Key, method: &str) -> String {
    let collation =
        key.collation.as_ref().map(|collation| format!(" COLLATE {collation}")).unwrap_or_default();
    let opclass = key.opclass.as_deref().map(spaced).unwrap_or_default();
    let order = match (method, key.is_descending, key.nulls_first) {
        ("btree", true, true) => " DESC",
        ("btree", true, false) => " DESC NULLS LAST",
        ("btree", false, true) => " NULLS FIRST",
        _ => "",
    };
    [&key.sql, &collation, &opclass, order].concat()
}

fn included(index: &Index) -> String {
    let columns = list(index.included.iter().cloned());
    if columns.is_empty() { columns } else { format!(" INCLUDE ({columns})") }
}

fn storage(index: &Index) -> String {
    if index.storage.is_empty() { String::new() } else { format!(" WITH ({})", index.storage) }
}

fn spaced(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" {text}") }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
