//! The statements on ICD-10-CM codes, in the forms that an index can serve.

use steadfast_domain::terminology::{CHILDREN_SHOWN, IcdCode, ImportRow, Leg, Query, SIBLINGS_SHOWN};
use steadfast_postgres::diesel::pg::Pg;
use steadfast_postgres::diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use steadfast_postgres::{Cached, cached};

/// A statement with its values, ready to run.
type Statement<'a> = Cached<BoxedSqlQuery<'a, Pg, SqlQuery>>;

/// Levels of the tree, with room to spare: a loop in the data ends here.
const DEPTH_MAX: i64 = 10;

/// Codes in use that begin with `prefix`: a range, because a pattern would need a plan of its own for each value. The
/// range ends before `~`, which no code contains and every letter precedes.
pub(super) fn by_code_prefix(prefix: &IcdCode) -> Statement<'_> {
    let sql = "SELECT code, term, chapter FROM icd10_codes \
        WHERE code >= $1 AND code < $1 || '~' AND active ORDER BY code LIMIT $2";
    cached(sql_query(sql).into_boxed().bind::<Text, _>(prefix.as_str()).bind::<BigInt, _>(Leg::Code.limit()))
}

/// Terms in use that contain the query, the short ones first: they say the least besides it.
pub(super) fn by_term(query: &Query) -> Statement<'_> {
    let sql = "SELECT code, term, chapter FROM icd10_codes \
        WHERE term ILIKE $1 AND active ORDER BY length(term), code LIMIT $2";
    let pattern = format!("%{}%", literal(query.text()));
    cached(sql_query(sql).into_boxed().bind::<Text, _>(pattern).bind::<BigInt, _>(Leg::Term.limit()))
}

/// Terms in use that are similar to the query, by more than pg_trgm's threshold of 0.3, the most similar first.
/// `similarity() > 0.3` would say the same and read the whole table.
pub(super) fn by_similarity(query: &Query) -> Statement<'_> {
    let sql = "SELECT code, term, chapter FROM icd10_codes \
        WHERE term % $1 AND active ORDER BY similarity(term, $1) DESC, code LIMIT $2";
    cached(
        sql_query(sql).into_boxed().bind::<Text, _>(query.text()).bind::<BigInt, _>(Leg::Similarity.limit()),
    )
}

/// The text as a pattern that means just itself.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The code and those above it, itself first.
pub(super) fn line_of_parents(code: &IcdCode) -> Statement<'_> {
    let sql = "WITH RECURSIVE line AS ( \
        SELECT 1 AS step, c.* FROM icd10_codes c WHERE c.code = $1 \
        UNION ALL \
        SELECT line.step + 1, c.* FROM line JOIN icd10_codes c ON c.code = line.parent_code WHERE line.step < $2) \
        SELECT code, term, chapter, parent_code, active, billable FROM line ORDER BY step";
    cached(sql_query(sql).into_boxed().bind::<Text, _>(code.as_str()).bind::<BigInt, _>(DEPTH_MAX))
}

/// The first codes right below `code`, each with the number of all.
pub(super) fn children(code: &IcdCode) -> Statement<'_> {
    let sql = "SELECT code, term, count(*) OVER () AS total FROM icd10_codes \
        WHERE parent_code = $1 AND active ORDER BY code LIMIT $2";
    cached(sql_query(sql).into_boxed().bind::<Text, _>(code.as_str()).bind::<BigInt, _>(CHILDREN_SHOWN))
}

/// The first other codes below the parent of `code`, each with the number of all.
pub(super) fn siblings(code: &IcdCode) -> Statement<'_> {
    let sql = "SELECT code, term, count(*) OVER () AS total FROM icd10_codes \
        WHERE parent_code = (SELECT parent_code FROM icd10_codes WHERE code = $1) AND code <> $1 AND active \
        ORDER BY code LIMIT $2";
    cached(sql_query(sql).into_boxed().bind::<Text, _>(code.as_str()).bind::<BigInt, _>(SIBLINGS_SHOWN))
}

/// Stores `rows`, which are in code order and name each code once. Rows that are stored just so are left alone, so a
/// repeated import writes nothing.
pub(super) fn import<'a>(rows: &[&'a ImportRow]) -> Statement<'a> {
    let sql = "INSERT INTO icd10_codes AS stored (code, term, category, parent_code, block, chapter, billable) \
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) \
        ON CONFLICT (code) DO UPDATE SET (term, category, parent_code, block, chapter, billable, active) = \
        (excluded.term, excluded.category, excluded.parent_code, excluded.block, excluded.chapter, \
        excluded.billable, true) \
        WHERE (stored.term, stored.category, stored.parent_code, stored.block, stored.chapter, stored.billable, \
        stored.active) IS DISTINCT FROM (excluded.term, excluded.category, excluded.parent_code, excluded.block, \
        excluded.chapter, excluded.billable, true)";
    let query = sql_query(sql)
        .into_boxed()
        .bind::<Array<Text>, _>(each(rows, |row| row.code.as_str()))
        .bind::<Array<Text>, _>(each(rows, |row| &*row.term))
        .bind::<Array<Text>, _>(each(rows, |row| row.category.as_str()))
        .bind::<Array<Nullable<Text>>, _>(each(rows, |row| row.parent_code.as_ref().map(IcdCode::as_str)))
        .bind::<Array<Text>, _>(each(rows, |row| &*row.block))
        .bind::<Array<Text>, _>(each(rows, |row| &*row.chapter))
        .bind::<Array<Bool>, _>(each(rows, |row| row.billable));
    cached(query)
}

fn each<'a, T>(rows: &[&'a ImportRow], of: impl Fn(&'a ImportRow) -> T) -> Vec<T> {
    rows.iter().map(|row| of(row)).collect()
}

/// Takes out of use what is not among `codes`.
pub(super) fn retire_others<'a>(codes: &'a [&'a str]) -> Statement<'a> {
    let sql = "UPDATE icd10_codes SET active = false \
        WHERE active AND NOT EXISTS (SELECT FROM unnest($1) AS kept(code) WHERE kept.code = icd10_codes.code)";
    cached(sql_query(sql).into_boxed().bind::<Array<Text>, _>(codes))
}
