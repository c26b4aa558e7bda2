//! Queries of the catalogue, for PostgreSQL 15 to 18.

use super::{
    BackedConstraint, Catalogue, Column, Constraint, ConstraintKind, ForeignColumn, ForeignKey, Index, Key,
    Sequence, SequenceOwner, Table, TableKind,
};
use crate::Error;
use std::collections::BTreeMap;
use tokio_postgres::{Client, Row};

/// Condition on a relation `r`: it is in a user schema and belongs to no extension.
const OURS: &str = "r.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema')
    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = r.oid AND e.deptype = 'e')";

const TABLES: &str = "
    SELECT r.oid::regclass::text, r.relkind::text, (SELECT inhparent::regclass::text FROM pg_inherits
            WHERE inhrelid = r.oid AND r.relispartition),
        obj_description(r.oid, 'pg_class') IS NOT NULL,
        ARRAY(SELECT quote_ident(a.attname) FROM pg_constraint c
            CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.attnum
            WHERE c.conrelid = r.oid AND c.contype = 'p' ORDER BY k.place)
    FROM pg_class r WHERE r.relkind IN ('r', 'p', 'm') AND ";

const COLUMNS: &str = "
    SELECT r.oid::regclass::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity = '' AND a.attgenerated = '' AND coalesce(pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\\(', false),
        col_description(r.oid, a.attnum) IS NOT NULL,
        (SELECT max(s.null_frac) FROM pg_stats s
            JOIN pg_namespace n ON n.nspname = s.schemaname
            WHERE n.oid = r.relnamespace AND s.tablename = r.relname AND s.attname = a.attname)
    FROM pg_class r
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    WHERE r.relkind IN ('r', 'p', 'm') AND ";

const INDEXES: &str = "
    SELECT i.oid::text, i.relname::text, i.oid::regclass::text, r.oid::regclass::text, m.amname::text,
        pg_get_expr(x.indpred, x.indrelid, true), x.indisunique, x.indnullsnotdistinct, x.indisvalid,
        (SELECT string_agg(format('%I=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ')
            FROM unnest(i.reloptions) AS o),
        (SELECT p.relname::text FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent WHERE h.inhrelid = i.oid),
        coalesce((SELECT sum(pg_relation_size(relid))::bigint FROM pg_partition_tree(i.oid)), pg_relation_size(i.oid)),
        pg_get_indexdef(i.oid), quote_ident(c.conname), c.contype::text,
        CASE WHEN c.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN c.condeferrable THEN 'DEFERRABLE' ELSE '' END,
        coalesce(pg_get_constraintdef(c.oid) ~ ' WITHOUT OVERLAPS', false)
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class r ON r.oid = x.indrelid
    JOIN pg_am m ON m.oid = i.relam
    LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.conrelid = r.oid AND c.contype IN ('p', 'u', 'x')
    WHERE r.relkind IN ('r', 'p', 'm') AND ";

// GIN, GiST and similar methods store entries of another type than that of the expression.
const KEYS: &str = "
    SELECT x.indexrelid::text, k.n <= x.indnkeyatts, pg_get_indexdef(x.indexrelid, k.n, true), quote_ident(a.attname),
        CASE WHEN a.attname IS NOT NULL THEN format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL)
            WHEN m.amname IN ('btree', 'hash') THEN format_type(ia.atttypid, NULL) ELSE '' END,
        CASE WHEN NOT o.opcdefault OR ia.attoptions IS NOT NULL THEN
            CASE WHEN pg_opclass_is_visible(o.oid) THEN '' ELSE quote_ident(os.nspname) || '.' END
            || quote_ident(o.opcname)
            || coalesce('(' || (SELECT string_agg(format('%I=%L', split_part(p, '=', 1), substr(p, strpos(p, '=') + 1)), ', ')
                FROM unnest(ia.attoptions) AS p) || ')', '') END,
        CASE WHEN l.oid IS DISTINCT FROM coalesce(a.attcollation, 100)
            THEN quote_ident(ls.nspname) || '.' || quote_ident(l.collname) END,
        coalesce(x.indoption[k.n - 1] & 1 = 1, false), coalesce(x.indoption[k.n - 1] & 2 = 2, false)
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class r ON r.oid = x.indrelid
    JOIN pg_am m ON m.oid = i.relam
    CROSS JOIN generate_series(1, x.indnatts::int) AS k(n)
    JOIN pg_attribute ia ON ia.attrelid = x.indexrelid AND ia.attnum = k.n
    LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.n - 1] AND a.attnum > 0
    LEFT JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_opclass o ON k.n <= x.indnkeyatts AND o.oid = x.indclass[k.n - 1]
    LEFT JOIN pg_namespace os ON os.oid = o.opcnamespace
    LEFT JOIN pg_collation l ON k.n <= x.indnkeyatts AND l.oid = x.indcollation[k.n - 1]
    LEFT JOIN pg_namespace ls ON ls.oid = l.collnamespace
    WHERE r.relkind IN ('r', 'p', 'm') AND ";

const FOREIGN_KEYS: &str = "
    SELECT quote_ident(c.conname), r.oid::regclass::text, f.oid::regclass::text, i.relname::text,
        c.confmatchtype = 'f', c.confdeltype <> 'a', pg_get_constraintdef(c.oid),
        quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.attnotnull,
        quote_ident(b.attname), format_type(b.atttypid, b.atttypmod)
    FROM pg_constraint c
    JOIN pg_class r ON r.oid = c.conrelid
    JOIN pg_class f ON f.oid = c.confrelid
    LEFT JOIN pg_class i ON i.oid = c.conindid
    CROSS JOIN unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(own, other, place)
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.own
    JOIN pg_attribute b ON b.attrelid = f.oid AND b.attnum = k.other
    WHERE c.contype = 'f' AND c.conparentid = 0 AND ";

const CONSTRAINTS: &str = "
    SELECT quote_ident(c.conname), r.oid::regclass::text, c.convalidated
    FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
    WHERE c.contype IN ('c', 'f') AND c.conparentid = 0 AND c.coninhcount = 0 AND ";

const SEQUENCES: &str = "
    SELECT r.oid::regclass::text, (SELECT last_value FROM pg_sequences v JOIN pg_namespace n ON n.nspname = v.schemaname
            WHERE n.oid = r.relnamespace AND v.sequencename = r.relname),
        s.seqmax, s.seqcycle, d.refobjid::regclass::text, quote_ident(a.attname), format_type(a.atttypid, NULL)
    FROM pg_sequence s
    JOIN pg_class r ON r.oid = s.seqrelid
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE ";

impl Catalogue {
    /// Reads the catalogue of the database of `client`, in eight statements. It sees changes of the current
    /// transaction, so a changed schema can be read and rolled back.
    ///
    /// Run ANALYZE first: the fractions of NULLs come from its statistics.
    ///
    /// # Errors
    /// Returns [`Error::Database`] if the server rejects a statement or the connection is lost.
    pub async fn load(client: &Client) -> Result<Self, Error> {
        Self::read(client).await.map_err(Error::database("read the catalogue"))
    }

    async fn read(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
        let columns = rows(client, COLUMNS, "1, a.attnum").await?;
        let tables = rows(client, TABLES, "1").await?;
        let keys = rows(client, KEYS, "1, k.n").await?;
        let indexes = rows(client, INDEXES, "4, 3").await?;
        let foreign = rows(client, FOREIGN_KEYS, "2, 1, k.place").await?;
        let constraints = rows(client, CONSTRAINTS, "2, 1").await?;
        let sequences = rows(client, SEQUENCES, "1").await?;
        Ok(Self {
            version: version.split(' ').next().unwrap_or_default().to_owned(),
            tables: with_parts(&tables, &columns, column, table),
            indexes: with_parts(&indexes, &keys, key, index),
            foreign_keys: foreign_keys(&foreign),
            constraints: constraints.iter().map(constraint).collect(),
            sequences: sequences.iter().map(sequence).collect(),
        })
    }
}

async fn rows(client: &Client, query: &str, order: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    client.query(&format!("{query}{OURS} ORDER BY {order}"), &[]).await
}

/// Combines each row of `wholes` with the rows of `parts` that have the same first column.
fn with_parts<P, W>(
    wholes: &[Row],
    parts: &[Row],
    part: fn(&Row) -> P,
    whole: fn(&Row, Vec<P>) -> W,
) -> Vec<W> {
    let mut by_owner: BTreeMap<String, Vec<P>> = BTreeMap::new();
    for row in parts {
        by_owner.entry(row.get(0)).or_default().push(part(row));
    }
    let mut parts_of = |row: &Row| by_owner.remove(row.get::<_, &str>(0)).unwrap_or_default();
    wholes.iter().map(|row| whole(row, parts_of(row))).collect()
}

fn table(row: &Row, columns: Vec<Column>) -> Table {
    let kind = match row.get(1) {
        "p" => TableKind::Partitioned,
        "m" => TableKind::MaterializedView,
        _ => TableKind::Plain,
    };
    let (name, parent) = (row.get(0), row.get(2));
    Table { name, kind, parent, has_comment: row.get(3), primary_key: row.get(4), columns }
}

fn column(row: &Row) -> Column {
    Column {
        name: row.get(1),
        data_type: row.get(2),
        not_null: row.get(3),
        is_serial: row.get(4),
        has_comment: row.get(5),
        null_fraction: row.get(6),
    }
}

/// Returns a key, or the name of an INCLUDE column as the error.
fn key(row: &Row) -> Result<Key, String> {
    let (is_key, sql) = (row.get::<_, bool>(1), row.get(2));
    if !is_key {
        return Err(sql);
    }
    Ok(Key {
        sql,
        column: row.get(3),
        data_type: row.get(4),
        opclass: row.get(5),
        collation: row.get(6),
        is_descending: row.get(7),
        nulls_first: row.get(8),
    })
}

fn index(row: &Row, parts: Vec<Result<Key, String>>) -> Index {
    let included = parts.iter().filter_map(|part| part.as_ref().err().cloned()).collect();
    Index {
        name: row.get(1),
        sql_name: row.get(2),
        table: row.get(3),
        method: row.get(4),
        keys: parts.into_iter().filter_map(Result::ok).collect(),
        included,
        predicate: row.get(5),
        is_unique: row.get(6),
        nulls_not_distinct: row.get(7),
        is_valid: row.get(8),
        storage: row.get::<_, Option<String>>(9).unwrap_or_default(),
        constraint: backed(row),
        parent: row.get(10),
        bytes: row.get(11),
        definition: row.get(12),
    }
}

fn backed(row: &Row) -> Option<BackedConstraint> {
    let kind = match row.get::<_, Option<&str>>(14)? {
        "p" => ConstraintKind::PrimaryKey,
        "u" => ConstraintKind::Unique,
        _ => ConstraintKind::Exclusion,
    };
    Some(BackedConstraint { name: row.get(13), kind, timing: row.get(15), is_temporal: row.get(16) })
}

/// Groups the rows, one for each column of a foreign key, which are sorted by key.
fn foreign_keys(rows: &[Row]) -> Vec<ForeignKey> {
    let same = |a: &Row, b: &Row| (0..2).all(|n| a.get::<_, &str>(n) == b.get::<_, &str>(n));
    rows.chunk_by(same).map(foreign_key).collect()
}

fn foreign_key(rows: &[Row]) -> ForeignKey {
    let row = &rows[0];
    ForeignKey {
        name: row.get(0),
        table: row.get(1),
        columns: rows.iter().map(foreign_column).collect(),
        referenced_table: row.get(2),
        referenced_index: row.get(3),
        is_match_full: row.get(4),
        has_delete_rule: row.get(5),
        definition: row.get(6),
    }
}

fn foreign_column(row: &Row) -> ForeignColumn {
    ForeignColumn {
        name: row.get(7),
        data_type: row.get(8),
        not_null: row.get(9),
        referenced: row.get(10),
        referenced_type: row.get(11),
    }
}

fn constraint(row: &Row) -> Constraint {
    Constraint { name: row.get(0), table: row.get(1), is_valid: row.get(2) }
}

fn sequence(row: &Row) -> Sequence {
    let owner = row.get::<_, Option<String>>(4).map(|table| SequenceOwner {
        table,
        column: row.get(5),
        data_type: row.get(6),
    });
    Sequence { name: row.get(0), last_value: row.get(1), maximum: row.get(2), cycles: row.get(3), owner }
}
