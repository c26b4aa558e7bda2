//! Tests of work that the rows returned or changed do not justify.

use crate::support::{Library, served_by};
use anyhow::Result;
use steadfast_plans::Rule;

#[tokio::test]
async fn counts_discarded_pairs_of_rows() -> Result<()> {
    let mut library = Library::open().await?;
    let sql = "SELECT count(*) FROM books CROSS JOIN shelves a CROSS JOIN shelves b WHERE author_id = $1";
    let captured = library.with_number(sql, 7).await?;
    let judged = library.judge(served_by(&["books_author"]), captured).await?;
    let found: Vec<_> = judged.findings.iter().map(|finding| (finding.rule, &*finding.found)).collect();
    assert_eq!(found, [(Rule::Unbounded, "Nested Loop compares 2000 pairs of rows for 1")]);
    Ok(())
}

#[tokio::test]
async fn counts_rows_written_by_foreign_keys() -> Result<()> {
    let mut library = Library::open().await?;
    let captured = library.with_number("DELETE FROM authors WHERE id <= $1", 10).await?;
    let judged = library.judge(served_by(&["authors_pkey"]).supports_fk(&["books_author"]), captured).await?;
    let found: Vec<_> = judged.findings.iter().filter(|finding| finding.rule == Rule::Unbounded).collect();
    assert_eq!(found.len(), 1, "{:?}", judged.findings);
    assert!(found[0].found.starts_with("410 rows are written"), "{}", found[0]);
    Ok(())
}
