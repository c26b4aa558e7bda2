//! What can be chosen from outside: read from the environment once, then passed on as plain values.

mod cache;
mod database;
mod http;
mod log;
mod pidkey;
mod reader;
mod setting;
mod unknown;

pub(crate) use cache::URL as REDIS_URL;
pub use database::DatabaseSettings;
pub use http::HttpSettings;
pub(crate) use log::LEVEL;
pub use reader::{Environment, SettingsError};
pub use unknown::{Unknown, unknown_variables};

use reader::Reader;
use setting::Setting;
use steadfast_cache::CacheSettings;
use steadfast_pidkey::Settings as PidkeySettings;
use steadfast_postgres::SessionSettings;
use steadfast_telemetry::LogSettings;

/// The rooms, each with its heading.
const ROOMS: [(&str, &[Setting]); 5] = [
    ("Database", database::ALL),
    ("Server", http::ALL),
    ("Cache", cache::ALL),
    ("PIDKey.com", pidkey::ALL),
    ("Logs", log::ALL),
];

/// Everything that can be chosen. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The database.
    pub database: DatabaseSettings,
    /// The server.
    pub http: HttpSettings,
    /// The cache; nothing when it is switched off.
    pub cache: Option<CacheSettings>,
    /// PIDKey.com.
    pub pidkey: PidkeySettings,
    /// Logs.
    pub log: LogSettings,
}

impl Settings {
    /// The settings that `environment` says. A variable that is set to nothing counts as not set.
    ///
    /// # Errors
    /// [`SettingsError`] naming every variable that is wrong, with what is allowed; no value of a secret.
    pub fn read(environment: Environment<'_>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(environment);
        let settings = Self {
            database: database::read(&mut reader),
            http: http::read(&mut reader),
            cache: cache::read(&mut reader),
            pidkey: pidkey::read(&mut reader),
            log: log::read(&mut reader),
        };
        reader.finish(settings)
    }
}

/// How a session with the database begins, as `environment` says: for other programs, which go by `application_name`.
///
/// # Errors
/// As of [`Settings::read`].
pub fn read_session(
    environment: Environment<'_>,
    application_name: &str,
) -> Result<SessionSettings, SettingsError> {
    let mut reader = Reader::new(environment);
    let settings = database::read_session(&mut reader, application_name);
    reader.finish(settings)
}

/// The cache alone, as `environment` says; nothing when it is switched off. For programs that only tell it something.
///
/// # Errors
/// As of [`Settings::read`].
pub fn read_cache(environment: Environment<'_>) -> Result<Option<CacheSettings>, SettingsError> {
    let mut reader = Reader::new(environment);
    let settings = cache::read(&mut reader);
    reader.finish(settings)
}

/// Every setting with its default, what is allowed and what it is for: the text for `--help`.
pub fn help() -> String {
    let rooms = ROOMS.iter().map(|(heading, settings)| {
        let settings: Vec<String> = settings.iter().map(Setting::to_string).collect();
        format!("{heading} (environment variables, defaults in brackets):\n\n{}", settings.join("\n"))
    });
    rooms.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
