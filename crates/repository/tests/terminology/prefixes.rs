//! Tests of searches by code on the whole release, compared with a model in memory.

use crate::release;
use crate::support::Fixture;
use anyhow::Result;
use std::collections::BTreeSet;
use steadfast_domain::terminology::{Leg, Query, SEARCH_LIMIT_MAX};
use steadfast_repository::terminology;

/// Interval of the inactive codes.
const INACTIVE_EVERY: usize = 7;

/// Interval of the codes whose prefixes are all tested.
const SAMPLE_EVERY: usize = 499;

/// Letters that each occur in two chapters. Their prefixes are also tested in each chapter.
const IN_CHAPTERS: [char; 2] = ['D', 'H'];

/// A code of the release.
struct Row {
    code: String,
    chapter: String,
    billable: bool,
    active: bool,
}

/// The release in memory, sorted by code.
struct Model(Vec<Row>);

impl Model {
    async fn stored(fixture: &Fixture) -> Result<Self> {
        let rows = release::rows_of(&[""])?;
        terminology::import(&fixture.store, "whole", &rows, |_| ()).await?;
        let mut model: Vec<Row> = rows
            .into_iter()
            .enumerate()
            .map(|(number, row)| Row {
                code: row.code.to_string(),
                chapter: row.chapter.to_lowercase(),
                billable: row.billable,
                active: number % INACTIVE_EVERY != 0,
            })
            .collect();
        let inactive: Vec<&str> =
            model.iter().filter(|row| !row.active).map(|row| row.code.as_str()).collect();
        let client = fixture.client().await?;
        // The first import fills the green slot.
        client
            .execute("UPDATE icd10_green.codes SET active = false WHERE code = ANY($1)", &[&inactive])
            .await?;
        client.batch_execute("ANALYZE icd10_green.codes").await?;
        model.sort_by(|one, other| one.code.cmp(&other.code));
        Ok(Self(model))
    }

    /// Returns the codes that a search by `prefix` finds, in the documented order: shorter codes first, then codes in
    /// use, then billable codes.
    fn find(&self, prefix: &str, chapter: Option<&str>, with_inactive: bool) -> Vec<String> {
        let is_in = |row: &Row| {
            chapter.is_none_or(|chapter| {
                row.chapter.starts_with(&format!("{chapter} "))
                    || row.chapter.ends_with(&format!("({chapter})"))
            })
        };
        let first = self.0.partition_point(|row| row.code.as_str() < prefix);
        let mut found: Vec<&Row> = self.0[first..]
            .iter()
            .take_while(|row| row.code.starts_with(prefix))
            .filter(|row| (row.active || with_inactive) && is_in(row))
            .collect();
        found.sort_by_key(|row| (row.code.len(), !row.active, !row.billable, &row.code));
        found.into_iter().take(SEARCH_LIMIT_MAX as usize).map(|row| row.code.clone()).collect()
    }

    /// Returns all prefixes of up to three characters, and all prefixes of a sample of codes.
    fn prefixes(&self) -> BTreeSet<&str> {
        let short = self.0.iter().flat_map(|row| (1..=3).map(|length| &row.code[..length]));
        let sample = self.0.iter().step_by(SAMPLE_EVERY);
        short.chain(sample.flat_map(|row| (4..=row.code.len()).map(|length| &row.code[..length]))).collect()
    }

    /// Returns the numbers and the ranges of all chapters, in lower case.
    fn chapters(&self) -> BTreeSet<&str> {
        let marks = |row: &'_ Row| -> Vec<(usize, usize)> {
            let number = row.chapter.find(' ').unwrap_or(row.chapter.len());
            let range = row.chapter.rfind('(').map(|at| (at + 1, row.chapter.len() - 1));
            [Some((0, number)), range].into_iter().flatten().collect()
        };
        self.0
            .iter()
            .flat_map(|row| marks(row).into_iter().map(|(from, to)| &row.chapter[from..to]))
            .collect()
    }
}

async fn found(fixture: &Fixture, query: &Query) -> Result<Vec<String>> {
    let found = terminology::search(&fixture.store, Leg::Code, query).await?.expect("a code");
    Ok(found.matches.into_iter().map(|found| found.code.to_string()).collect())
}

/// Returns the query for `prefix`; a single letter needs its dot.
fn query(prefix: &str) -> Result<Query> {
    Ok(Query::new(&if prefix.len() == 1 { format!("{prefix}.") } else { prefix.to_owned() }, None)?)
}

#[tokio::test]
async fn code_search_matches_model_for_all_prefixes() -> Result<()> {
    let fixture = Fixture::new().await?;
    let model = Model::stored(&fixture).await?;
    let (prefixes, mut wrong) = (model.prefixes(), Vec::new());
    assert!(prefixes.len() > 2_500, "{}", prefixes.len());
    for prefix in &prefixes {
        let with_or_without: &[bool] = if prefix.len() <= 2 { &[false, true] } else { &[false] };
        for &with_inactive in with_or_without {
            let query = query(prefix)?.with_inactive(with_inactive);
            if found(&fixture, &query).await? != model.find(prefix, None, with_inactive) {
                wrong.push((*prefix, with_inactive));
            }
        }
    }
    for prefix in prefixes.iter().filter(|prefix| prefix.len() <= 2 && prefix.starts_with(IN_CHAPTERS)) {
        for chapter in model.chapters() {
            let query = query(prefix)?.in_chapter(Some(chapter))?;
            if found(&fixture, &query).await? != model.find(prefix, Some(chapter), false) {
                wrong.push((chapter, false));
            }
        }
    }
    let examples = &wrong[..wrong.len().min(20)];
    assert!(
        wrong.is_empty(),
        "{} of {} prefixes find other codes: {examples:?}",
        wrong.len(),
        prefixes.len()
    );
    Ok(())
}
