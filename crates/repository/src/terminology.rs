//! ICD-10-CM codes: the legs of a search, the place of a code in its tree, and the import of a release.

mod queries;
mod rows;

use crate::{Error, Store};
use futures_util::future::try_join3;
use rows::{ConceptRow, MatchRow, RelativeRow};
use steadfast_domain::terminology::{
    IcdCode, ImportRow, Leg, Match, MatchType, Placed, Query, Relatives, confidence,
};
use steadfast_postgres::Operation;
use steadfast_postgres::diesel_async::RunQueryDsl;

/// Codes that begin with a text.
pub const SEARCH_CODE: Operation =
    Operation::read("terminology.search_code").served_by(&["icd10_codes_pkey"]);

/// Terms that contain a text.
pub const SEARCH_TERM: Operation =
    Operation::read("terminology.search_term").served_by(&["idx_icd10_term_trigram"]);

/// Terms that look like a text.
pub const SEARCH_SIMILARITY: Operation =
    Operation::read("terminology.search_similarity").served_by(&["idx_icd10_term_trigram"]);

/// A code with its relatives.
pub const PLACE: Operation = Operation::read("terminology.place")
    .statements(3)
    .served_by(&["icd10_codes_pkey", "idx_icd10_parent_code_active"]);

/// Stores a batch of a release.
pub const IMPORT: Operation = Operation::write("terminology.import").served_by(&["icd10_codes_pkey"]);

/// Takes out of use what a release has no longer.
pub const RETIRE: Operation = Operation::write("terminology.retire").served_by(&[]);

/// Rows that one call of [`import`] may have.
pub const IMPORT_BATCH_MAX: usize = 5_000;

/// The finds of one leg of a search, best first, at most the leg's limit; `None` when the query gives the leg nothing to
/// look for: words are no code, and terms are not looked up by less than three letters. Codes are found by a range of
/// `icd10_codes_pkey`, terms by `idx_icd10_term_trigram`.
///
/// # Errors
/// [`Error`].
pub async fn search(store: &Store, leg: Leg, query: &Query) -> Result<Option<Vec<Match>>, Error> {
    let rows: Vec<MatchRow> = match leg {
        Leg::Code => {
            let Some(prefix) = query.as_code() else { return Ok(None) };
            store.read(&SEARCH_CODE, async |conn| queries::by_code_prefix(&prefix).load(conn).await).await?
        }
        // The index knows terms by groups of three letters; with less it would be read whole, and the table after it.
        Leg::Term if !query.has_three_letters() => return Ok(None),
        Leg::Term => store.read(&SEARCH_TERM, async |conn| queries::by_term(query).load(conn).await).await?,
        Leg::Similarity => {
            store
                .read(&SEARCH_SIMILARITY, async |conn| queries::by_similarity(query).load(conn).await)
                .await?
        }
    };
    rows.into_iter().map(|row| found(leg, query, row)).collect::<Result<_, _>>().map(Some)
}

fn found(leg: Leg, query: &Query, row: MatchRow) -> Result<Match, Error> {
    let match_type = match leg {
        Leg::Code => MatchType::ExactCode,
        Leg::Term => MatchType::TermPrefix,
        Leg::Similarity => MatchType::Fuzzy,
    };
    let confidence = confidence(leg, query, &row.term);
    Ok(Match { code: rows::code(&row.code)?, term: row.term, chapter: row.chapter, match_type, confidence })
}

/// The code with its relatives, `None` when there is no such code: three statements in one round trip. The line of
/// parents goes up `icd10_codes_pkey`; children and siblings come from `idx_icd10_parent_code_active`.
///
/// # Errors
/// [`Error`].
pub async fn place(store: &Store, code: &IcdCode) -> Result<Option<Placed>, Error> {
    let (line, children, siblings): (Vec<ConceptRow>, Vec<RelativeRow>, Vec<RelativeRow>) = store
        .read(&PLACE, async |conn| {
            let (mut first, mut second, mut third) = (&*conn, &*conn, &*conn);
            let line = queries::line_of_parents(code);
            let (children, siblings) = (queries::children(code), queries::siblings(code));
            try_join3(line.load(&mut first), children.load(&mut second), siblings.load(&mut third)).await
        })
        .await?;
    let mut line = line.into_iter();
    let Some(concept) = line.next() else { return Ok(None) };
    let mut parents = line.map(ConceptRow::into_relative).collect::<Result<Vec<_>, _>>()?;
    parents.reverse();
    let (children, siblings) = (relatives(children)?, relatives(siblings)?);
    Ok(Some(Placed { concept: concept.parse()?, parents, children, siblings }))
}

fn relatives(rows: Vec<RelativeRow>) -> Result<Relatives, Error> {
    let total = rows.iter().map(|row| row.total).next().unwrap_or(0);
    let shown = rows.into_iter().map(RelativeRow::parse).collect::<Result<_, _>>()?;
    Ok(Relatives { shown, total })
}

/// Stores `rows`, at most [`IMPORT_BATCH_MAX`], each code once; gives how many were new or changed. Repeating changes
/// nothing. Conflicts are found by `icd10_codes_pkey`.
///
/// # Errors
/// [`Error`]; then none of `rows` was stored, except that after [`Error::OutcomeUnknown`] nobody knows.
pub async fn import(store: &Store, rows: &[ImportRow]) -> Result<usize, Error> {
    let mut sorted: Vec<&ImportRow> = rows.iter().collect();
    sorted.sort_by(|one, other| one.code.cmp(&other.code));
    store.write(&IMPORT, async |conn| queries::import(&sorted).execute(conn).await).await
}

/// Takes out of use every code that is not among `codes`; gives how many. They stay, so that what refers to them still
/// has a term. Reads the whole table: it runs once at the end of an import.
///
/// # Errors
/// [`Error`]; then nothing was changed, except that after [`Error::OutcomeUnknown`] nobody knows.
pub async fn retire_others(store: &Store, codes: &[IcdCode]) -> Result<usize, Error> {
    let codes: Vec<&str> = codes.iter().map(IcdCode::as_str).collect();
    store.write(&RETIRE, async |conn| queries::retire_others(&codes).execute(conn).await).await
}
