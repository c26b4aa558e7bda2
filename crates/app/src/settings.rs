//! Settings, read once from environment variables.

mod audit;
mod cache;
mod callers;
mod database;
mod http;
mod log;
mod pidkey;
mod reader;
mod setting;
mod unknown;

pub(crate) use cache::URL as REDIS_URL;
pub use callers::AdmissionSettings;
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

/// All settings by section of the help text.
const SECTIONS: [(&str, &[Setting]); 7] = [
    ("Database", database::ALL),
    ("Server", http::ALL),
    ("Callers", callers::ALL),
    ("Cache", cache::ALL),
    ("PIDKey.com", pidkey::ALL),
    ("Audit trail", audit::ALL),
    ("Logs", log::ALL),
];

/// All settings of the service. `Debug` shows no secrets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Settings of the database.
    pub database: DatabaseSettings,
    /// Settings of the HTTP server.
    pub http: HttpSettings,
    /// Settings about callers.
    pub callers: AdmissionSettings,
    /// Settings of the cache; `None` if it is disabled.
    pub cache: Option<CacheSettings>,
    /// Settings of the client of PIDKey.com.
    pub pidkey: PidkeySettings,
    /// Number of days for which entries of the audit trail are retained.
    pub audit_retention_days: u32,
    /// Settings of the log.
    pub log: LogSettings,
}

impl Settings {
    /// Reads all settings from `environment`. An empty variable counts as not set.
    ///
    /// # Errors
    /// Returns a [`SettingsError`] that names each invalid variable with the allowed values. It contains no secrets.
    pub fn read(environment: Environment<'_>) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(environment);
        let settings = Self {
            database: database::read(&mut reader),
            http: http::read(&mut reader),
            callers: callers::read(&mut reader),
            cache: cache::read(&mut reader),
            pidkey: pidkey::read(&mut reader),
            audit_retention_days: audit::read_retention_days(&mut reader),
            log: log::read(&mut reader),
        };
        reader.finish(settings)
    }
}

/// Reads the settings of a database session from `environment`, for other programs. They identify themselves to the
/// server by `application_name`.
///
/// # Errors
/// Returns the same errors as [`Settings::read`].
pub fn read_session(
    environment: Environment<'_>,
    application_name: &str,
) -> Result<SessionSettings, SettingsError> {
    let mut reader = Reader::new(environment);
    let settings = database::read_session(&mut reader, application_name);
    reader.finish(settings)
}

/// Reads the settings of the cache from `environment`, for programs that only invalidate it. Returns `None` if the
/// cache is disabled.
///
/// # Errors
/// Returns the same errors as [`Settings::read`].
pub fn read_cache(environment: Environment<'_>) -> Result<Option<CacheSettings>, SettingsError> {
    let mut reader = Reader::new(environment);
    let settings = cache::read(&mut reader);
    reader.finish(settings)
}

/// Returns the text of `--help`: every setting with its default, allowed values and purpose.
pub fn help() -> String {
    let sections = SECTIONS.iter().map(|(heading, settings)| {
        let settings: Vec<String> = settings.iter().map(Setting::to_string).collect();
        format!("{heading} (environment variables, defaults in brackets):\n\n{}", settings.join("\n"))
    });
    sections.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
