//! Import of a release of ICD-10-CM from a CSV file, which is validated completely before it is stored.

mod lines;

use lines::Lines;
use std::collections::HashSet;
use std::io::Read;
use steadfast_domain::Invalid;
use steadfast_domain::terminology::{CODE_LENGTH_MAX, IcdCode, ImportRow};
use steadfast_repository::terminology::{self, Imported};
use steadfast_repository::{Error as RepositoryError, Store};

/// Columns of the file, in order.
const COLUMNS: [&str; 8] =
    ["code", "term", "category", "parent_code", "block", "chapter", "chapter_title", "billable"];

/// Maximum number of rows: ten times the current release.
const ROWS_MAX: usize = 1_000_000;

/// Maximum number of characters of a category: that of the column.
const CATEGORY_MAX: usize = 10;

/// Failure to import a file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read the file: {0}")]
    Read(#[source] csv::Error),
    /// A line is not valid CSV of the expected form.
    #[error("line {line}: {reason}")]
    Malformed {
        /// Number of the line, from 1.
        line: u64,
        /// Description of the error.
        reason: &'static str,
    },
    /// The first line does not name the expected columns.
    #[error("the first line must name the columns {}", COLUMNS.join(","))]
    Header,
    /// A row has an invalid value.
    #[error("line {line}: {invalid}")]
    Row {
        /// Number of the line, from 1.
        line: u64,
        /// Validation error.
        invalid: Invalid,
    },
    /// The file has no rows or too many.
    #[error("the file has {0} rows: from 1 to {ROWS_MAX} are expected")]
    Rows(usize),
    /// The release could not be stored. Nothing was changed, unless the outcome is unknown.
    #[error("the release was not imported: {0}. Start the import again")]
    Store(#[source] RepositoryError),
}

/// Reads and validates a CSV file of ICD-10-CM. Each code must be unique, and each parent must be a code of the file.
///
/// # Errors
/// Returns [`ImportError`] with the line number if the header or a row is invalid.
pub fn read_icd10cm(table: impl Read) -> Result<Vec<ImportRow>, ImportError> {
    let mut reader = csv::Reader::from_reader(Lines::of(table));
    if reader.headers().map_err(ImportError::Read)?.iter().ne(COLUMNS) {
        return Err(ImportError::Header);
    }
    let (mut rows, mut seen, mut begins) = (Vec::new(), HashSet::new(), Vec::new());
    let mut record = csv::StringRecord::new();
    while rows.len() <= ROWS_MAX {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => begins.push(record.position().map_or(0, csv::Position::byte)),
            Err(error) => return Err(unreadable(error, reader.get_ref())),
        }
        let line = || reader.get_ref().line_at(begins.last().copied().unwrap_or_default());
        let row = row(&record).map_err(|invalid| ImportError::Row { line: line(), invalid })?;
        if !seen.insert(row.code.clone()) {
            let invalid = Invalid::field("code", format!("{} occurs twice in the file", row.code));
            return Err(ImportError::Row { line: line(), invalid });
        }
        rows.push(row);
    }
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(ImportError::Rows(rows.len()));
    }
    let is_orphan = |row: &ImportRow| row.parent_code.as_ref().is_some_and(|parent| !seen.contains(parent));
    if let Some(orphan) = rows.iter().position(is_orphan) {
        let invalid = Invalid::field("parent_code", "is not a code of this file");
        return Err(ImportError::Row { line: reader.get_ref().line_at(begins[orphan]), invalid });
    }
    Ok(rows)
}

fn unreadable(error: csv::Error, lines: &Lines<impl Read>) -> ImportError {
    let (position, reason) = match error.kind() {
        csv::ErrorKind::UnequalLengths { pos: Some(position), .. } => {
            (position, "has more or fewer columns than the first line")
        }
        csv::ErrorKind::Utf8 { pos: Some(position), .. } => (position, "is not UTF-8"),
        _ => return ImportError::Read(error),
    };
    ImportError::Malformed { line: lines.line_at(position.byte()), reason }
}

fn row(record: &csv::StringRecord) -> Result<ImportRow, Invalid> {
    let field = |index: usize| record.get(index).unwrap_or_default();
    let text = |index: usize| steadfast_domain::text::plain(COLUMNS[index], field(index), 1..=1_000);
    let code = code(field(0))?;
    Ok(ImportRow {
        term: text(1)?,
        category: category(field(2))?,
        parent_code: parent_of(&code, field(3))?,
        code,
        block: text(4)?,
        chapter: format!("{} {}", text(5)?, text(6)?),
        billable: match field(7) {
            "0" => false,
            "1" => true,
            _ => return Err(Invalid::field(COLUMNS[7], "must be 0 or 1")),
        },
    })
}

