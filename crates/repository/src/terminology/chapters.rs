//! Chapters of the release in use.

use crate::prelude::*;
use steadfast_domain::terminology::ChapterTotals;
use steadfast_schema::views::icd10_chapters;

/// Lists all chapters. Reads their table of one page without an index.
pub const CHAPTERS: Operation<Read> = Operation::read("terminology.chapters");

/// Returns the chapters of the release in use by number, with the counts that its import computed. No release has a
/// hundred.
pub async fn chapters(store: &Store) -> Result<Vec<ChapterTotals>, Error> {
    use icd10_chapters::{number, table};
    let sorted = || table.select(ChapterRow::as_select()).order(number).limit(100);
    let chapters = all(store, &CHAPTERS, sorted).await?;
    Ok(chapters.into_iter().map(without_number).collect())
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
