//! What can be chosen about logs.

use crate::Error;
use std::str::FromStr;

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

impl FromStr for LogFormat {
    type Err = Error;

    /// `json` or `text`, in any case.
    fn from_str(given: &str) -> Result<Self, Error> {
        match given.trim().to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(Error::Format { given: given.to_owned() }),
        }
    }
}

/// Where lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOutput {
    /// The standard error of the process.
    Stderr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_read_in_any_case() {
        assert_eq!("JSON".parse::<LogFormat>().unwrap(), LogFormat::Json);
        assert_eq!(" text ".parse::<LogFormat>().unwrap(), LogFormat::Text);
    }

    #[test]
    fn an_unknown_format_is_told_what_is_allowed() {
        let error = "yaml".parse::<LogFormat>().unwrap_err().to_string();
        assert_eq!(error, "the log format \"yaml\" is unknown: use json or text");
    }
}
