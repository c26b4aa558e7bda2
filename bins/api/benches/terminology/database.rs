//! Migrated database of a measurement, and API keys for it.

use anyhow::Result;
use secrecy::ExposeSecret as _;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, NewApiKey};
use steadfast_repository::{Store, identity};
use steadfast_testkit::TestDatabase;

/// Creates a database without rows.
pub(crate) async fn migrated() -> Result<TestDatabase> {
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    Ok(TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await?)
}

/// Stores a new API key with one scope and returns it.
pub(crate) async fn create_key(store: &Store, scope: &str) -> Result<String> {
    let new = NewApiKey::generate(ApiKeySettings::parse("bench", &[scope], None)?);
    identity::create_api_key(store, &Origin::operator("test"), &new.record).await?;
    Ok(new.secret.expose_secret().to_owned())
}
