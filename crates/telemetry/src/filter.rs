//! Parsing of the level setting, stricter than `EnvFilter`.

use crate::Error;
use tracing_subscriber::EnvFilter;

/// Levels of other logging systems and their equivalents.
const ALIASES: [(&str, &str); 3] = [("warning", "warn"), ("critical", "error"), ("fatal", "error")];

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Parses `given`.
///
/// A single word that is not a level is an error: `EnvFilter` would read the misspelt `inffo` as the name of a target, and
/// the service would log nothing.
pub(crate) fn parse(given: &str) -> Result<EnvFilter, Error> {
    let refused = |reason: String| Error::Level { given: given.to_owned(), reason };
    let directives = given.split(',').map(directive).collect::<Result<Vec<_>, _>>().map_err(refused)?;
    EnvFilter::builder().parse(directives.join(",")).map_err(|error| refused(error.to_string()))
}

fn directive(given: &str) -> Result<String, String> {
    let given = given.trim();
    if let Some((target, level)) = given.rsplit_once('=').filter(|_| !given.ends_with(']')) {
        return Ok(format!("{}={}", target.trim(), level_word(level.trim())?));
    }
    if given.ends_with(']') {
        return Ok(given.to_owned());
    }
    level_word(given)
}

fn level_word(given: &str) -> Result<String, String> {
    let lower = given.to_ascii_lowercase();
    let word =
        ALIASES.iter().find(|(alias, _)| *alias == lower).map_or(lower.as_str(), |(_, meaning)| meaning);
    LEVELS.contains(&word).then(|| word.to_owned()).ok_or_else(|| format!("{given:?} is not a level"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_accepted_in_any_case_and_dialect() {
        for (given, meaning) in [
            ("INFO", "info"),
            ("Debug", "debug"),
            (" warning ", "warn"),
            ("CRITICAL", "error"),
            ("off", "off"),
        ] {
            assert_eq!(parse(given).unwrap().to_string(), meaning, "{given}");
        }
    }

    #[test]
    fn targets_have_separate_levels() {
        let filter = parse("info, steadfast_http=WARNING").unwrap().to_string();
        assert!(filter.contains("info") && filter.contains("steadfast_http=warn"), "{filter}");
    }

    #[test]
    fn spans_can_be_selected() {
        assert!(parse("info,[request{user_id=7}]=trace").is_ok());
        assert!(parse("info,[request{user_id=7}]").is_ok());
    }

    #[test]
    fn misspelt_levels_are_rejected_with_the_allowed_values() {
        for given in ["inffo", "", "info,", "steadfast_http", "steadfast_http=loud", "=,="] {
            let error = parse(given).unwrap_err().to_string();
            assert!(error.contains("use one of error, warn, info, debug, trace, off"), "{given:?}: {error}");
        }
    }
}
