//! The two slots that contain releases: filling the unused one, and putting it in use.
//!
//! The statements are written by hand, because the DSL cannot choose a schema at run time or define indexes and views.

use super::prepared::{Prepared, Word};
use crate::terminology::document::Document;
use futures_util::future::try_join_all;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_postgres::diesel::sql_types::{Array, Bool, Integer, Nullable, SmallInt, Text};
use steadfast_postgres::diesel::{QueryResult, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Conn, cached};

/// Number of rows that a statement stores.
const BATCH: usize = 5_000;

/// Number of pipelined statements: the server stores the rows of one while the next is transferred.
const SENT_AT_ONCE: usize = 4;

/// Empties a slot and drops its indexes. Recreating them afterwards takes a third of the time of maintaining them.
const EMPTY: [&str; 8] = [
    "TRUNCATE SLOT.codes, SLOT.words, SLOT.chapters",
    "ALTER TABLE SLOT.codes DROP CONSTRAINT icd10_codes_pkey",
    "ALTER TABLE SLOT.words DROP CONSTRAINT icd10_words_pkey",
    "ALTER TABLE SLOT.chapters DROP CONSTRAINT icd10_chapters_pkey",
    "DROP INDEX SLOT.idx_icd10_code_prefix_active",
    "DROP INDEX SLOT.idx_icd10_parent_code_active",
    "DROP INDEX SLOT.idx_icd10_term_fulltext",
    "DROP INDEX SLOT.idx_icd10_words_forms",
];

/// Creates the indexes, as in the migration, and the statistics.
const INDEX: [&str; 9] = [
    "ALTER TABLE SLOT.codes ADD CONSTRAINT icd10_codes_pkey PRIMARY KEY (code)",
    "ALTER TABLE SLOT.words ADD CONSTRAINT icd10_words_pkey PRIMARY KEY (word)",
    "ALTER TABLE SLOT.chapters ADD CONSTRAINT icd10_chapters_pkey PRIMARY KEY (chapter)",
    "CREATE INDEX idx_icd10_code_prefix_active ON SLOT.codes \
     ((4 * length(code) + 2 * (NOT active)::int + (NOT billable)::int), code)",
    "CREATE INDEX idx_icd10_parent_code_active ON SLOT.codes (parent_code, code) \
     WHERE parent_code IS NOT NULL AND active",
    "CREATE INDEX idx_icd10_term_fulltext ON SLOT.codes USING gin (document)",
    "CREATE INDEX idx_icd10_words_forms ON SLOT.words USING gin (forms)",
    "ANALYZE SLOT.codes",
    "ANALYZE SLOT.words",
];

/// Definitions of the views, in the order in which every switch locks them.
const VIEWS: [&str; 3] = [
    "CREATE OR REPLACE VIEW icd10_chapters AS \
     SELECT chapter, number, total_codes, active_codes, billable_codes, first_code, last_code FROM SLOT.chapters",
    "CREATE OR REPLACE VIEW icd10_codes AS \
     SELECT code, term, category, parent_code, block, chapter, billable, active, weight, document, \
     RELEASE::bigint AS release FROM SLOT.codes",
    "CREATE OR REPLACE VIEW icd10_words AS SELECT word, documents, forms FROM SLOT.words",
];

/// Computes the chapters. The number of a chapter such as `19 Injury` is 19, or 0 if it has none.
const CHAPTERS: &str = "INSERT INTO SLOT.chapters \
    SELECT chapter, coalesce(substring(chapter FROM '^(\\d{1,4}) '), '0')::smallint, count(*), \
    count(*) FILTER (WHERE active), count(*) FILTER (WHERE active AND billable), min(code), max(code) \
    FROM SLOT.codes GROUP BY chapter";

/// One of the two schemas that contain a release each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Blue,
    Green,
}

impl Slot {
    /// Returns the slot with a schema name from the table of releases, which allows only the two names.
    pub(super) fn named(schema: &str) -> Self {
        if schema == Self::Green.schema() { Self::Green } else { Self::Blue }
    }

