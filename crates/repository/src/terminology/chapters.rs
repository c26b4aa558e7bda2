//! The chapters, as they were added up when the release was imported.

use super::rows;
use crate::{Error, Store};
use steadfast_domain::terminology::ChapterTotals;
use steadfast_postgres::diesel::sql_types::{Integer, SmallInt, Text};
use steadfast_postgres::diesel::{self, QueryableByName, sql_query};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read, cached};

/// All chapters. The one page that they stand on is read without an index.
pub const CHAPTERS: Operation<Read> = Operation::read("terminology.chapters");

/// More than any release has, so that the answer has a bound.
const ALL: &str = "SELECT number, chapter, first_code, last_code, total_codes, active_codes, billable_codes \
    FROM icd10_chapters ORDER BY number LIMIT 100";

/// The chapters of the release in use, by number. Counts nothing: the import did.
///
/// # Errors
/// [`Error`].
pub async fn chapters(store: &Store) -> Result<Vec<ChapterTotals>, Error> {
    let rows: Vec<ChapterRow> =
        store.read(&CHAPTERS, async |conn| cached(sql_query(ALL)).load(conn).await).await?;
    rows.into_iter().map(ChapterRow::parse).collect()
}

/// One chapter.
#[derive(Debug, QueryableByName)]
struct ChapterRow {
    #[diesel(sql_type = SmallInt)]
    number: i16,
    #[diesel(sql_type = Text)]
    chapter: String,
    #[diesel(sql_type = Text)]
    first_code: String,
    #[diesel(sql_type = Text)]
    last_code: String,
    #[diesel(sql_type = Integer)]
    total_codes: i32,
    #[diesel(sql_type = Integer)]
    active_codes: i32,
    #[diesel(sql_type = Integer)]
    billable_codes: i32,
}

impl ChapterRow {
    fn parse(self) -> Result<ChapterTotals, Error> {
        // Stored as number and title, as each code names its chapter.
        let title = self.chapter.split_once(' ').map_or(&*self.chapter, |(_, title)| title).to_owned();
        Ok(ChapterTotals {
            number: self.number,
            title,
            first_code: rows::code(&self.first_code)?,
            last_code: rows::code(&self.last_code)?,
            total_codes: self.total_codes,
            active_codes: self.active_codes,
            billable_codes: self.billable_codes,
        })
    }
}
