//! A database with data of one size, from which clones are made: nobody works on the original.

use crate::options::Scale;
use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashSet;
use std::path::Path;
use steadfast_domain::terminology::{IcdCode, ImportRow};
use steadfast_plans::tokio_postgres::{NoTls, connect};
use steadfast_plans::{Recorder, ReplayDatabase, freeze};
use steadfast_postgres::{Db, DbSettings, PoolSettings, SessionSettings};
use steadfast_repository::{Store, cases, terminology};
use steadfast_testkit::TestDatabase;

/// Of the table of codes, every so-many-eth is in a sample, besides those that cases ask for.
const SAMPLE: usize = 10;

/// Codes that begin so are in every sample, because cases ask for them.
const IN_EVERY_SAMPLE: [&str; 4] = ["S72", "E11", "A00", "I10"];

/// A seeded database, vacuumed and analysed, without sessions.
pub(crate) struct Site {
    original: TestDatabase,
}

impl Site {
    /// The smaller and the larger one.
    pub(crate) async fn both(scale: Scale, release: &Path) -> Result<[Self; 2]> {
        let codes = read(release)?;
        let [small, large] = scale.rows();
        let (few, many) = match scale {
            Scale::Small => (sample(&codes), codes),
            Scale::Full => (codes.clone(), ten_times(&codes)),
        };
        Ok([Self::seeded(small, &few).await?, Self::seeded(large, &many).await?])
    }

    async fn seeded(rows: u64, codes: &[ImportRow]) -> Result<Self> {
        let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
        let original =
            TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await;
        let original = original.context("the database to seed could not be made")?;
        let (client, connection) = connect(&original.url(), NoTls).await?;
        let session = tokio::spawn(connection);
        cases::mark_seedable(&client).await?;
        let bar = bar();
        cases::seed(&original.url(), rows, |table, done, all| {
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(format!("{table} {done}/{all}"));
        })
        .await
        .with_context(|| format!("{rows} rows could not be seeded"))?;
        bar.set_length(codes.len() as u64);
        // Recorded, because the error of an operation does not name the object that is missing.
        let recorder = Recorder::new();
        let store = recorded_store(&original.url(), &recorder)?;
        recorder.start();
        let imported = terminology::import(&store, "seed", codes, |done| bar.set_position(done as u64)).await;
        let refused = recorder.take().refusal.map(|refusal| format!(", in {refusal}")).unwrap_or_default();
        imported.with_context(|| format!("import of the seed: terminology.import failed{refused}"))?;
        terminology::search_logs_upkeep(&store)
            .await
            .context("seed: terminology.search_logs_upkeep failed")?;
        drop(store);
        bar.set_message("vacuum");
        let is_frozen = freeze(&client).await.context("the seeded database could not be prepared")?;
        ensure!(is_frozen, "some pages are not visible to all: who holds an old transaction open?");
        bar.finish_and_clear();
        drop(client);
        session.await??;
        Ok(Self { original })
    }

    /// A clone to do anything with.
    pub(crate) async fn clone(&self) -> Result<TestDatabase> {
        self.original.copy().await.context("a clone of the seeded database could not be made")
    }

    /// A clone to replay statements on.
    pub(crate) async fn pristine(&self) -> Result<(TestDatabase, ReplayDatabase)> {
        let clone = self.clone().await?;
        let pristine = ReplayDatabase::connect(&clone.url()).await?;
        Ok((clone, pristine))
    }
}

/// The program's store, every session of which is written down by `recorder`.
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

/// A tenth of the table, with all that is above what is in it.
fn sample(codes: &[ImportRow]) -> Vec<ImportRow> {
    let wanted = |(number, row): &(usize, &ImportRow)| {
        number.is_multiple_of(SAMPLE)
            || IN_EVERY_SAMPLE.iter().any(|start| row.code.as_str().starts_with(start))
    };
    let mut kept: HashSet<&str> =
        codes.iter().enumerate().filter(wanted).map(|(_, row)| row.code.as_str()).collect();
    // Parents stand before their children, so that going backwards takes whole lines of them.
    for row in codes.iter().rev() {
        if let Some(parent) = row.parent_code.as_ref().filter(|_| kept.contains(row.code.as_str())) {
            kept.insert(parent.as_str());
        }
    }
    codes.iter().filter(|row| kept.contains(row.code.as_str())).cloned().collect()
}

/// The table and nine more like it, with codes of their own.
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
