//! Settings of the logs.

/// Level, format and output of the logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Level (`error`, `warn`, `info`, `debug`, `trace` or `off` in any case; also `WARNING`, `CRITICAL` and `FATAL`), or
    /// a comma-separated list of levels for targets, such as `info,steadfast_http=debug`. Defaults to `info`.
    pub level: String,
    /// Format of a line. Defaults to JSON.
    pub format: LogFormat,
    /// Destination of the lines. Defaults to standard error, which leaves standard output to results.
    pub output: LogOutput,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Json, output: LogOutput::Stderr }
    }
}

/// Format of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Plain text without colours.
    Text,
}

/// Destination of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOutput {
    /// Standard error of the process.
    Stderr,
}
