//! Work that the rows returned or changed do not justify.

use crate::support::{Library, served_by};
use anyhow::Result;
use steadfast_plans::Rule;

#[tokio::test]
async fn pairs_of_rows_are_work_whether_a_condition_discards_them_or_not() -> Result<()> {
    let mut library = Library::open().await?;
    let sql = "SELECT count(*) FROM books CROSS JOIN shelves a CROSS JOIN shelves b WHERE author_id = $1";
    let captured = library.with_number(sql, 7).await?;
    let judged = library.judge(served_by(&["books_author"]), captured).await?;
    let found: Vec<_> = judged.findings.iter().map(|finding| (finding.rule, &*finding.found)).collect();
    assert_eq!(found, [(Rule::Unbounded, "Nested Loop makes 2000 pairs of rows for 1")]);
    Ok(())
}

#[tokio::test]
async fn rows_written_behind_statement_are_work() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("DELETE FROM authors WHERE id <= $1", 10).await?;
    let judged = library.judge(served_by(&["authors_pkey"]).supports_fk(&["books_author"]), captured).await?;
    let found: Vec<_> = judged.findings.iter().filter(|finding| finding.rule == Rule::Unbounded).collect();
    assert_eq!(found.len(), 1, "{:?}", judged.findings);
    assert!(found[0].found.starts_with("410 rows are written"), "{}", found[0]);
    Ok(())
}
