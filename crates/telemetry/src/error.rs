//! Errors of the installation.

/// Error of the installation, which leaves the subscriber of the process unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The level is neither a known word nor a filter.
    #[error(
        "the log level {given:?} is invalid ({reason}): use one of error, warn, info, debug, trace, off, \
         or a list such as \"info,steadfast_http=debug\""
    )]
    Level {
        /// Value of the setting.
        given: String,
        /// Reason of the rejection.
        reason: String,
    },
    /// The thread that writes log lines cannot be started.
    #[error("cannot start the thread that writes log lines: {0}")]
    Thread(std::io::Error),
    /// Something else in this process receives the events already.
    #[error("logs are already installed in this process: install them once, first thing in main")]
    AlreadyInstalled,
}
