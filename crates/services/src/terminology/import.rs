//! Importing a release of ICD-10-CM from its table: read and checked whole, then put in use at once.

use std::collections::HashSet;
use std::io::Read;
use steadfast_domain::Invalid;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_repository::terminology::{self, Imported};
use steadfast_repository::{Error as RepositoryError, Store};

/// Columns of the file, in this order, as its first line names them.
const COLUMNS: [&str; 8] =
    ["code", "term", "category", "parent_code", "block", "chapter", "chapter_title", "billable"];

/// Rows of the longest file that is accepted: ten times the release of today.
const ROWS_MAX: usize = 1_000_000;

/// Why a file could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read as CSV.
    #[error("the file cannot be read as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// The first line does not name the expected columns.
    #[error("the first line must name the columns {}", COLUMNS.join(","))]
    Header,
    /// A line says something that cannot be.
    #[error("line {line}: {invalid}")]
    Row {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        invalid: Invalid,
    },
    /// The file has no rows, or more than a release can have.
    #[error("the file has {0} rows: from 1 to {ROWS_MAX} are expected")]
    Rows(usize),
    /// It could not be stored, and nothing was changed, unless the outcome is unknown.
    #[error("the release was not imported, start it again: {0}")]
    Store(#[source] RepositoryError),
}

/// The rows of a table of ICD-10-CM, checked: a good header, good codes, each code once.
///
/// # Errors
/// [`ImportError`], naming the line.
pub fn read_icd10cm(table: impl Read) -> Result<Vec<ImportRow>, ImportError> {
    let mut reader = csv::Reader::from_reader(table);
    if reader.headers()?.iter().ne(COLUMNS) {
        return Err(ImportError::Header);
    }
    let (mut rows, mut seen) = (Vec::new(), HashSet::new());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = row(&record).map_err(|invalid| ImportError::Row { line, invalid })?;
        if !seen.insert(row.code.clone()) {
            let invalid = Invalid::field("code", format!("{} stands twice in the file", row.code));
            return Err(ImportError::Row { line, invalid });
        }
        rows.push(row);
        if rows.len() > ROWS_MAX {
            break;
        }
    }
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(ImportError::Rows(rows.len()));
    }
    Ok(rows)
}

fn row(record: &csv::StringRecord) -> Result<ImportRow, Invalid> {
    let field = |index: usize| record.get(index).unwrap_or_default();
    let text = |index: usize| steadfast_domain::text::plain(COLUMNS[index], field(index), 1..=1_000);
    let parent = Some(field(3)).filter(|parent| !parent.is_empty());
    Ok(ImportRow {
        code: IcdCode::parse(COLUMNS[0], field(0))?,
        term: text(1)?,
        category: IcdCode::parse(COLUMNS[2], field(2))?,
        parent_code: parent.map(|parent| IcdCode::parse(COLUMNS[3], parent)).transpose()?,
        block: text(4)?,
        chapter: format!("{} {}", text(5)?, text(6)?),
        billable: match field(7) {
            "0" => false,
            "1" => true,
            _ => return Err(Invalid::field(COLUMNS[7], "must be 0 or 1")),
        },
    })
}

/// Puts `rows` in use as the release `name`, all at once; see [`terminology::import`]. `progress` learns how many rows are
/// stored. A repetition of what is in use does nothing.
///
/// # Errors
/// [`ImportError::Store`]; then readers see what they saw before.
pub async fn import_icd10cm(
    store: &Store,
    name: &str,
    rows: &[ImportRow],
    progress: impl Fn(usize) + Send + Sync,
) -> Result<Imported, ImportError> {
    terminology::import(store, name, rows, progress).await.map_err(ImportError::Store)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "code,term,category,parent_code,block,chapter,chapter_title,billable\n";

    fn read(lines: &str) -> Result<Vec<ImportRow>, ImportError> {
        read_icd10cm(format!("{HEADER}{lines}").as_bytes())
    }

    #[test]
    fn a_quoted_term_keeps_its_comma_and_a_category_has_no_parent() {
        let rows = read("A00,Cholera,A00,,A00-A09,1,Infectious,0\nA000,\"Cholera, classic\",A00,A00,A00-A09,1,Infectious,1\n")
            .expect("two rows");
        assert_eq!(rows[0].parent_code, None);
        assert_eq!((rows[1].term.as_str(), rows[1].billable), ("Cholera, classic", true));
    }

    #[test]
    fn a_bad_line_is_named_and_nothing_is_read() {
        for (bad, field) in [
            ("A_0,Cholera,A00,,A00-A09,1,Infectious,0\n", "code"),
            ("A01,,A00,,A00-A09,1,Infectious,0\n", "term"),
            ("A01,Typhoid,A00,,A00-A09,1,Infectious,yes\n", "billable"),
            ("A00,Cholera again,A00,,A00-A09,1,Infectious,0\n", "code"),
        ] {
            match read(&format!("A00,Cholera,A00,,A00-A09,1,Infectious,0\n{bad}")) {
                Err(ImportError::Row { line: 3, invalid }) => assert_eq!(invalid.fields()[0].field, field),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn another_header_and_an_empty_table_are_refused() {
        assert!(matches!(read_icd10cm("a,b\n1,2\n".as_bytes()), Err(ImportError::Header)));
        assert!(matches!(read(""), Err(ImportError::Rows(0))));
        assert!(matches!(read("A00,Cholera\n"), Err(ImportError::Csv(_))));
    }
}
