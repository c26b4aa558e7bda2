//! `api-key`: manages the API keys of the server's callers.

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret;
use steadfast_domain::audit::Origin;
use steadfast_domain::identity::{
    ApiKey as StoredKey, ApiKeySettings, Credential, NewApiKey, Scope, SessionLimits,
};
use steadfast_domain::page::Position;
use steadfast_repository::audit::Created;
use steadfast_repository::{Error, Store, identity};

/// Number of keys that are read at once.
const PAGE: u32 = 100;

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
        /// Time from which on the key is refused, such as 2027-01-31T00:00:00Z.
        #[arg(long, value_name = "TIME")]
        expires: Option<DateTime<Utc>>,
    },
    /// Lists all keys.
    List,
    /// Replaces a key by a new one with the same settings, prints that as the last line, and revokes the old one.
    Rotate {
        /// Id of the key.
        id: i64,
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
            Self::Create { name, scopes, expires } => {
                create(store, ApiKeySettings::parse(&name, &scopes, expires)?).await
            }
            Self::List => list(store).await,
            Self::Rotate { id } => rotate(store, id).await,
            Self::Verify => verify(store).await,
            Self::Revoke { id } => revoke(store, id).await,
        }
    }
}

async fn create(store: &Store, settings: ApiKeySettings) -> anyhow::Result<()> {
    let new = NewApiKey::generate(settings);
    let Created { id, .. } = identity::create_api_key(store, &operator(), &new.record).await?;
    println!("key {id} for {}; store it now, it cannot be shown again:", new.record.settings.name);
    println!("{}", new.secret.expose_secret());
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut last = 0;
    loop {
        let page = identity::api_keys(store, &Position::after(last, PAGE)).await?;
        for key in &page.items {
            println!("{}", line(key));
        }
        match page.items.last().filter(|_| page.items.len() == PAGE as usize) {
            Some(key) => last = key.id,
            None => return Ok(()),
        }
    }
}

/// Returns the line of a key in the list.
fn line(key: &StoredKey) -> String {
    let scopes: Vec<&str> = key.scopes.iter().map(Scope::as_str).collect();
    let time = |label: &str, time: Option<DateTime<Utc>>| {
        time.map_or(String::new(), |time| format!("\t{label} {}", time.format("%F %R")))
    };
    let times =
        [time("expires", key.expires_at), time("revoked", key.revoked_at), time("used", key.last_used_at)];
    format!("{}\t{}\t{}\t{}{}", key.id, key.key_prefix, key.name, scopes.join(","), times.concat())
}

async fn rotate(store: &Store, id: i64) -> anyhow::Result<()> {
    let old = match identity::api_key(store, id).await {
        Err(Error::NotFound) => bail!("no key has the id {id}"),
        old => old?,
    };
    if old.revoked_at.is_some() {
        bail!("key {id} is revoked; create a new one");
    }
    let StoredKey { name, scopes, expires_at, .. } = old;
    create(store, ApiKeySettings { name, scopes, expires_at }).await?;
    Ok(identity::revoke_api_key(store, &operator(), id).await?)
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
pub(crate) fn operator() -> Origin {
    Origin::operator(format!("ctl-{}", uuid::Uuid::now_v7()))
}
