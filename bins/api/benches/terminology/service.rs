//! The whole service with a private database that contains the full table.

use crate::database::{create_key, migrated};
use anyhow::{Context as _, Result, ensure};
use flate2::read::MultiGzDecoder;
use reqwest::Client;
use serde_json::Value;
use std::fs::File;
use steadfast_app::{Running, Settings, start};
use steadfast_domain::terminology::ImportRow;
use steadfast_repository::Store;
use steadfast_services::terminology::{import_icd10cm, read_icd10cm};
use steadfast_testkit::TestDatabase;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/icd10cm-2026-04.csv.gz");

/// Reads the rows of the full table.
pub(crate) fn read_table() -> Result<Vec<ImportRow>> {
    Ok(read_icd10cm(MultiGzDecoder::new(File::open(TABLE)?))?)
}

/// Running service with its database, and a client that may read the terminology.
pub(crate) struct Service {
    running: Running,
    client: Client,
    key: String,
    database: TestDatabase,
    /// Imported rows.
    pub(crate) rows: Vec<ImportRow>,
}

impl Service {
    /// Imports the table and starts the service.
    pub(crate) async fn start() -> Result<Self> {
        let database = migrated().await?;
        let store = Store::connect(&database.url())?;
        let rows = read_table()?;
        import_icd10cm(&store, "full table", &rows, |_| ()).await?;
        let key = create_key(&store, "terminology:read").await?;
        let url = database.url();
        let variables = [
            ("DATABASE_URL", url.as_str()),
            ("HTTP_PORT", "0"),
            ("PIDKEY_API_KEY", "unused"),
            ("CACHE_ENABLED", "false"),
            ("RATE_LIMIT_PER_SECOND", "0"),
        ];
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let running = start(Settings::read(&read)?).await?;
        Ok(Self { running, client: Client::new(), key, database, rows })
    }

    /// Returns the URL of the database.
    pub(crate) fn database_url(&self) -> String {
        self.database.url()
    }

    /// Returns the codes that a search finds, best first, at most ten.
    pub(crate) async fn search(&self, query: &str) -> Result<Vec<String>> {
        let url = format!("http://{}/api/v1/search/icd10", self.running.address());
        let request = self.client.get(url).bearer_auth(&self.key).query(&[("query", query)]);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(
            answer["data"]["cache_status"] != "hit",
            "{query} was answered by the cache, which must be disabled"
        );
        let results = answer["data"]["results"].as_array().context("results")?;
        Ok(results.iter().filter_map(|found| found["code"].as_str()).map(str::to_owned).collect())
    }
}
