//! Many codes at once.

use super::place::ConceptRow;
use crate::{Error, Store};
use steadfast_domain::terminology::{Concept, IcdCode};
use steadfast_postgres::diesel::sql_query;
use steadfast_postgres::diesel::sql_types::{Array, Text};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, cached};

/// Some codes, each by itself.
pub const FIND: Operation<Read> = Operation::read("terminology.find").served_by(&["icd10_codes_pkey"]);

const BY_CODES: &str =
    "SELECT code, term, chapter, parent_code, active, billable FROM icd10_codes WHERE code = ANY($1)";

/// Those of `codes` that there are, in no order: one statement for all, by `icd10_codes_pkey`.
///
/// # Errors
/// [`Error`].
pub async fn find(store: &Store, codes: &[IcdCode]) -> Result<Vec<Concept>, Error> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let codes: Vec<&str> = codes.iter().map(IcdCode::as_str).collect();
    let rows: Vec<ConceptRow> = store
        .read(&FIND, async |conn| cached(sql_query(BY_CODES).bind::<Array<Text>, _>(&codes)).load(conn).await)
        .await?;
    rows.into_iter().map(ConceptRow::parse).collect()
}
