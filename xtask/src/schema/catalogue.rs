//! What the catalogue says of tables, columns and foreign keys.

use tokio_postgres::{Client, Row};

/// All tables of a database, by name, and the foreign keys between them.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) tables: Vec<Table>,
    pub(super) foreign_keys: Vec<ForeignKey>,
}

/// One table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    /// The columns of the primary key, in the key's order; empty without one.
    pub(super) primary_key: Vec<String>,
    /// In the table's order.
    pub(super) columns: Vec<Column>,
}

/// One column.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) comment: Option<String>,
    /// The server's name of the type; of an array, the name of its elements' type.
    pub(super) type_name: String,
    pub(super) is_array: bool,
    pub(super) nullable: bool,
}

/// A foreign key of one column to the primary key of another table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) child: String,
    pub(super) column: String,
    pub(super) parent: String,
}

/// Tables of our own: no partitions, nothing that an extension or the migrations' bookkeeping brought.
const TABLES: &str = "
    SELECT c.oid, c.relname::text AS name, obj_description(c.oid, 'pg_class') AS comment,
           coalesce((SELECT array_agg(a.attname::text ORDER BY k.position)
                     FROM pg_index i
                     CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
                     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                     WHERE i.indrelid = c.oid AND i.indisprimary), '{}') AS primary_key
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname <> '__diesel_schema_migrations'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ORDER BY c.relname COLLATE \"C\"";

const COLUMNS: &str = "
    SELECT a.attname::text AS name, col_description(a.attrelid, a.attnum) AS comment, NOT a.attnotnull AS nullable,
           t.typcategory = 'A' AS is_array, coalesce(e.typname, t.typname)::text AS type_name
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum";

/// Keys that refer to the other table's primary key, which is what a join by default goes by.
const FOREIGN_KEYS: &str = "
    SELECT child.relname::text AS child, a.attname::text AS column, parent.relname::text AS parent
    FROM pg_constraint f
    JOIN pg_class child ON child.oid = f.conrelid
    JOIN pg_class parent ON parent.oid = f.confrelid
    JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
    JOIN pg_constraint p ON p.conrelid = f.confrelid AND p.contype = 'p' AND p.conkey = f.confkey
    WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conparentid = 0
      AND child.relnamespace = 'public'::regnamespace AND parent.relnamespace = 'public'::regnamespace
    ORDER BY child.relname COLLATE \"C\", parent.relname COLLATE \"C\", a.attname COLLATE \"C\"";

/// Reads the catalogue of the database that `client` is connected to.
pub(super) async fn read(client: &Client) -> anyhow::Result<Catalogue> {
    let mut tables = Vec::new();
    for row in client.query(TABLES, &[]).await? {
        let oid: u32 = row.try_get("oid")?;
        let columns = client.query(COLUMNS, &[&oid]).await?;
        tables.push(table(&row, columns.iter().map(column).collect::<Result<_, _>>()?)?);
    }
    let foreign_keys = client.query(FOREIGN_KEYS, &[]).await?;
    let foreign_keys = foreign_keys.iter().map(foreign_key).collect::<Result<_, _>>()?;
    Ok(Catalogue { tables, foreign_keys })
}

fn table(row: &Row, columns: Vec<Column>) -> Result<Table, tokio_postgres::Error> {
    Ok(Table {
        name: row.try_get("name")?,
        comment: row.try_get("comment")?,
        primary_key: row.try_get("primary_key")?,
        columns,
    })
}

fn column(row: &Row) -> Result<Column, tokio_postgres::Error> {
    Ok(Column {
        name: row.try_get("name")?,
        comment: row.try_get("comment")?,
        type_name: row.try_get("type_name")?,
        is_array: row.try_get("is_array")?,
        nullable: row.try_get("nullable")?,
    })
}

fn foreign_key(row: &Row) -> Result<ForeignKey, tokio_postgres::Error> {
    Ok(ForeignKey {
        child: row.try_get("child")?,
        column: row.try_get("column")?,
        parent: row.try_get("parent")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_testkit::TestDatabase;
    use tokio_postgres::NoTls;

    const TREES: &str = "
        CREATE TABLE gardens (id bigint PRIMARY KEY, note text);
        CREATE TABLE trees (
            garden bigint NOT NULL REFERENCES gardens, planted date, gone int, names text[] NOT NULL, mother bigint,
            row_number int, PRIMARY KEY (row_number, garden));
        ALTER TABLE trees DROP COLUMN gone;
        CREATE TABLE years (year int, PRIMARY KEY (year)) PARTITION BY RANGE (year);
        CREATE TABLE years_2000 PARTITION OF years FOR VALUES FROM (2000) TO (3000);
        CREATE TABLE __diesel_schema_migrations (version text PRIMARY KEY);
        COMMENT ON TABLE trees IS 'Trees.';
        COMMENT ON COLUMN trees.planted IS 'When.';";

    #[tokio::test]
    async fn the_catalogue_of_a_real_database_is_read() {
        let database = TestDatabase::empty().await.unwrap();
        let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(TREES).await.unwrap();
        let catalogue = read(&client).await.unwrap();

        let names: Vec<&str> = catalogue.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["gardens", "trees", "years"]);
        let trees = &catalogue.tables[1];
        assert_eq!(trees.comment.as_deref(), Some("Trees."));
        assert_eq!(trees.primary_key, ["row_number", "garden"]);
        let columns: Vec<(&str, &str, bool, bool)> = trees
            .columns
            .iter()
            .map(|column| (column.name.as_str(), column.type_name.as_str(), column.is_array, column.nullable))
            .collect();
        assert_eq!(
            columns,
            [
                ("garden", "int8", false, false),
                ("planted", "date", false, true),
                ("names", "text", true, false),
                ("mother", "int8", false, true),
                ("row_number", "int4", false, false),
            ]
        );
        assert_eq!(trees.columns[1].comment.as_deref(), Some("When."));
        let key = ForeignKey {
            child: "trees".to_owned(),
            column: "garden".to_owned(),
            parent: "gardens".to_owned(),
        };
        assert_eq!(catalogue.foreign_keys, [key]);
    }
}
