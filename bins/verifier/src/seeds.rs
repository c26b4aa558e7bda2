//! Seeds: the data of the service at two sizes.

use crate::options::Scale;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::path::Path;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_plans::Recorder;
use steadfast_plans::tokio_postgres::{NoTls, connect};
use steadfast_postgres::{Db, DbSettings, PoolSettings, SessionSettings};
use steadfast_repository::{Store, cases, terminology};

/// A sample has every tenth row of the table of codes, and the codes that cases ask for.
const SAMPLE: usize = 10;

/// Prefixes of codes that cases ask for.
const IN_EVERY_SAMPLE: [&str; 4] = ["S72", "E11", "A00", "I10"];

/// Contents of the smaller and of the larger database.
pub(crate) struct Seeds {
    rows: [u64; 2],
    codes: [Vec<ImportRow>; 2],
}

impl Seeds {
    /// Reads the table of codes from the file `release`.
    pub(crate) fn read(scale: Scale, release: &Path) -> Result<Self> {
        let codes = read(release)?;
        let codes = match scale {
            Scale::Small => [sample(&codes), codes],
            Scale::Full => [codes.clone(), ten_times(&codes)],
        };
        Ok(Self { rows: scale.rows(), codes })
    }

    /// Fills the migrated database at `url`: the smaller one if `amount` is 1.
    pub(crate) async fn fill(&self, url: &str, amount: u32) -> Result<()> {
        let size = usize::from(amount > 1);
        let (rows, codes) = (self.rows[size], &self.codes[size]);
        let (client, connection) = connect(url, NoTls).await?;
        let session = tokio::spawn(connection);
        cases::mark_seedable(&client).await?;
        drop(client);
        session.await??;
        let bar = bar();
        cases::seed(url, rows, |table, done, all| {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(format!("{table} {done}/{all}"));
        })
        .await
        .with_context(|| format!("{rows} rows could not be seeded"))?;
        bar.set_length(codes.len() as u64);
        // Recorded, because the error of an operation does not name the object that is missing.
        let recorder = Recorder::new();
        let store = recorded_store(url, &recorder)?;
        recorder.start();
        let imported = terminology::import(&store, "seed", codes, |done| bar.set_position(done as u64)).await;
        let refused = recorder.take().refusal.map(|refusal| format!(", in {refusal}")).unwrap_or_default();
        imported.with_context(|| format!("import of the seed: terminology.import failed{refused}"))?;
        terminology::search_logs_upkeep(&store)
            .await
            .context("seed: terminology.search_logs_upkeep failed")?;
        bar.finish_and_clear();
        Ok(())
    }
}

/// Returns a store whose sessions are recorded by `recorder`.
pub(crate) fn recorded_store(url: &str, recorder: &Recorder) -> Result<Store> {
    let session = SessionSettings { recorder: Some(recorder.clone()), ..SessionSettings::default() };
    let pool = PoolSettings { session, ..PoolSettings::sized(5, 0) };
    Ok(Store::new(Db::new(url, DbSettings { pool, ..DbSettings::default() })?))
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent:>3}% {msg}");
    ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn read(release: &Path) -> Result<Vec<ImportRow>> {
    let file = std::fs::File::open(release).with_context(|| format!("cannot open {}", release.display()))?;
    Ok(steadfast_services::terminology::read_icd10cm(flate2::read::GzDecoder::new(file))?)
}

/// Returns a tenth of the table, with the ancestors of every code in it.
fn sample(codes: &[ImportRow]) -> Vec<ImportRow> {
    let wanted = |(number, row): &(usize, &ImportRow)| {
        number.is_multiple_of(SAMPLE)
            || IN_EVERY_SAMPLE.iter().any(|start| row.code.as_str().starts_with(start))
    };
    let mut chosen: HashSet<&str> =
        codes.iter().enumerate().filter(wanted).map(|(_, row)| row.code.as_str()).collect();
    // Parents come before their children, so that one pass backwards adds all ancestors.
    for row in codes.iter().rev() {
        if let Some(parent) = row.parent_code.as_ref().filter(|_| chosen.contains(row.code.as_str())) {
            chosen.insert(parent.as_str());
        }
    }
    codes.iter().filter(|row| chosen.contains(row.code.as_str())).cloned().collect()
}

/// Returns the table and nine copies of it, which have other codes.
fn ten_times(codes: &[ImportRow]) -> Vec<ImportRow> {
    let copied = |code: &IcdCode, copy: u32| match copy {
        0 => Some(code.clone()),
        _ => IcdCode::parse("code", &format!("{}ZZ{copy}", code.as_str())).ok(),
    };
    let copy_of = |copy: u32| {
        codes.iter().filter_map(move |row| {
            let parent_code = row.parent_code.as_ref().and_then(|parent| copied(parent, copy));
            Some(ImportRow { code: copied(&row.code, copy)?, parent_code, ..row.clone() })
        })
    };
    (0..10).flat_map(copy_of).collect()
}
