//! Chapters of the release in use.

use crate::row::row;
use crate::{Error, Store};
use steadfast_domain::terminology::ChapterTotals;
use steadfast_postgres::diesel::{self, prelude::*};
use steadfast_postgres::diesel_async::RunQueryDsl;
use steadfast_postgres::{Operation, Read};
use steadfast_schema::views::icd10_chapters;

/// Lists all chapters. Reads their table of one page without an index.
pub const CHAPTERS: Operation<Read> = Operation::read("terminology.chapters");

/// Maximum number of chapters, more than any release has.
const CHAPTERS_MAX: i64 = 100;

/// Returns the chapters of the release in use by number, with the counts that its import computed.
///
/// # Errors
/// Returns [`Error`] if the database fails.
pub async fn chapters(store: &Store) -> Result<Vec<ChapterTotals>, Error> {
    let rows: Vec<ChapterRow> = store
        .read(&CHAPTERS, async |conn| {
            let all = icd10_chapters::table.select(ChapterRow::as_select()).order(icd10_chapters::number);
            all.limit(CHAPTERS_MAX).load(conn).await
        })
        .await?;
    rows.into_iter().map(|row| row.parse().map(without_number)).collect()
}

/// Removes the number in front of the title, where the table stores it.
fn without_number(chapter: ChapterTotals) -> ChapterTotals {
    match chapter.title.split_once(' ') {
        Some((_, title)) => ChapterTotals { title: title.to_owned(), ..chapter },
        None => chapter,
    }
}

row! {
    /// A chapter.
    ChapterRow of icd10_chapters for ChapterTotals {
        number: i16,
        #[diesel(column_name = chapter)]
        title: String,
        first_code: String,
        last_code: String,
        total_codes: i32,
        active_codes: i32,
        billable_codes: i32,
    }
}
