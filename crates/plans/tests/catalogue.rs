//! Tests of the catalogue on a real server: each planted fault is found, and unclaimed indexes are.
#![expect(clippy::unwrap_used, reason = "a test whose set-up fails has failed")]

#[path = "support/forest.rs"]
mod forest;
#[path = "support/suspect.rs"]
mod suspect;

use forest::{FOREST, grown};
use std::collections::BTreeSet;
use steadfast_plans::{Catalogue, Claims, Documented, Finding, Rule, unclaimed};
use steadfast_testkit::TestDatabase;
use suspect::assert_suspects_statement;
use tokio_postgres::Client;

/// A schema with one fault, its subject, and a part of the finding.
type Planted = (&'static str, &'static str, &'static str);

/// Faults, each in a schema that starts from `BASE`, which has none.
const FAULTS: &[Planted] = &[
    ("CREATE INDEX b ON trees (height); CREATE INDEX a ON trees (height)", "b", "the same as a"),
    ("CREATE INDEX a ON trees (id)", "a", "the same as trees_pkey"),
    ("CREATE INDEX a ON trees (height); CREATE INDEX b ON trees (height, girth)", "a", "a prefix of b"),
    ("CREATE INDEX a ON trees (height DESC); CREATE INDEX b ON trees (height, id)", "a", "a prefix of b"),
    ("ALTER TABLE trees ADD tags text[] NOT NULL; CREATE INDEX a ON trees (tags)", "a", "whole arrays"),
    (
        "INSERT INTO trees (height) SELECT 1 FROM generate_series(1, 9); CREATE INDEX a ON trees (felled)",
        "a",
        "100 %",
    ),
    ("CREATE INDEX a ON trees (girth) WHERE girth > 1 AND height IS NOT NULL", "a", "height is NOT NULL"),
    ("ALTER TABLE trees ADD forest bigint REFERENCES forests", "trees.trees_forest_fkey", "(forest)"),
    (
        "ALTER TABLE trees ADD forest int REFERENCES forests; CREATE INDEX ON trees (forest)",
        "trees.trees_forest_fkey",
        "forest is integer, id is bigint",
    ),
    (
        "ALTER TABLE trees ADD forest bigint REFERENCES forests; CREATE INDEX ON trees (forest);
         ALTER TABLE trees ADD CONSTRAINT again FOREIGN KEY (forest) REFERENCES forests",
        "trees.trees_forest_fkey",
        "the same as again",
    ),
    (
        "ALTER TABLE forests ADD UNIQUE (id, name); ALTER TABLE trees ADD forest bigint, ADD place text;
         ALTER TABLE trees ADD CONSTRAINT partly FOREIGN KEY (forest, place) REFERENCES forests (id, name);
         CREATE INDEX ON trees (place, forest)",
        "trees.partly",
        "forest, place may be null",
    ),
    ("CREATE TABLE logs (line text NOT NULL)", "logs", "rows can be duplicates"),
    ("ALTER TABLE trees ADD CONSTRAINT tall CHECK (height > 1) NOT VALID", "trees.tall", "NOT VALID"),
    (
        "CREATE TABLE n (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY); SELECT setval('n_id_seq', 2000000000)",
        "n_id_seq",
        "2000000000 of 2147483647, 93 %",
    ),
    (
        "CREATE SEQUENCE s; ALTER TABLE trees ADD n int NOT NULL; ALTER SEQUENCE s OWNED BY trees.n",
        "s",
        "n is integer",
    ),
    ("ALTER TABLE trees ADD at timestamp(3)", "trees.at", "timestamp(3) without time zone"),
    ("ALTER TABLE trees ADD \"Unit-Price\" float8", "trees.\"Unit-Price\"", "cannot hold 0.10"),
    ("ALTER TABLE trees ADD worth money", "trees.worth", "locale"),
    ("ALTER TABLE trees ADD notes json", "trees.notes", "parsed at each use"),
    ("ALTER TABLE trees ADD n bigserial", "trees.n", "serial"),
    (
        "ALTER TABLE trees RENAME girth TO a_name_that_is_as_long_as_a_name_may_be_and_so_was_probably_cut",
        "a_name_that_is_as_long_as_a_name_may_be_and_so_was_probably_cut",
        "63 bytes",
    ),
];

/// Remarks.
const REMARKS: &[Planted] = &[
    ("CREATE INDEX a ON trees (felled, girth) WHERE felled IS NOT NULL", "a", "felled comes before"),
    ("ALTER TABLE trees ADD is_tall bool; CREATE INDEX a ON trees (is_tall, girth)", "a", "is_tall leads"),
    (
        "ALTER TABLE forests ADD UNIQUE (id, name); ALTER TABLE trees ADD forest bigint NOT NULL, ADD place text NOT NULL;
         ALTER TABLE trees ADD CONSTRAINT f FOREIGN KEY (forest) REFERENCES forests,
             ADD CONSTRAINT g FOREIGN KEY (forest, place) REFERENCES forests (id, name)",
        "trees.g",
        "forest is part of f too",
    ),
    ("ALTER TABLE trees ADD parent bigint REFERENCES trees", "trees.trees_parent_fkey", "no ON DELETE"),
    ("CREATE TABLE moods (id int PRIMARY KEY, mood text)", "moods", "all others are nullable"),
    ("CREATE TABLE bare (id int PRIMARY KEY)", "bare", "none"),
    ("ALTER TABLE trees ADD bare int", "trees.bare", "none"),
    ("CREATE TABLE moods (id serial PRIMARY KEY)", "moods.id", "serial"),
    ("ALTER TABLE trees ADD code varchar(9)", "trees.code", "character varying(9)"),
    ("ALTER TABLE trees ADD code char(9)", "trees.code", "character(9)"),
    ("ALTER TABLE forests ADD height text", "height", "integer in trees, text in forests"),
];

const BASE: &str = "
    CREATE TABLE forests (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
    CREATE TABLE trees (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, height int NOT NULL, girth int, felled timestamptz);
    COMMENT ON TABLE forests IS '.'; COMMENT ON COLUMN forests.id IS '.'; COMMENT ON COLUMN forests.name IS '.';
    COMMENT ON TABLE trees IS '.'; COMMENT ON COLUMN trees.id IS '.'; COMMENT ON COLUMN trees.height IS '.';
    COMMENT ON COLUMN trees.girth IS '.'; COMMENT ON COLUMN trees.felled IS '.';
";

/// Returns the catalogue of the schema with `change`, which is rolled back.
async fn changed(client: &Client, change: &str) -> Catalogue {
    client.batch_execute(&format!("BEGIN; {change}; ANALYZE")).await.unwrap();
    let catalogue = Catalogue::load(client).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    catalogue
}

fn is_about(finding: &Finding, subject: &str, text: &str) -> bool {
    finding.subject == subject && finding.found.contains(text)
}

#[tokio::test]
async fn finds_each_planted_fault_and_nothing_else() {
    let (_database, client) = grown(BASE).await;
    for (fault, subject, text) in FAULTS {
        let findings = changed(&client, fault).await.check().findings;
        assert!(findings.iter().any(|finding| is_about(finding, subject, text)), "{fault}: {findings:#?}");
        assert_eq!(findings.len(), 1, "{fault}: {findings:#?}");
    }
}

#[tokio::test]
async fn planted_remarks_are_notes() {
    let (_database, client) = grown(BASE).await;
    assert_eq!(Catalogue::load(&client).await.unwrap().check(), Default::default());
    for (remark, subject, text) in REMARKS {
        let checked = changed(&client, remark).await.check();
        assert!(
            checked.notes.iter().any(|note| is_about(note, subject, text)),
            "{remark}: {:#?}",
            checked.notes
        );
        assert!(!checked.findings.iter().any(|finding| is_about(finding, subject, text)), "{remark}");
    }
}

// A failed CREATE INDEX CONCURRENTLY leaves an invalid index.
#[tokio::test]
async fn finds_invalid_indexes() {
    let (_database, client) = grown(BASE).await;
    client.batch_execute("INSERT INTO trees (height) VALUES (1), (1)").await.unwrap();
    let build = "CREATE UNIQUE INDEX CONCURRENTLY a ON trees (height)";
    assert!(client.batch_execute(build).await.is_err());
    let findings = Catalogue::load(&client).await.unwrap().check().findings;
    assert!(matches!(&findings[..], [one] if is_about(one, "a", "never read")), "{findings:#?}");
    assert_eq!(findings[0].suggestion, "REINDEX INDEX CONCURRENTLY a;");
}

#[tokio::test]
async fn accepts_every_kind_of_index() {
    let (_database, client) = grown(FOREST).await;
    let catalogue = Catalogue::load(&client).await.unwrap();
    assert_eq!(catalogue.check().findings, []);
    assert!(catalogue.tables.iter().all(|table| !table.name.contains("pg_")));
}

#[tokio::test]
async fn suggested_sql_is_valid() {
    let (_database, client) = grown(BASE).await;
    let mut applied = 0;
    for (fault, ..) in FAULTS {
        client.batch_execute(&format!("BEGIN; {fault}; ANALYZE")).await.unwrap();
        let findings = Catalogue::load(&client).await.unwrap().check().findings;
        assert_suspects_statement(&findings[0].suggestion);
        // The SQL follows the last colon.
        let suggestion = findings[0].suggestion.rsplit(": ").next().unwrap();
        if suggestion.ends_with(';') && !suggestion.contains('…') {
            client.batch_execute(&format!("{suggestion} ANALYZE")).await.unwrap();
            let left = Catalogue::load(&client).await.unwrap().check().findings;
            assert_eq!(left, [], "{fault}: {suggestion}");
            applied += 1;
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    }
    assert!(applied >= 12, "{applied}");
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[tokio::test]
async fn finds_unclaimed_indexes() {
    let schema = "CREATE TABLE trees (id int PRIMARY KEY, height int, girth int, planted int, felled int);
        CREATE INDEX by_height ON trees (height); CREATE INDEX by_girth ON trees (girth);
        CREATE INDEX by_planted ON trees (planted); CREATE INDEX by_felled ON trees (felled)";
    let (_database, client) = grown(schema).await;
    let catalogue = Catalogue::load(&client).await.unwrap();
    let documented =
        [Documented { index: "by_planted", by: "page 3" }, Documented { index: "gone", by: "page 4" }];
    let (used, supporting) = (names(&["by_height"]), names(&["by_girth"]));
    let findings =
        unclaimed(&catalogue, Claims { used: &used, supporting: &supporting, documented: &documented });
    findings.iter().for_each(|finding| assert_suspects_statement(&finding.suggestion));
    let seen: Vec<_> = findings.iter().map(|finding| (finding.subject.as_str(), finding.rule)).collect();
    assert_eq!(seen, [("by_felled", Rule::Unneeded), ("gone", Rule::Catalogue)]);
}

#[tokio::test]
async fn indexes_of_partitions_claim_those_of_their_table() {
    let (_database, client) = grown(FOREST).await;
    let catalogue = Catalogue::load(&client).await.unwrap();
    let parts = catalogue.partition_indexes();
    assert_eq!(parts["visits_old_tree_at_idx"], "visits_tree");
    assert_eq!(parts["visits_new_pkey"], "visits_pkey");
    assert!(catalogue.index("visits_tree").unwrap().bytes > 0, "the sum of the parts");
    let is_idle = |used: &[&str]| {
        let (used, none) = (names(used), BTreeSet::new());
        let findings = unclaimed(&catalogue, Claims { used: &used, supporting: &none, documented: &[] });
        findings.iter().any(|finding| finding.subject == "visits_tree")
    };
    assert!(is_idle(&[]));
    assert!(!is_idle(&["visits_old_tree_at_idx"]));
}

#[tokio::test]
async fn ignored_tables_are_left_out() {
    let (_database, client): (TestDatabase, _) = grown(BASE).await;
    client.batch_execute("CREATE TABLE ran (version text, at timestamp)").await.unwrap();
    let catalogue = Catalogue::load(&client).await.unwrap();
    assert_eq!(catalogue.check().findings.len(), 2);
    assert_eq!(catalogue.without(&["ran"]).check().findings, []);
}
