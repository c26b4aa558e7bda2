//! From the catalogue to the text of the schema file.

use super::catalogue::{Catalogue, Column, ForeignKey, Table};
use anyhow::{Context as _, ensure};
use std::fmt::Write as _;

const HEADER: &str =
    "//! The tables as the catalogue has them; written by `cargo xtask schema`, never by hand.\n";

/// The server's types, and what diesel calls them.
const TYPES: [(&str, &str); 19] = [
    ("bool", "Bool"),
    ("bpchar", "Bpchar"),
    ("bytea", "Bytea"),
    ("date", "Date"),
    ("float4", "Float4"),
    ("float8", "Float8"),
    ("int2", "Int2"),
    ("int4", "Int4"),
    ("int8", "Int8"),
    ("interval", "Interval"),
    ("json", "Json"),
    ("jsonb", "Jsonb"),
    ("numeric", "Numeric"),
    ("text", "Text"),
    ("time", "Time"),
    ("timestamp", "Timestamp"),
    ("timestamptz", "Timestamptz"),
    ("uuid", "Uuid"),
    ("varchar", "Varchar"),
];

/// Words that cannot name a column in Rust.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "final", "fn", "for", "if", "impl", "in", "let", "loop", "macro", "match",
    "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "type",
    "use", "where", "while",
];

/// The whole file: a `table!` for each table, then what diesel has to know to join them.
pub(super) fn render(catalogue: &Catalogue) -> anyhow::Result<String> {
    let mut text = HEADER.to_owned();
    for table in &catalogue.tables {
        text.push_str(&render_table(table).with_context(|| format!("table {}", table.name))?);
    }
    let joinable = catalogue.foreign_keys.iter().filter(|key| joins(key, catalogue));
    for (index, key) in joinable.enumerate() {
        let ForeignKey { child, column, parent } = key;
        let gap = if index == 0 { "\n" } else { "" };
        writeln!(text, "{gap}diesel::joinable!({child} -> {parent} ({column}));")?;
    }
    if catalogue.tables.len() > 1 {
        let names: Vec<&str> = catalogue.tables.iter().map(|table| table.name.as_str()).collect();
        writeln!(text, "\ndiesel::allow_tables_to_appear_in_same_query!({});", names.join(", "))?;
    }
    Ok(text)
}

fn render_table(table: &Table) -> anyhow::Result<String> {
    let Table { name, comment, primary_key, columns } = table;
    ensure!(!primary_key.is_empty(), "it has no primary key, and diesel needs one: add it in a migration");
    let mut text = "\ndiesel::table! {\n".to_owned();
    let plain = || format!("Table `{name}`.");
    push_docs(&mut text, "    ", &comment.clone().unwrap_or_else(plain));
    let key: Vec<String> = primary_key.iter().map(|column| rust_name(column, name)).collect();
    writeln!(text, "    {name} ({}) {{", key.join(", "))?;
    for column in columns {
        let plain = || format!("Column `{}` of `{name}`.", column.name);
        push_docs(&mut text, "        ", &column.comment.clone().unwrap_or_else(plain));
        let rust = rust_name(&column.name, name);
        if rust != column.name {
            writeln!(text, "        #[sql_name = \"{}\"]", column.name)?;
        }
        let sql_type = sql_type(column).with_context(|| format!("column {}", column.name))?;
        writeln!(text, "        {rust} -> {sql_type},")?;
    }
    text.push_str("    }\n}\n");
    Ok(text)
}

fn sql_type(column: &Column) -> anyhow::Result<String> {
    let known = TYPES.iter().find(|(server, _)| *server == column.type_name);
    let (_, name) = known.with_context(|| {
        format!("the type {} is not known here: add it to xtask/src/schema/render.rs", column.type_name)
    })?;
    // The server cannot forbid null in arrays; tables that hold them do so by a check, and diesel reports one at once.
    let name = if column.is_array { format!("Array<{name}>") } else { (*name).to_owned() };
    Ok(if column.nullable { format!("Nullable<{name}>") } else { name })
}

