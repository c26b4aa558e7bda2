//! Exit codes of failures.

use std::process::ExitCode;

/// Returns 2 for invalid arguments and settings, and 1 for all other errors.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let is_usage = error.is::<steadfast_domain::Invalid>()
        || error.is::<steadfast_app::SettingsError>()
        || error.is::<steadfast_services::cache::Error>()
        || error.is::<steadfast_repository::UrlError>();
    ExitCode::from(if is_usage { 2 } else { 1 })
}
