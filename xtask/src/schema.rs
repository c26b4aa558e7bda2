//! `cargo xtask schema`: generates the diesel schema from the catalogue of a freshly migrated database.
//!
//! The migrations are applied from their files, because the programs that embed them do not build while the generated
//! file is out of date.

use crate::workspace::Workspace;
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::Path;
use steadfast_testkit::TestDatabase;
use tokio_postgres::{Client, NoTls};

/// The generated file.
const FILE: &str = "crates/schema/src/schema.rs";

const HEADER: &str =
    "//! The tables as the catalogue has them; written by `cargo xtask schema`, never by hand.\n";

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fail if the file is out of date, instead of writing it
    #[arg(long)]
    check: bool,
}

/// Tables of one schema, and the foreign keys by which diesel can join them.
#[derive(Debug, Deserialize)]
struct Catalogue {
    tables: Vec<Table>,
    joins: Vec<Join>,
}

#[derive(Debug, Deserialize)]
struct Table {
    name: String,
    comment: Option<String>,
    /// Columns of the primary key in its order.
    key: Vec<String>,
    columns: Vec<Column>,
}

#[derive(Debug, Deserialize)]
struct Column {
    name: String,
    comment: Option<String>,
    /// diesel's name of the type.
    sql_type: String,
}

#[derive(Debug, Deserialize)]
struct Join {
    child: String,
    column: String,
    parent: String,
}

/// Selects the [`Catalogue`] as JSON.
const CATALOGUE: &str = include_str!("schema.sql");

/// Writes the file, or compares it with `--check`.
///
/// # Errors
/// Returns an error if a migration fails, or if `--check` finds a difference.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> anyhow::Result<()> {
    let path = workspace.root().join(FILE);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let expected = generate(&workspace.root().join("migrations"))?;
    if found == expected {
        // The file keeps its time, so that the crates above it are not compiled again.
        println!("schema: {FILE} is up to date");
    } else if arguments.check {
        let mut lines = found.lines().zip(expected.lines()).enumerate();
        let difference = lines.find(|(_, (found, expected))| found != expected);
        bail!("{FILE} is out of date, run cargo xtask schema; first difference: {difference:?}");
    } else {
        std::fs::write(&path, expected).with_context(|| format!("cannot write {}", path.display()))?;
        println!("schema: wrote {FILE}");
    }
    Ok(())
}

/// Checks that the file is up to date.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    run(workspace, &Arguments { check: true })
}

#[tokio::main(flavor = "current_thread")]
async fn generate(migrations: &Path) -> anyhow::Result<String> {
    let database = TestDatabase::empty().await?;
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await?;
    let session = tokio::spawn(connection);
    migrate(&client, migrations).await?;
    let catalogue = read(&client).await?;
    drop(client);
    session.await??;
    render(&catalogue)
}

/// Runs the `up.sql` of each migration in the order of their names. The server runs each file in one transaction, and a
/// single statement outside of one, as `CREATE INDEX CONCURRENTLY` requires.
async fn migrate(client: &Client, folder: &Path) -> anyhow::Result<()> {
    let scripts = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter();
    for script in scripts {
        let script = script?;
        if script.file_name() == "up.sql" {
            let sql = std::fs::read_to_string(script.path())?;
            let applied = client.batch_execute(&sql).await;
            applied.with_context(|| format!("{} failed", script.path().display()))?;
        }
    }
    Ok(())
}

async fn read(client: &Client) -> anyhow::Result<Catalogue> {
    let json: String = client.query_one(CATALOGUE, &[]).await?.try_get(0)?;
    Ok(serde_json::from_str(&json)?)
}

