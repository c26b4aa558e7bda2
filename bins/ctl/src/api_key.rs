//! `api-key`: keys for the programs that call the server.

use anyhow::{Context, bail};
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use secrecy::ExposeSecret;
use steadfast_domain::Invalid;
use steadfast_domain::identity::{KeyHash, NewApiKey, Scope};
use steadfast_repository::{Store, identity};

/// What to do with API keys.
#[derive(Subcommand)]
pub(crate) enum ApiKey {
    /// Makes a key and prints it as the last line. It is not kept and cannot be shown again.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// Permission of the bearer; `*` permits everything. Repeat the option for several.
        #[arg(long = "scope", required = true, value_parser = PossibleValuesParser::new(Scope::GRANTABLE))]
        scopes: Vec<String>,
    },
    /// Tells whether the key in STEADFAST_API_KEY is accepted: exit code 0, else 1.
    Verify,
    /// Revokes a key. Servers that looked it up before accept it for up to 10 s, and its reads for up to 60 s while the
    /// database does not answer them.
    Revoke {
        /// Its id, as `create` printed it and as logs show it.
        id: i64,
    },
}

impl ApiKey {
    /// Does it and prints the outcome.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        match self {
            Self::Create { name, scopes } => create(store, &name, &scopes).await,
            Self::Verify => verify(store).await,
            Self::Revoke { id } => revoke(store, id).await,
        }
    }
}

async fn create(store: &Store, name: &str, scopes: &[String]) -> anyhow::Result<()> {
    let scopes = scopes.iter().map(|scope| Scope::parse(scope)).collect::<Result<_, Invalid>>()?;
    let new = NewApiKey::generate(name, scopes)?;
    let id = identity::create_api_key(store, &new.record).await?;
    println!("key {id} for {}; keep it, it cannot be shown again:", new.record.name);
    println!("{}", new.secret.expose_secret());
    Ok(())
}

async fn verify(store: &Store) -> anyhow::Result<()> {
    // Not an argument: those show in the process list.
    let presented = std::env::var("STEADFAST_API_KEY").context("STEADFAST_API_KEY is not set")?;
    let Some(hash) = KeyHash::of_presented(&presented) else { bail!("the key is not accepted") };
    match identity::find_caller(store, &hash).await? {
        Some(caller) => println!("key {} is accepted", caller.api_key_id),
        None => bail!("the key is not accepted"),
    }
    Ok(())
}

async fn revoke(store: &Store, id: i64) -> anyhow::Result<()> {
    if !identity::revoke_api_key(store, id).await? {
        bail!("there is no key {id} in use");
    }
    println!("key {id} is withdrawn");
    Ok(())
}
