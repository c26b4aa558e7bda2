//! Why logs could not be installed.

/// Why logs could not be installed; the process still has whatever subscriber it had before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The level is neither one of the known words nor a filter.
    #[error(
        "the log level {given:?} is not understood ({reason}): use one of error, warn, info, debug, trace, off, \
         or a list such as \"info,steadfast_http=debug\""
    )]
    Level {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The thread that writes log lines cannot be started.
    #[error("cannot start the thread that writes log lines: {0}")]
    Thread(std::io::Error),
    /// Something else in this process receives the events already.
    #[error("logs are already installed in this process: install them once, first thing in main")]
    AlreadyInstalled,
}