/// What a column is called in Rust: its own name, with an underscore where that cannot be.
fn rust_name(column: &str, table: &str) -> String {
    let taken = KEYWORDS.contains(&column) || column == table;
    if taken { format!("{column}_") } else { column.to_owned() }
}

/// Whether diesel can join by this key alone: it is the only one between the two tables, which are both here.
fn joins(key: &ForeignKey, catalogue: &Catalogue) -> bool {
    let here = |name: &str| catalogue.tables.iter().any(|table| table.name == name);
    let pair = |other: &&ForeignKey| {
        (&other.child, &other.parent) == (&key.child, &key.parent)
            || (&other.child, &other.parent) == (&key.parent, &key.child)
    };
    key.child != key.parent
        && here(&key.child)
        && here(&key.parent)
        && catalogue.foreign_keys.iter().filter(pair).count() == 1
}

fn push_docs(text: &mut String, indent: &str, comment: &str) {
    for line in comment.lines() {
        text.push_str(format!("{indent}/// {}", escaped(line)).trim_end());
        text.push('\n');
    }
}

/// `line` without what rustdoc would take for links or tags; code between backticks stays as it is.
fn escaped(line: &str) -> String {
    let parts = line.split('`').enumerate().map(|(index, part)| {
        if index % 2 == 1 {
            part.to_owned()
        } else {
            part.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<")
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            name: name.to_owned(),
            comment: None,
            type_name: type_name.to_owned(),
            is_array: false,
            nullable: false,
        }
    }

    fn table(name: &str, columns: Vec<Column>) -> Table {
        let primary_key = columns.first().map(|column| column.name.clone()).into_iter().collect();
        Table { name: name.to_owned(), comment: None, primary_key, columns }
    }

    fn key(child: &str, column: &str, parent: &str) -> ForeignKey {
        ForeignKey { child: child.to_owned(), column: column.to_owned(), parent: parent.to_owned() }
    }

    #[test]
    fn a_table_is_written_with_its_docs() {
        let mut trees =
            table("trees", vec![column("id", "int8"), column("names", "text"), column("type", "varchar")]);
        trees.comment = Some("Trees of a [garden].\nSee `a[0]`.".to_owned());
        trees.columns[1].is_array = true;
        trees.columns[2].nullable = true;
        trees.columns[2].comment = Some("What kind.".to_owned());
        let expected = "\ndiesel::table! {\n    /// Trees of a \\[garden\\].\n    /// See `a[0]`.\n    trees (id) {\n        \
            /// Column `id` of `trees`.\n        id -> Int8,\n        /// Column `names` of `trees`.\n        \
            names -> Array<Text>,\n        /// What kind.\n        #[sql_name = \"type\"]\n        \
            type_ -> Nullable<Varchar>,\n    }\n}\n";
        assert_eq!(render_table(&trees).unwrap(), expected);
    }

    #[test]
    fn an_unknown_type_is_refused_with_its_place() {
        let tables = vec![table("trees", vec![column("id", "int8"), column("shape", "polygon")])];
        let error = render(&Catalogue { tables, foreign_keys: vec![] }).unwrap_err();
        let told = format!("{error:#}");
        assert!(told.starts_with("table trees: column shape: the type polygon is not known here"), "{told}");
    }

    #[test]
    fn a_table_without_a_primary_key_is_refused() {
        let mut trees = table("trees", vec![column("id", "int8")]);
        trees.primary_key.clear();
        assert!(render_table(&trees).unwrap_err().to_string().contains("no primary key"));
    }

    #[test]
    fn only_a_single_key_between_two_tables_joins_them() {
        let tables = ["a", "b", "c"].map(|name| table(name, vec![column("id", "int8")])).to_vec();
        let foreign_keys = vec![
            key("a", "b_id", "b"),
            key("a", "first_c", "c"),
            key("a", "last_c", "c"),
            key("b", "mother", "b"),
            key("b", "x_id", "elsewhere"),
        ];
        let text = render(&Catalogue { tables, foreign_keys }).unwrap();
        assert_eq!(text.matches("joinable!").count(), 1, "{text}");
        assert!(text.contains("diesel::joinable!(a -> b (b_id));"));
        assert!(text.contains("allow_tables_to_appear_in_same_query!(a, b, c);"));
    }
}