    /// Returns the name of the schema.
    pub(super) fn schema(self) -> &'static str {
        match self {
            Self::Blue => "icd10_blue",
            Self::Green => "icd10_green",
        }
    }

    /// Returns the other slot.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }

    /// Replaces the contents of the slot by `prepared` and the codes of the release in use that it lacks. Returns the
    /// number of these codes. The slot must not be in use.
    pub(super) async fn fill(
        self,
        conn: &mut Conn,
        prepared: &Prepared<'_>,
        progress: &(impl Fn(usize) + Send + Sync),
    ) -> QueryResult<usize> {
        self.define(conn, &EMPTY).await?;
        let mut stored = 0;
        for batches in prepared.rows.chunks(BATCH * SENT_AT_ONCE) {
            let conn = &*conn;
            try_join_all(batches.chunks(BATCH).map(|batch| self.insert_codes(conn, batch))).await?;
            stored += batches.len();
            progress(stored);
        }
        for batch in prepared.words.chunks(BATCH) {
            self.insert_words(conn, batch).await?;
        }
        let carried_over = self.carry_over(conn).await?;
        sql_query(self.sql(CHAPTERS)).execute(conn).await?;
        self.define(conn, &INDEX).await?;
        Ok(carried_over)
    }

    /// Redefines the views to read this slot, which contains `release`. Readers wait for the commit from here on, so
    /// this is the last step of an import.
    pub(super) async fn put_in_use(self, conn: &mut Conn, release: i64) -> QueryResult<()> {
        for view in VIEWS {
            let view = self.sql(view).replace("RELEASE", &release.to_string());
            sql_query(view).execute(conn).await?;
        }
        Ok(())
    }

    async fn define(self, conn: &mut Conn, definitions: &[&str]) -> QueryResult<()> {
        for definition in definitions {
            sql_query(self.sql(definition)).execute(conn).await?;
        }
        Ok(())
    }

    async fn insert_codes(self, mut conn: &Conn, batch: &[(&ImportRow, Document)]) -> QueryResult<usize> {
        let sql = "INSERT INTO SLOT.codes \
            SELECT code, term, category, parent_code, block, chapter, billable, true, weight, \
            array_to_tsvector(string_to_array(lexemes, ' ')) \
            FROM (SELECT unnest($1) AS code, unnest($2) AS term, unnest($3) AS category, \
            unnest($4) AS parent_code, unnest($5) AS block, unnest($6) AS chapter, unnest($7) AS billable, \
            unnest($8) AS weight, unnest($9) AS lexemes) AS row";
        let query = sql_query(self.sql(sql))
            .into_boxed()
            .bind::<Array<Text>, _>(each(batch, |(row, _)| row.code.as_str()))
            .bind::<Array<Text>, _>(each(batch, |(row, _)| &*row.term))
            .bind::<Array<Text>, _>(each(batch, |(row, _)| row.category.as_str()))
            .bind::<Array<Nullable<Text>>, _>(each(batch, |(row, _)| {
                row.parent_code.as_ref().map(IcdCode::as_str)
            }))
            .bind::<Array<Text>, _>(each(batch, |(row, _)| &*row.block))
            .bind::<Array<Text>, _>(each(batch, |(row, _)| &*row.chapter))
            .bind::<Array<Bool>, _>(each(batch, |(row, _)| row.billable))
            .bind::<Array<SmallInt>, _>(each(batch, |(_, document)| document.weight))
            .bind::<Array<Text>, _>(each(batch, |(_, document)| &*document.lexemes));
        cached(query).execute(&mut conn).await
    }

    async fn insert_words(self, conn: &mut Conn, batch: &[Word]) -> QueryResult<usize> {
        let sql = "INSERT INTO SLOT.words SELECT word, documents, string_to_array(forms, ' ') \
            FROM unnest($1, $2, $3) AS row (word, documents, forms)";
        let query = sql_query(self.sql(sql))
            .into_boxed()
            .bind::<Array<Text>, _>(each(batch, |word| &*word.word))
            .bind::<Array<Integer>, _>(each(batch, |word| word.documents))
            .bind::<Array<Text>, _>(each(batch, |word| &*word.forms));
        cached(query).execute(conn).await
    }

    async fn carry_over(self, conn: &mut Conn) -> QueryResult<usize> {
        let sql = "INSERT INTO SLOT.codes \
            SELECT code, term, category, parent_code, block, chapter, billable, false, weight, document \
            FROM icd10_codes AS former \
            WHERE NOT EXISTS (SELECT FROM SLOT.codes AS own WHERE own.code = former.code)";
        sql_query(self.sql(sql)).execute(conn).await
    }

    fn sql(self, text: &str) -> String {
        text.replace("SLOT", self.schema())
    }
}

fn each<'a, R, T>(rows: &'a [R], of: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(of).collect()
}