/// Parses a code. Rejects codes that are longer than those of ICD-10-CM, which searches could not find by their
/// beginning.
fn code(text: &str) -> Result<IcdCode, Invalid> {
    let code = IcdCode::parse(COLUMNS[0], text)?;
    if code.as_str().len() > CODE_LENGTH_MAX {
        let message = format!("must have at most {CODE_LENGTH_MAX} letters and digits");
        return Err(Invalid::field(COLUMNS[0], message));
    }
    Ok(code)
}

fn category(text: &str) -> Result<IcdCode, Invalid> {
    let category = IcdCode::parse(COLUMNS[2], text)?;
    if category.as_str().len() > CATEGORY_MAX {
        return Err(Invalid::field(COLUMNS[2], format!("must have at most {CATEGORY_MAX} characters")));
    }
    Ok(category)
}

/// Parses the parent of `code`; an empty column means none. A code must begin with its parent, which prevents cycles.
fn parent_of(code: &IcdCode, text: &str) -> Result<Option<IcdCode>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    let parent = IcdCode::parse(COLUMNS[3], text)?;
    if parent == *code || !code.as_str().starts_with(parent.as_str()) {
        return Err(Invalid::field(COLUMNS[3], "must be a beginning of the code"));
    }
    Ok(Some(parent))
}

/// Imports `rows` as the release `name` and puts it in use; see [`terminology::import`]. Does nothing if the release in
/// use has the same rows. `progress` is called with the number of rows stored.
///
/// # Errors
/// Returns [`ImportError::Store`] if the release was not stored. Readers then see the previous release.
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
    fn reads_quoted_terms_and_empty_parents() {
        let rows = read("A00,Cholera,A00,,A00-A09,1,Infectious,0\nA000,\"Cholera, classic\",A00,A00,A00-A09,1,Infectious,1\n")
            .expect("two rows");
        assert_eq!(rows[0].parent_code, None);
        assert_eq!((rows[1].term.as_str(), rows[1].billable), ("Cholera, classic", true));
    }

    #[test]
    fn rejects_invalid_rows_with_line_number() {
        for (bad, field) in [
            ("A_0,Cholera,A00,,A00-A09,1,Infectious,0\n", "code"),
            ("A0012345,Cholera,A00,,A00-A09,1,Infectious,0\n", "code"),
            ("A01,,A00,,A00-A09,1,Infectious,0\n", "term"),
            ("A01,Typhoid,A00,,A00-A09,1,Infectious,yes\n", "billable"),
            ("A00,Cholera again,A00,,A00-A09,1,Infectious,0\n", "code"),
            ("A01,Typhoid,A0123456789,,A00-A09,1,Infectious,0\n", "category"),
            ("A000,Typhoid,A00,A000,A00-A09,1,Infectious,0\n", "parent_code"),
            ("B000,Herpes,B00,A00,A00-A09,1,Infectious,0\n", "parent_code"),
            ("B000,Herpes,B00,B00,A00-A09,1,Infectious,0\n", "parent_code"),
        ] {
            match read(&format!("A00,Cholera,A00,,A00-A09,1,Infectious,0\n{bad}")) {
                Err(ImportError::Row { line: 3, invalid }) => assert_eq!(invalid.fields()[0].field, field),
                other => panic!("{bad}: {other:?}"),
            }
        }
    }

    #[test]
    fn line_numbers_are_independent_of_line_endings() {
        let good = "A00,Cholera,A00,,A00-A09,1,Infectious,0\n";
        for (before, line) in [("", 2), (good, 3), ("\n", 3), ("\n\n\n", 5)] {
            for bad in ["A01,,A00,,A00-A09,1,Infectious,0\n", "A01,Typhoid\n", "A01,Typhoid,A01,A0,x,1,y,0\n"]
            {
                for table in [
                    format!("{HEADER}{before}{bad}A02,Other,A02,,x,1,y,1\n"),
                    format!("{HEADER}{before}{bad}"),
                ] {
                    for table in [table.clone(), table.replace('\n', "\r\n")] {
                        match read_icd10cm(table.as_bytes()) {
                            Err(
                                ImportError::Row { line: reported, .. }
                                | ImportError::Malformed { line: reported, .. },
                            ) => {
                                assert_eq!(reported, line, "{table:?}");
                            }
                            other => panic!("{table:?}: {other:?}"),
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn rejects_other_headers_and_empty_files() {
        assert!(matches!(read_icd10cm("a,b\n1,2\n".as_bytes()), Err(ImportError::Header)));
        assert!(matches!(read(""), Err(ImportError::Rows(0))));
        assert!(matches!(read("A00,Cholera\n"), Err(ImportError::Malformed { line: 2, .. })));
    }
}
