//! Reads settings one by one and remembers every wrong one, so that all are named at once.

use super::setting::{Default, Kind, Setting};
use secrecy::SecretString;
use std::fmt;
use std::time::Duration;

/// Where variables are looked up; `None` for one that is not set.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The most characters of a wrong value that are shown.
const SHOWN_MAX: usize = 60;

/// Settings that cannot be used: each variable with what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError(Vec<String>);

impl SettingsError {
    /// The one variable `name` is wrong, for this reason.
    pub(crate) fn of(name: &str, why: impl fmt::Display) -> Self {
        Self(vec![format!("{name}: {why}")])
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong settings (--help documents them all)")?;
        self.0.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))
    }
}

/// Reads settings from an environment.
pub(crate) struct Reader<'a> {
    environment: Environment<'a>,
    wrong: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(environment: Environment<'a>) -> Self {
        Self { environment, wrong: Vec::new() }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`SettingsError`] naming every wrong variable.
    pub(crate) fn finish<T>(self, settings: T) -> Result<T, SettingsError> {
        if self.wrong.is_empty() { Ok(settings) } else { Err(SettingsError(self.wrong)) }
    }

    /// A text, or the default.
    pub(crate) fn text(&mut self, setting: &Setting) -> String {
        self.read(setting, |text| Some(text.to_owned())).unwrap_or_default()
    }

    /// A secret, or an empty one.
    pub(crate) fn secret(&mut self, setting: &Setting) -> SecretString {
        SecretString::from(self.text(setting))
    }

    /// A whole number within the range of the setting.
    pub(crate) fn count(&mut self, setting: &Setting) -> u32 {
        self.count_if_set(setting).unwrap_or_default()
    }

    /// A whole number, `None` where the profile decides.
    pub(crate) fn count_if_set(&mut self, setting: &Setting) -> Option<u32> {
        let Kind::Count(range) = &setting.kind else { return None };
        self.read(setting, |text| text.parse().ok().filter(|count| range.contains(count)))
    }

    /// A time within the range of the setting.
    pub(crate) fn seconds(&mut self, setting: &Setting) -> Duration {
        self.seconds_if_set(setting).unwrap_or_default()
    }

    /// A time, `None` where the profile decides.
    pub(crate) fn seconds_if_set(&mut self, setting: &Setting) -> Option<Duration> {
        let Kind::Seconds(range) = &setting.kind else { return None };
        let allowed = f64::from(*range.start())..=f64::from(*range.end());
        self.read(setting, |text| {
            let seconds: f64 = text.parse().ok()?;
            allowed.contains(&seconds).then(|| Duration::from_secs_f64(seconds))
        })
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, setting: &Setting) -> bool {
        let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        self.read(setting, flag).unwrap_or_default()
    }

    /// One of the words of the setting.
    pub(crate) fn word(&mut self, setting: &Setting) -> &'static str {
        let Kind::Word(words) = setting.kind else { return "" };
        self.read(setting, |text| words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied())
            .unwrap_or_default()
    }

    /// The first variable that is set, else the default, as `parse` reads it. What it refuses is remembered.
    fn read<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let Some((name, text)) = self.first_set(setting) else {
            return match setting.default {
                Default::Is(text) => parse(text),
                Default::Profile => None,
                Default::Required => {
                    self.wrong.push(format!("{} has to be set: {}", setting.name, setting.help));
                    None
                }
            };
        };
        let value = parse(&text);
        if value.is_none() {
            let shown: String = text.chars().take(SHOWN_MAX).collect();
            self.wrong.push(format!("{name} must be {}, not {shown:?}", setting.kind));
        }
        value
    }

    /// A variable that is set to nothing counts as not set.
    fn first_set(&self, setting: &Setting) -> Option<(&'static str, String)> {
        let names = std::iter::once(setting.name).chain(setting.aliases.iter().copied());
        names.into_iter().find_map(|name| {
            let text = (self.environment)(name)?.trim().to_owned();
            (!text.is_empty()).then_some((name, text))
        })
    }
}
