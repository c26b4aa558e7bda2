//! Rows of ICD-10-CM codes as they come from the database, and their way into the domain.

use crate::Error;
use steadfast_domain::terminology::{Candidate, IcdCode};
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Text};
use steadfast_postgres::diesel::{self, QueryableByName};

/// The code in a column of the table.
pub(super) fn code(text: &str) -> Result<IcdCode, Error> {
    IcdCode::parse("code", text)
        .map_err(|_| Error::Query { cause: "icd10_codes: a stored code is none".to_owned() })
}

/// One find of a search.
#[derive(Debug, QueryableByName)]
pub(super) struct MatchRow {
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    term: String,
    #[diesel(sql_type = Text)]
    chapter: String,
    #[diesel(sql_type = Bool)]
    billable: bool,
    #[diesel(sql_type = BigInt)]
    pub(super) release: i64,
}

impl MatchRow {
    /// The find in the domain's terms.
    pub(super) fn parse(self) -> Result<Candidate, Error> {
        let Self { code: text, term, chapter, billable, release: _ } = self;
        Ok(Candidate { code: code(&text)?, term, chapter, billable })
    }
}
