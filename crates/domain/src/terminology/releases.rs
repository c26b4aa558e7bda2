//! Releases of ICD-10-CM: their rows and their digest.

use super::IcdCode;
use sha2::{Digest, Sha256};

/// A row of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRow {
    /// The code.
    pub code: IcdCode,
    /// Meaning of the code.
    pub term: String,
    /// Three-character category.
    pub category: IcdCode,
    /// Parent of the code; `None` for a category.
    pub parent_code: Option<IcdCode>,
    /// Block of categories, e.g. `A00-A09`.
    pub block: String,
    /// Number and title of the chapter.
    pub chapter: String,
    /// True if the code has no children.
    pub billable: bool,
}

/// Version of the stored form of a release. Increase it if the import stores the same rows differently, so that they
/// are imported again.
const EDITION: u8 = 2;

/// Returns the SHA-256 of `rows` in their order. It does not depend on the format of the file that they come from.
pub fn digest(rows: &[ImportRow]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    hasher.update([EDITION]);
    for row in rows {
        let parent = row.parent_code.as_ref().map(IcdCode::as_str).unwrap_or_default();
        let flag = if row.billable { "1" } else { "0" };
        let texts =
            [row.code.as_str(), &row.term, row.category.as_str(), parent, &row.block, &row.chapter, flag];
        for text in texts {
            // No text has a control character, so the separator is unambiguous.
            hasher.update(text);
            hasher.update([0]);
        }
    }
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_depends_on_field_boundaries() {
        let row = |term: &str, block: &str| ImportRow {
            code: IcdCode::parse("code", "A00").expect("a code"),
            term: term.to_owned(),
            category: IcdCode::parse("code", "A00").expect("a code"),
            parent_code: None,
            block: block.to_owned(),
            chapter: "1 x".to_owned(),
            billable: true,
        };
        assert_eq!(digest(&[row("ab", "c")]), digest(&[row("ab", "c")]));
        assert_ne!(digest(&[row("ab", "c")]), digest(&[row("a", "bc")]));
        assert_ne!(digest(&[]), digest(&[row("a", "b")]));
    }
}
