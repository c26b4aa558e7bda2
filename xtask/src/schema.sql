-- The catalogue as JSON, without partitions, tables of extensions, and the table of diesel's migrations. diesel names its
-- types like the server, in camel case. A join needs a single-column key that is the only one between two tables.
SELECT json_build_object('tables', (
    SELECT coalesce(json_agg(json_build_object(
        'name', c.relname,
        'comment', obj_description(c.oid, 'pg_class'),
        'key', (
            SELECT coalesce(json_agg(a.attname ORDER BY k.position), '[]')
            FROM pg_index i
            CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
            WHERE i.indrelid = c.oid AND i.indisprimary),
        'columns', (
            SELECT json_agg(json_build_object(
                'name', a.attname,
                'comment', col_description(a.attrelid, a.attnum),
                'sql_type', format(CASE WHEN a.attnotnull THEN '%s' ELSE 'Nullable<%s>' END,
                            format(CASE WHEN e.oid IS NULL THEN '%s' ELSE 'Array<%s>' END,
                            replace(initcap(coalesce(e.typname, t.typname)::text), '_', ''))))
                ORDER BY a.attnum)
            FROM pg_attribute a
            JOIN pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
        ) ORDER BY c.relname COLLATE "C"), '[]')
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname <> '__diesel_schema_migrations'
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
), 'joins', (
    SELECT coalesce(json_agg(json_build_object('child', child, 'column', key, 'parent', parent)
                    ORDER BY child COLLATE "C", parent COLLATE "C", key COLLATE "C"), '[]')
    FROM (
        SELECT child.relname::text AS child, a.attname::text AS key, parent.relname::text AS parent,
               count(*) OVER (PARTITION BY least(child.oid, parent.oid), greatest(child.oid, parent.oid)) AS keys
        FROM pg_constraint f
        JOIN pg_class child ON child.oid = f.conrelid
        JOIN pg_class parent ON parent.oid = f.confrelid
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
        JOIN pg_constraint p ON p.conrelid = f.confrelid AND p.contype = 'p' AND p.conkey = f.confkey
        WHERE f.contype = 'f' AND cardinality(f.conkey) = 1 AND f.conparentid = 0
          AND child.relnamespace = 'public'::regnamespace AND parent.relnamespace = 'public'::regnamespace
    ) AS keys WHERE keys = 1 AND child <> parent
))::text
