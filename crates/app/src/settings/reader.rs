//! Reader of settings, which reports all invalid settings together.

use super::setting::{Default, Kind, Setting};
use secrecy::SecretString;
use std::fmt;
use std::time::Duration;

/// Function that returns the value of a variable; `None` if it is not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Maximum number of characters of an invalid value in an error.
const SHOWN_MAX: usize = 60;

/// Error for invalid settings. Names each variable with the allowed values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError(Vec<String>);

impl SettingsError {
    /// Creates an error for one variable.
    pub(crate) fn of(name: &str, reason: impl fmt::Display) -> Self {
        Self(vec![format!("{name}: {reason}")])
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings (see --help)")?;
        self.0.iter().try_for_each(|invalid| write!(f, "\n  {invalid}"))
    }
}

/// Reads settings from an environment.
pub(crate) struct Reader<'a> {
    environment: Environment<'a>,
    invalid: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(environment: Environment<'a>) -> Self {
        Self { environment, invalid: Vec::new() }
    }

    /// Returns `settings` if all variables were valid.
    ///
    /// # Errors
    /// Returns a [`SettingsError`] that names every invalid variable.
    pub(crate) fn finish<T>(self, settings: T) -> Result<T, SettingsError> {
        if self.invalid.is_empty() { Ok(settings) } else { Err(SettingsError(self.invalid)) }
    }

    /// Reads a text.
    pub(crate) fn text(&mut self, setting: &Setting) -> String {
        self.read(setting, |text| Some(text.to_owned())).unwrap_or_default()
    }

    /// Reads a secret; empty if it is not set.
    pub(crate) fn secret(&mut self, setting: &Setting) -> SecretString {
        SecretString::from(self.text(setting))
    }

    /// Reads a whole number within the range of the setting.
    pub(crate) fn count(&mut self, setting: &Setting) -> u32 {
        self.count_if_set(setting).unwrap_or_default()
    }

    /// Reads a whole number; `None` if the profile determines it.
    pub(crate) fn count_if_set(&mut self, setting: &Setting) -> Option<u32> {
        let Kind::Count(range) = &setting.kind else { return None };
        self.read(setting, |text| text.parse().ok().filter(|count| range.contains(count)))
    }

    /// Reads a time within the range of the setting.
    pub(crate) fn seconds(&mut self, setting: &Setting) -> Duration {
        self.seconds_if_set(setting).unwrap_or_default()
    }

    /// Reads a time; `None` if the profile determines it.
    pub(crate) fn seconds_if_set(&mut self, setting: &Setting) -> Option<Duration> {
        let Kind::Seconds(range) = &setting.kind else { return None };
        let allowed = f64::from(*range.start())..=f64::from(*range.end());
        self.read(setting, |text| {
            let seconds: f64 = text.parse().ok()?;
            allowed.contains(&seconds).then(|| Duration::from_secs_f64(seconds))
        })
    }

    /// Reads true or false.
    pub(crate) fn flag(&mut self, setting: &Setting) -> bool {
        let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.read(setting, flag).unwrap_or_default()
    }

    /// Reads one of the words of the setting.
    pub(crate) fn word(&mut self, setting: &Setting) -> &'static str {
        let Kind::Word(words) = setting.kind else { return "" };
        self.read(setting, |text| words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied())
            .unwrap_or_default()
    }

    /// Parses the first variable that is set, or the default. Records values that `parse` rejects.
    fn read<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let Some((name, text)) = self.first_set(setting) else {
            return match setting.default {
                Default::Is(text) => parse(text),
                Default::Profile => None,
                Default::Required => {
                    self.invalid.push(format!("{} is required: {}", setting.name, setting.help));
                    None
                }
            };
        };
        let value = parse(&text);
        if value.is_none() {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            self.invalid.push(format!("{name} must be {}, not {shown:?}", setting.kind));
        }
        value
    }

    /// Returns the first variable of the setting that is set and not empty, with its value.
    fn first_set(&self, setting: &Setting) -> Option<(&'static str, String)> {
        let names = std::iter::once(setting.name).chain(setting.aliases.iter().copied());
        names.into_iter().find_map(|name| {
            let text = (self.environment)(name)?.trim().to_owned();
            (!text.is_empty()).then_some((name, text))
        })
    }
}