/// Returns the file: a `table!` per table, then the joins.
fn render(catalogue: &Catalogue) -> anyhow::Result<String> {
    let mut text = HEADER.to_owned();
    for Table { name, comment, key, columns } in &catalogue.tables {
        ensure!(!key.is_empty(), "the table {name} has no primary key: add one, diesel needs it");
        text.push_str("\ndiesel::table! {\n");
        push_docs(&mut text, "    ", comment.as_deref(), &format!("Table `{name}`."));
        let key: Vec<String> = key.iter().map(|column| rust_name(column, name)).collect();
        writeln!(text, "    {name} ({}) {{", key.join(", "))?;
        for column in columns {
            let default = format!("Column `{}` of `{name}`.", column.name);
            push_docs(&mut text, "        ", column.comment.as_deref(), &default);
            let rust = rust_name(&column.name, name);
            if rust != column.name {
                writeln!(text, "        #[sql_name = \"{}\"]", column.name)?;
            }
            writeln!(text, "        {rust} -> {},", column.sql_type)?;
        }
        text.push_str("    }\n}\n");
    }
    if !catalogue.joins.is_empty() {
        text.push('\n');
    }
    for Join { child, column, parent } in &catalogue.joins {
        writeln!(text, "diesel::joinable!({child} -> {parent} ({column}));")?;
    }
    // In braces rustfmt leaves it alone.
    text.push_str("\ndiesel::allow_tables_to_appear_in_same_query! {\n");
    for Table { name, .. } in &catalogue.tables {
        writeln!(text, "    {name},")?;
    }
    text.push_str("}\n");
    Ok(text)
}

/// Returns the name of a column in Rust, with an underscore if it is a keyword or the name of its table.
fn rust_name(column: &str, table: &str) -> String {
    let is_taken = column == table || syn::parse_str::<syn::Ident>(column).is_err();
    if is_taken { format!("{column}_") } else { column.to_owned() }
}

/// Appends a comment as documentation. Outside of backticks it escapes what rustdoc reads as links and tags.
fn push_docs(text: &mut String, indent: &str, comment: Option<&str>, default: &str) {
    for line in comment.unwrap_or(default).lines() {
        let parts = line.split('`').enumerate().map(|(index, part)| match index % 2 {
            0 => part.replace('[', "\\[").replace(']', "\\]").replace('<', "\\<"),
            _ => part.to_owned(),
        });
        let line = parts.collect::<Vec<_>>().join("`");
        text.push_str(format!("{indent}/// {line}").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREES: &str = "
        CREATE TABLE gardens (id bigint PRIMARY KEY, note text);
        CREATE TABLE trees (
            garden bigint NOT NULL REFERENCES gardens, type date, gone int, names text[] NOT NULL,
            mother bigint REFERENCES gardens, PRIMARY KEY (type, garden));
        CREATE TABLE fruits (trees bigint PRIMARY KEY REFERENCES gardens);
        ALTER TABLE trees DROP COLUMN gone;
        CREATE TABLE years (year int, PRIMARY KEY (year)) PARTITION BY RANGE (year);
        CREATE TABLE years_2000 PARTITION OF years FOR VALUES FROM (2000) TO (3000);
        COMMENT ON COLUMN trees.names IS 'Names [common].';";

    #[tokio::test]
    async fn renders_the_catalogue() {
        let database = TestDatabase::empty().await.unwrap();
        let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(TREES).await.unwrap();
        let text = render(&read(&client).await.unwrap()).unwrap();
        let trees = "\ndiesel::table! {\n    /// Table `trees`.\n    trees (type_, garden) {\n        \
            /// Column `garden` of `trees`.\n        garden -> Int8,\n        \
            /// Column `type` of `trees`.\n        #[sql_name = \"type\"]\n        type_ -> Date,\n        \
            /// Names \\[common\\].\n        names -> Array<Text>,\n        \
            /// Column `mother` of `trees`.\n        mother -> Nullable<Int8>,\n    }\n}\n";
        assert!(text.contains(trees), "{text}");
        let joins = "\ndiesel::joinable!(fruits -> gardens (trees));\n\n\
            diesel::allow_tables_to_appear_in_same_query! {\n    fruits,\n    gardens,\n    trees,\n    years,\n}\n";
        assert!(text.ends_with(joins), "{text}");
        client.batch_execute("CREATE TABLE a (b int)").await.unwrap();
        assert!(render(&read(&client).await.unwrap()).is_err());
    }
}
