//! With what the program ends when it fails.

use std::process::ExitCode;

/// 2 when the caller can mend it by giving something else, 1 otherwise.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let is_usage = error.is::<steadfast_domain::Invalid>()
        || error.is::<steadfast_app::SettingsError>()
        || error.is::<steadfast_services::cache::Error>()
        || error.is::<steadfast_repository::UrlError>();
    ExitCode::from(if is_usage { 2 } else { 1 })
}
