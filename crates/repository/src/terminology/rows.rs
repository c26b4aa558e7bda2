//! Rows of ICD-10-CM codes as they come from the database, and their way into the domain.

use crate::Error;
use steadfast_domain::terminology::{Concept, IcdCode, Relative};
use steadfast_postgres::diesel::sql_types::{BigInt, Bool, Nullable, Text};
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
    pub(super) code: String,
    #[diesel(sql_type = Text)]
    pub(super) term: String,
    #[diesel(sql_type = Text)]
    pub(super) chapter: String,
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
            code: code(&self.code)?,
            term: self.term,
            chapter: self.chapter,
            parent_code: self.parent_code.as_deref().map(code).transpose()?,
            active: self.active,
            billable: self.billable,
        })
    }

    /// The code as somebody's relative.
    pub(super) fn into_relative(self) -> Result<Relative, Error> {
        Ok(Relative { code: code(&self.code)?, term: self.term })
    }
}

/// One relative, with the number of all of its kind.
#[derive(Debug, QueryableByName)]
pub(super) struct RelativeRow {
    #[diesel(sql_type = Text)]
    code: String,
    #[diesel(sql_type = Text)]
    term: String,
    #[diesel(sql_type = BigInt)]
    pub(super) total: i64,
}

impl RelativeRow {
    /// The relative in the domain's terms.
    pub(super) fn parse(self) -> Result<Relative, Error> {
        Ok(Relative { code: code(&self.code)?, term: self.term })
    }
}
