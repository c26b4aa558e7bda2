//! `api-key`: manages the API keys of the server's callers.

use anyhow::{Context, bail};
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{ApiKeySettings, Credential, NewApiKey, Scope, SessionLimits};
use steadfast_repository::audit::Created;
use steadfast_repository::{Error, Store, identity};

/// Actions on API keys.
#[derive(Subcommand)]
pub(crate) enum ApiKey {
    /// Creates a key and prints it as the last line. It is not stored and cannot be shown again.
    Create {
        /// Purpose of the key.
        #[arg(long)]
        name: String,
        /// Permission of the bearer; `*` permits everything. Repeat the option for several.
        #[arg(long = "scope", required = true, value_parser = PossibleValuesParser::new(Scope::GRANTABLE))]
        scopes: Vec<String>,
    },
    /// Verifies the key in STEADFAST_API_KEY; exit code 0 if it is accepted, else 1.
    Verify,
    /// Revokes a key. Servers that verified it before accept it for up to 10 s, and for reads up to 60 s while the
    /// database is unavailable.
    Revoke {
        /// Id of the key, as printed by `create` and shown in logs.
        id: i64,
    },
}

impl ApiKey {
    /// Runs the action and prints the outcome.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::Create { name, scopes } => create(store, &name, &scopes).await,
            Self::Verify => verify(store).await,
            Self::Revoke { id } => revoke(store, id).await,
        }
    }
}

async fn create(store: &Store, name: &str, scopes: &[String]) -> anyhow::Result<()> {
    let new = NewApiKey::generate(ApiKeySettings::parse(name, scopes, None)?);
    let Created { id, .. } = identity::create_api_key(store, &operator(), &new.record).await?;
    println!("key {id} for {}; store it now, it cannot be shown again:", new.record.settings.name);
    println!("{}", new.secret.expose_secret());
    Ok(())
}

async fn verify(store: &Store) -> anyhow::Result<()> {
    // An argument would be visible in the list of processes.
    let presented = std::env::var("STEADFAST_API_KEY").context("STEADFAST_API_KEY is not set")?;
    let key = Credential::of_presented(&presented).filter(|key| matches!(key, Credential::ApiKey(_)));
    let Some(key) = key else { bail!("the key is not accepted") };
    let found = identity::find_caller(store, &key, SessionLimits::default()).await?;
    let Some(id) = found.and_then(|found| found.caller.principal.api_key_id()) else {
        bail!("the key is not accepted")
    };
    println!("key {id} is accepted");
    Ok(())
}

async fn revoke(store: &Store, id: i64) -> anyhow::Result<()> {
    match identity::revoke_api_key(store, &operator(), id).await {
        Err(Error::NotFound) => bail!("no key has the id {id}"),
        revoked => revoked?,
    }
    println!("key {id} is revoked");
    Ok(())
}

/// Returns the origin of this command's changes.
fn operator() -> Origin {
    Origin::operator(format!("ctl-{}", uuid::Uuid::now_v7()))
}
