//! The database that all contestants serve: the full table of ICD-10-CM and one API key.

use crate::client::Target;
use crate::servers::Server;
use anyhow::{Result, ensure};
use flate2::read::MultiGzDecoder;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::fs::File;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_repository::{Store, identity};
use steadfast_services::terminology::{import_icd10cm, read_icd10cm};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../data/icd10cm-2026-04.csv.gz");

/// Codes that are asked for. The shipped cache has 1,000 places.
const CODES: usize = 500;

/// The database, and requests that it can answer.
pub(crate) struct Data {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) codes: Vec<String>,
    _server: steadfast_testkit::Server,
}

impl Data {
    /// Starts a server and fills it.
    pub(crate) async fn prepare() -> Result<Self> {
        let server = steadfast_testkit::Server::private()?;
        let url = server.url("postgres");
        steadfast_schema::migrate(&url).await?;
        let store = Store::connect(&url)?;
        let rows = read_icd10cm(MultiGzDecoder::new(File::open(TABLE)?))?;
        import_icd10cm(&store, "full table", &rows, |_| ()).await?;
        let new = NewApiKey::generate(ApiKeySettings::parse("bench", &["terminology:read"], None)?);
        identity::create_api_key(&store, &Origin::operator("test"), &new.record).await?;
        let every = rows.len() / CODES;
        let codes = rows.iter().step_by(every).take(CODES).map(|row| row.code.to_string()).collect();
        let key = new.secret.expose_secret().to_owned();
        Ok(Self { url, key, codes, _server: server })
    }

    /// Fails unless all of `servers` send the same JSON, except for what differs from request to request.
    pub(crate) fn check_same_answers(&self, servers: &[&Server]) -> Result<()> {
        for code in self.codes.iter().step_by(50) {
            let mut first = None;
            for server in servers {
                let body = Target::body(server, &format!("/api/v1/code/{code}"), &self.key)?;
                let mut body: Value = serde_json::from_slice(&body)?;
                for (object, field) in [("", "correlation_id"), ("", "timestamp"), ("/data", "query_time_ms")]
                {
                    body.pointer_mut(object).and_then(|found| found.get_mut(field)).map(Value::take);
                }
                let expected = first.get_or_insert_with(|| body.clone());
                ensure!(*expected == body, "{} answers {body}, not {expected}", server.name);
            }
        }
        Ok(())
    }
}
