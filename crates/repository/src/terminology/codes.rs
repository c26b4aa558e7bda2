//! Lookup of a code with its relatives, and of several codes at once.

use crate::prelude::*;
use steadfast_domain::terminology::{
    CHILDREN_SHOWN, CodeWithRelatives, Concept, IcdCode, Relative, Relatives, SIBLINGS_SHOWN,
};
use steadfast_postgres::diesel::sql_types::{BigInt, Text};
use steadfast_schema::views::icd10_codes;

/// Looks up a code with its relatives.
pub const CODE_WITH_RELATIVES: Operation<Read> =
    Operation::read("terminology.place").served_by(&["icd10_codes_pkey", "idx_icd10_parent_code_active"]);

/// Looks up codes.
pub const FIND: Operation<Read> = Operation::read("terminology.find").served_by(&["icd10_codes_pkey"]);

/// Limit of the recursion, deeper than any tree. Ends the recursion if the data contains a cycle.
const DEPTH_MAX: i64 = 10;

/// Selects the code and its ancestors by `step`, the first children, and the first siblings, with the total of each
/// kind. Written by hand: the DSL has no recursive queries, and a single statement reads everything from the same
/// release.
const WITH_RELATIVES: &str = "WITH RECURSIVE line AS ( \
    SELECT 0::bigint AS step, code, term, chapter, parent_code, active, billable FROM icd10_codes WHERE code = $1 \
    UNION ALL \
    SELECT line.step + 1, c.code, c.term, c.chapter, c.parent_code, c.active, c.billable \
    FROM line JOIN icd10_codes c ON c.code = line.parent_code WHERE line.step < $2) \
    SELECT 'line' AS kind, step, 0::bigint AS total, code, term, chapter, parent_code, active, billable FROM line \
    UNION ALL \
    (SELECT 'child', 0, count(*) OVER (), code, term, chapter, parent_code, active, billable FROM icd10_codes \
    WHERE parent_code = $1 AND active ORDER BY code LIMIT $3) \
    UNION ALL \
    (SELECT 'sibling', 0, count(*) OVER (), code, term, chapter, parent_code, active, billable FROM icd10_codes \
    WHERE parent_code = (SELECT own.parent_code FROM line own WHERE own.step = 0) AND code <> $1 AND active \
    ORDER BY code LIMIT $4)";

/// Returns a code with its relatives, or `None` if the code does not exist. Ancestors are found by `icd10_codes_pkey`,
/// children and siblings by `idx_icd10_parent_code_active`.
///
/// # Errors
/// Returns [`Error`] if the database fails.
pub async fn code_with_relatives(store: &Store, code: &IcdCode) -> Result<Option<CodeWithRelatives>, Error> {
    let mut rows: Vec<RelatedRow> = store
        .read(&CODE_WITH_RELATIVES, async |conn| {
            let statement = sql_query(WITH_RELATIVES)
                .bind::<Text, _>(code.as_str())
                .bind::<BigInt, _>(DEPTH_MAX - 1)
                .bind::<BigInt, _>(CHILDREN_SHOWN)
                .bind::<BigInt, _>(SIBLINGS_SHOWN);
            cached(statement).load(conn).await
        })
        .await?;
    // UNION ALL does not guarantee an order.
    rows.sort_unstable_by(|one, other| (one.step, &one.concept.code).cmp(&(other.step, &other.concept.code)));
    let (line, relatives): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.kind == "line");
    let (children, siblings): (Vec<_>, Vec<_>) = relatives.into_iter().partition(|row| row.kind == "child");
    let mut line = line.into_iter().map(|row| row.concept.parse());
    let Some(concept) = line.next().transpose()? else { return Ok(None) };
    let mut parents = line.map(|concept| concept.map(relative)).collect::<Result<Vec<_>, _>>()?;
    parents.reverse();
    let (children, siblings) = (relatives_of(children)?, relatives_of(siblings)?);
    Ok(Some(CodeWithRelatives { concept, parents, children, siblings }))
}

fn relatives_of(rows: Vec<RelatedRow>) -> Result<Relatives, Error> {
    let total = rows.iter().map(|row| row.total).next().unwrap_or(0);
    let shown = rows.into_iter().map(|row| row.concept.parse().map(relative)).collect::<Result<_, _>>()?;
    Ok(Relatives { shown, total })
}

fn relative(concept: Concept) -> Relative {
    Relative { code: concept.code, term: concept.term }
}

/// Returns those of `codes` that exist, in no particular order. Sends one statement, served by `icd10_codes_pkey`.
///
/// # Errors
/// Returns [`Error`] if the database fails.
pub async fn find(store: &Store, codes: &[IcdCode]) -> Result<Vec<Concept>, Error> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let codes: Vec<&str> = codes.iter().map(IcdCode::as_str).collect();
    let found = || icd10_codes::table.filter(icd10_codes::code.eq_any(&codes));
    all(store, &FIND, || found().select(ConceptRow::as_select())).await
}

/// The code or one of its relatives.
#[derive(QueryableByName)]
struct RelatedRow {
    /// `line` for the code and its ancestors, `child` or `sibling`.
    #[diesel(sql_type = Text)]
    kind: String,
    /// Distance from the code, for its ancestors.
    #[diesel(sql_type = BigInt)]
    step: i64,
    /// Number of all children or siblings.
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(embed)]
    concept: ConceptRow,
}

row! {
    /// A code with its properties.
    ConceptRow of icd10_codes for Concept {
        code: String,
        term: String,
        chapter: String,
        parent_code: Option<String>,
        active: bool,
        billable: bool,
    }
}
