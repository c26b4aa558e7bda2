//! The release of ICD-10-CM in `data/`.

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use std::fs::File;
use steadfast_domain::terminology::{IcdCode, ImportRow};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/icd10cm-2026-04.csv.gz");

/// Returns the rows whose code begins with one of `prefixes`, in the order of the file.
pub(crate) fn rows_of(prefixes: &[&str]) -> Result<Vec<ImportRow>> {
    let mut table = csv::Reader::from_reader(GzDecoder::new(File::open(TABLE)?));
    let records = table.records().filter_map(Result::ok);
    let wanted = records.filter(|record| {
        prefixes.iter().any(|prefix| record.get(0).is_some_and(|code| code.starts_with(prefix)))
    });
    wanted.map(|record| row(&record)).collect()
}

fn row(record: &csv::StringRecord) -> Result<ImportRow> {
    let field = |index: usize| record.get(index).context("a field");
    let parent = Some(field(3)?).filter(|parent| !parent.is_empty());
    Ok(ImportRow {
        code: IcdCode::parse("code", field(0)?)?,
        term: field(1)?.to_owned(),
        category: IcdCode::parse("category", field(2)?)?,
        parent_code: parent.map(|parent| IcdCode::parse("parent_code", parent)).transpose()?,
        block: field(4)?.to_owned(),
        chapter: format!("{} {}", field(5)?, field(6)?),
        billable: field(7)? == "1",
    })
}
