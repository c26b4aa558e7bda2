//! What can be chosen about logs.

/// What to log, how, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`; any case, and the words `WARNING`, `CRITICAL`, `FATAL`)
    /// or a comma-separated list of levels for targets, as in `info,steadfast_http=debug`. Default: `info`.
    pub level: String,
    /// How a line looks. Default: JSON.
    pub format: LogFormat,
    /// Where lines go. Default: standard error, so that standard output stays free for results.
    pub output: LogOutput,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json, output: LogOutput::Stderr }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Plain text without colours, for a person at a terminal.
    Text,
}

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOutput {
    /// The standard error of the process.
    Stderr,
}
