//! A database with a schema of the test.

use steadfast_testkit::TestDatabase;
use tokio_postgres::{Client, NoTls};

/// A schema with every kind of index and no fault.
pub(crate) const FOREST: &str = r#"
    CREATE EXTENSION pg_trgm;
    CREATE TYPE kind AS ENUM ('broadleaf', 'conifer');
    CREATE TABLE forests (
        id bigint GENERATED ALWAYS AS IDENTITY, region int NOT NULL, name text NOT NULL,
        CONSTRAINT forests_pkey PRIMARY KEY (region, id));
    CREATE TABLE "Trees" (
        id uuid PRIMARY KEY, region int NOT NULL, forest bigint NOT NULL, kind kind NOT NULL,
        species varchar(80) NOT NULL, code char(4) NOT NULL, "a Height" real NOT NULL, girth numeric NOT NULL,
        is_felled bool NOT NULL DEFAULT false, felled_at timestamptz, planted date NOT NULL, tags text[] NOT NULL,
        span int4range NOT NULL, spot point NOT NULL, notes jsonb NOT NULL, stamp bytea NOT NULL,
        CONSTRAINT trees_forest_fkey FOREIGN KEY (region, forest) REFERENCES forests (region, id) ON DELETE CASCADE,
        CONSTRAINT trees_stamp_key UNIQUE NULLS NOT DISTINCT (stamp, kind) INCLUDE (species) DEFERRABLE,
        CONSTRAINT trees_span_excl EXCLUDE USING gist (span WITH &&));
    CREATE INDEX trees_forest ON "Trees" (region, forest);
    CREATE INDEX trees_tall ON "Trees" (species, "a Height" DESC NULLS LAST, planted NULLS FIRST) INCLUDE (girth)
        WITH (fillfactor = 70) WHERE NOT is_felled;
    CREATE INDEX trees_felled ON "Trees" (felled_at DESC, kind) WHERE felled_at IS NOT NULL;
    CREATE UNIQUE INDEX trees_code ON "Trees" (code COLLATE "C" bpchar_pattern_ops, kind) WHERE is_felled;
    CREATE INDEX trees_lower ON "Trees" (lower(species) text_pattern_ops, planted);
    CREATE INDEX trees_prefix ON "Trees" (species varchar_pattern_ops, id);
    CREATE INDEX trees_flag ON "Trees" (kind, is_felled, felled_at);
    CREATE INDEX trees_girth ON "Trees" USING hash (girth);
    CREATE INDEX trees_words ON "Trees" USING gin (species gin_trgm_ops, tags);
    CREATE INDEX trees_near ON "Trees" USING gist (species gist_trgm_ops (siglen = 32), spot);
    CREATE INDEX trees_spot ON "Trees" USING spgist (spot);
    CREATE INDEX trees_notes ON "Trees" USING gin (notes jsonb_path_ops);
    CREATE INDEX trees_planted ON "Trees" USING brin (planted, region);
    CREATE TABLE visits (
        id bigint GENERATED ALWAYS AS IDENTITY, tree uuid NOT NULL REFERENCES "Trees" ON DELETE CASCADE,
        at timestamptz NOT NULL, remark text,
        CONSTRAINT visits_pkey PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
    CREATE TABLE visits_new PARTITION OF visits DEFAULT;
    CREATE INDEX visits_tree ON visits (tree, at DESC);
    CREATE INDEX visits_remark ON visits (md5(remark)) WHERE remark IS NOT NULL;
    CREATE MATERIALIZED VIEW busiest AS SELECT tree, count(*) AS visits FROM visits GROUP BY tree;
    CREATE UNIQUE INDEX busiest_tree ON busiest (tree);
    INSERT INTO forests (region, name) SELECT n % 3, 'forest ' || n FROM generate_series(1, 9) AS n;
    INSERT INTO "Trees" SELECT gen_random_uuid(), region, id, 'conifer', 'fir', lpad(id::text, 4), id, id, id = 1,
        CASE WHEN id = 1 THEN now() END, '2020-01-01', '{old}', int4range(id::int, id::int + 1), point(id, id), '{}',
        sha256(id::text::bytea) FROM forests;
    INSERT INTO visits (tree, at) SELECT id, '2019-06-01'::date + n FROM "Trees", generate_series(1, 500) AS n;
    ANALYZE;
"#;

/// Creates a database with `schema`, and connects to it.
pub(crate) async fn grown(schema: &str) -> (TestDatabase, Client) {
    let database = TestDatabase::empty().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(schema).await.unwrap();
    (database, client)
}
