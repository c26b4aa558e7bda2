//! `user`: manages the users of the server.

use crate::api_key::operator;
use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use std::io::Read;
use steadfast_domain::identity::{Caller, Password, Role, SessionLimits, User as StoredUser, UserFields};
use steadfast_domain::page::Position;
use steadfast_domain::version::Expected;
use steadfast_repository::audit::Created;
use steadfast_repository::{Error, Store, identity};
use steadfast_services::identity::{LoginError, Logins};

/// Number of users that are read at once.
const PAGE: u32 = 100;

/// Actions on users.
#[derive(Subcommand)]
pub(crate) enum User {
    /// Creates a user without a password and prints its id.
    Create(Settings),
    /// Lists all users.
    List,
    /// Sets the password of a user, and ends the user's sessions. Reads the password from STEADFAST_PASSWORD, or from
    /// standard input without the line end.
    SetPassword {
        /// Id of the user.
        id: i64,
    },
    /// Deactivates a user, and ends the user's sessions. Servers that verified a session before accept it for up to
    /// 10 s, and for reads up to 60 s while the database is unavailable.
    Deactivate {
        /// Id of the user.
        id: i64,
    },
    /// Revokes all sessions of a user.
    RevokeSessions {
        /// Id of the user.
        id: i64,
    },
}

/// Settings of a new user.
#[derive(Args)]
pub(crate) struct Settings {
    /// Name as it is shown.
    #[arg(long)]
    name: String,
    /// E-mail address, with which the user logs in.
    #[arg(long, required_unless_present = "phone")]
    email: Option<String>,
    /// Phone number as in E.164, with which the user logs in.
    #[arg(long)]
    phone: Option<String>,
    /// Role, which gives scopes. Repeat the option for several.
    #[arg(long = "role", required = true, value_parser = PossibleValuesParser::new(Role::ALL.iter().map(|role| role.as_str())))]
    roles: Vec<String>,
}

impl User {
    /// Runs the action and prints the outcome.
    pub(crate) async fn run(self, store: &Store) -> anyhow::Result<()> {
        let (origin, caller) = (operator(), Caller::operator());
        let by = (&origin, &caller);
        match self {
            Self::Create(settings) => create(store, settings).await,
            Self::List => list(store).await,
            Self::SetPassword { id } => {
                let logins = Logins::new(store.clone(), SessionLimits::default());
                let password = password()?.acceptable()?;
                match logins.set_password(by, (id, Expected::Any), password).await {
                    Err(LoginError::Repository(Error::NotFound)) => bail!("no user has the id {id}"),
                    set => set?,
                };
                println!("the password of user {id} is set");
                Ok(())
            }
            Self::Deactivate { id } => {
                found(id, identity::deactivate_user(store, by, id).await)?;
                println!("user {id} is inactive");
                Ok(())
            }
            Self::RevokeSessions { id } => {
                found(id, identity::revoke_sessions(store, by, id).await)?;
                println!("the sessions of user {id} are revoked");
                Ok(())
            }
        }
    }
}

fn found<T>(id: i64, outcome: Result<T, Error>) -> anyhow::Result<T> {
    match outcome {
        Err(Error::NotFound) => bail!("no user has the id {id}"),
        outcome => Ok(outcome?),
    }
}

async fn create(store: &Store, settings: Settings) -> anyhow::Result<()> {
    let Settings { name, email, phone, roles } = settings;
    let fields = UserFields {
        email,
        phone_number: phone,
        display_name: name,
        roles: roles.iter().filter_map(|role| Role::of_name(role)).collect(),
        is_active: None,
        trust_level: None,
        signup_source: None,
    };
    let Created { id, .. } = identity::create_user(store, &operator(), &fields.parse()?).await?;
    println!("user {id} is created; `steadfast-ctl user set-password {id}` permits the login");
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut last = 0;
    loop {
        let page = identity::users(store, &Position::after(last, PAGE)).await?;
        for user in &page.items {
            println!("{}", line(user));
        }
        match page.items.last().filter(|_| page.items.len() == PAGE as usize) {
            Some(user) => last = user.id,
            None => return Ok(()),
        }
    }
}

/// Returns the line of a user in the list.
fn line(user: &StoredUser) -> String {
    let roles: Vec<&str> = user.roles.iter().map(|role| role.as_str()).collect();
    let address = user.email.as_ref().or(user.phone_number.as_ref()).map_or("", String::as_str);
    let state = match (user.is_active, user.has_password) {
        (false, _) => "inactive",
        (true, false) => "no password",
        (true, true) => "active",
    };
    format!("{}\t{address}\t{}\t{}\t{state}", user.id, user.display_name, roles.join(","))
}

/// Reads the password. An argument would be visible in the list of processes.
fn password() -> anyhow::Result<Password> {
    if let Ok(password) = std::env::var("STEADFAST_PASSWORD") {
        return Ok(password.into());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read the password from standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}
