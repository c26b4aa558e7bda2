//! The place of a code in its tree: the line of codes above it, and its nearest relatives.

use super::rows;
use crate::{Error, Store};
use steadfast_domain::terminology::{
    CHILDREN_SHOWN, Concept, IcdCode, Placed, Relative, Relatives, SIBLINGS_SHOWN,
};
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Nullable, Text};
use steadfast_postgres::diesel::{self, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, cached};

/// A code with its relatives.
pub const PLACE: Operation<Read> =
    Operation::read("terminology.place").served_by(&["icd10_codes_pkey", "idx_icd10_parent_code_active"]);

/// Levels of the tree, with room to spare: a loop in the data ends here.
const DEPTH_MAX: i64 = 10;

/// The code and those above it by `step`, the first children and the first siblings, each with the number of all of its
/// kind. One statement, so that all of it is of one release.
const SQL: &str = "WITH RECURSIVE line AS ( \
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

/// The code with its relatives, `None` when there is no such code: one statement. The line of parents goes up
/// `icd10_codes_pkey`; children and siblings come from `idx_icd10_parent_code_active`.
///
/// # Errors
/// [`Error`].
pub async fn place(store: &Store, code: &IcdCode) -> Result<Option<Placed>, Error> {
    let mut rows: Vec<PlacedRow> = store
        .read(&PLACE, async |conn| {
            let place = sql_query(SQL)
                .bind::<Text, _>(code.as_str())
                .bind::<BigInt, _>(DEPTH_MAX - 1)
                .bind::<BigInt, _>(CHILDREN_SHOWN)
                .bind::<BigInt, _>(SIBLINGS_SHOWN);
            cached(place).load(conn).await
        })
        .await?;
    // The statement gives one kind after the other, each in its order, but nothing promises that.
    rows.sort_unstable_by(|one, other| (one.step, &one.concept.code).cmp(&(other.step, &other.concept.code)));
    let (line, relatives): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.kind == "line");
    let (children, siblings): (Vec<_>, Vec<_>) = relatives.into_iter().partition(|row| row.kind == "child");
    let mut line = line.into_iter().map(|row| row.concept);
    let Some(concept) = line.next() else { return Ok(None) };
    let mut parents = line.map(ConceptRow::into_relative).collect::<Result<Vec<_>, _>>()?;
    parents.reverse();
    let (children, siblings) = (relatives_of(children)?, relatives_of(siblings)?);
    Ok(Some(Placed { concept: concept.parse()?, parents, children, siblings }))
}

fn relatives_of(rows: Vec<PlacedRow>) -> Result<Relatives, Error> {
    let total = rows.iter().map(|row| row.total).next().unwrap_or(0);
    let shown = rows.into_iter().map(|row| row.concept.into_relative()).collect::<Result<_, _>>()?;
    Ok(Relatives { shown, total })
}

/// The code itself, or one of those around it.
#[derive(Debug, QueryableByName)]
struct PlacedRow {
    /// `line`, `child` or `sibling`.
    #[diesel(sql_type = Text)]
    kind: String,
    /// In the line, how far above the code.
    #[diesel(sql_type = BigInt)]
    step: i64,
    /// All of its kind, of children and siblings.
    #[diesel(sql_type = BigInt)]
    total: i64,
    #[diesel(embed)]
    concept: ConceptRow,
}

/// One code, whole.
#[derive(Debug, QueryableByName)]
pub(super) struct ConceptRow {
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    term: String,
    #[diesel(sql_type = Text)]
    chapter: String,
    #[diesel(sql_type = Nullable<Text>)]
    parent_code: Option<String>,
    #[diesel(sql_type = Bool)]
    active: bool,
    #[diesel(sql_type = Bool)]
    billable: bool,
}

impl ConceptRow {
    /// The code in the domain's terms.
    pub(super) fn parse(self) -> Result<Concept, Error> {
        Ok(Concept {
            code: rows::code(&self.code)?,
            term: self.term,
            chapter: self.chapter,
            parent_code: self.parent_code.as_deref().map(rows::code).transpose()?,
            active: self.active,
            billable: self.billable,
        })
    }

    fn into_relative(self) -> Result<Relative, Error> {
        Ok(Relative { code: rows::code(&self.code)?, term: self.term })
    }
}
