//! Connection parameters of a connection string, with defaults from the `PG*` environment variables.
//!
//! Code that uses a parameter takes it out. [`Parameters::finish`] rejects parameters that were not taken, so that none
//! is silently ignored. No error contains a value, which may be part of an unencoded password.

mod key_value;
mod known;
mod url;

use crate::error::UrlError;
use known::{Known, Rule};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::RangeInclusive;

/// Looks up an environment variable.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A name and a value in a connection string.
struct Assignment {
    name: String,
    value: String,
}

/// Parsed connection string.
#[derive(Default)]
struct Assignments {
    /// Parameters by name.
    named: Vec<Assignment>,
    /// Parameters from the authority and the path of a URL. Named parameters override them, as in libpq.
    positional: Vec<Assignment>,
    /// True if a later value may replace an earlier one.
    may_repeat: bool,
    /// True if a name may be part of a password that was not percent-encoded.
    has_stray_at_sign: bool,
}

/// Value and origin of a parameter.
pub(crate) struct Parameter {
    pub(crate) value: String,
    /// Name of the parameter or of the environment variable.
    pub(crate) origin: &'static str,
    /// True if the parameter is in the connection string, false if it comes from the environment.
    pub(crate) is_explicit: bool,
}

impl Parameter {
    /// Returns an error that names the parameter and continues with `text`.
    pub(crate) fn refused(&self, text: &str) -> UrlError {
        UrlError(format!("{} {text}", self.origin))
    }
}

/// The parameters of a connection string and the environment.
pub(crate) struct Parameters<'a> {
    given: BTreeMap<&'static str, Parameter>,
    environment: Environment<'a>,
}

impl<'a> Parameters<'a> {
    /// Parses `text`, a `postgres://` URL or `key=value` pairs, and adds defaults from the environment.
    ///
    /// # Errors
    /// Returns [`UrlError`] if `text` is malformed, has duplicate or unknown parameters, or if a parameter or a
    /// variable is unsupported.
    pub(crate) fn read(text: &str, environment: Environment<'a>) -> Result<Self, UrlError> {
        let assignments = match url::without_scheme(text) {
            Some(rest) => url::read(rest)?,
            None => key_value::read(text)?,
        };
        let mut parameters = Self { given: BTreeMap::new(), environment };
        let mut secret_before = assignments.has_stray_at_sign;
        for Assignment { name, value } in assignments.named {
            let Some((known, origin)) = known::find(&name) else {
                return Err(unknown(&name, secret_before));
            };
            secret_before |= known.is_secret();
            let parameter = Parameter { value, origin, is_explicit: true };
            known.check(&parameter)?;
            if parameters.given.insert(known.name, parameter).is_some() && !assignments.may_repeat {
                return Err(UrlError(format!("{origin} is given twice: give it once")));
            }
        }
        for Assignment { name, value } in assignments.positional {
            if let Some((known, origin)) = known::find(&name) {
                let parameter = Parameter { value, origin, is_explicit: true };
                known.check(&parameter)?;
                parameters.given.entry(known.name).or_insert(parameter);
            }
        }
        parameters.complete()?;
        Ok(parameters)
    }

    fn complete(&mut self) -> Result<(), UrlError> {
        for known in known::ALL {
            if let Some(variable) = known.variable.filter(|_| !self.given.contains_key(known.name))
                && let Some(value) = self.variable(variable)?
            {
                let parameter = Parameter { value, origin: variable, is_explicit: false };
                known.check(&parameter)?;
                self.given.insert(known.name, parameter);
            }
        }
        Ok(())
    }

    /// Returns an environment variable; `None` if it is unset or empty.
    pub(crate) fn variable(&self, name: &str) -> Result<Option<String>, UrlError> {
        let value = (self.environment)(name).filter(|value| !value.is_empty());
        let text =
            value.map(|value| value.into_string().map_err(|_| UrlError(format!("{name} is not UTF-8"))));
        text.transpose()
    }

    /// Takes the parameter `name`.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Parameter> {
        self.given.remove(name)
    }

    /// Returns true if the parameter `name` is in the connection string and was not taken.
    pub(crate) fn is_explicit(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|parameter| parameter.is_explicit)
    }

    /// Takes the value of the parameter `name`.
    pub(crate) fn take_value(&mut self, name: &'static str) -> Option<String> {
        self.take(name).map(|parameter| parameter.value)
    }

    /// Takes a number of `unit`.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the value is not a whole number in `range`.
    pub(crate) fn take_number(
        &mut self,
        name: &'static str,
        unit: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, UrlError> {
        let Some(parameter) = self.take(name) else { return Ok(None) };
        match parameter.value.parse().ok().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (least, most) = range.into_inner();
                Err(parameter.refused(&format!("is not a whole number of {unit} from {least} to {most}")))
            }
        }
    }

    /// Takes a word and returns its meaning.
    ///
    /// # Errors
    /// Returns [`UrlError`] if the value is none of `words`.
    pub(crate) fn take_word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, UrlError> {
        let Some(parameter) = self.take(name) else { return Ok(None) };
        match words.iter().find(|(word, _)| *word == parameter.value) {
            Some((_, meaning)) => Ok(Some(*meaning)),
            None => {
                let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                Err(parameter.refused(&format!("has an unsupported value: use {}", all.join(", "))))
            }
        }
    }

    /// Checks that every parameter of the connection string was taken. Environment variables may be unused, since they
    /// are shared by many connection strings.
    ///
    /// # Errors
    /// Returns [`UrlError`] with the name of a parameter that would be ignored.
    pub(crate) fn finish(self) -> Result<(), UrlError> {
        let ignored = known::ALL.iter().find_map(|known| {
            let parameter = self.given.get(known.name).filter(|parameter| parameter.is_explicit)?;
            match known.rule {
                Rule::Used(condition) => {
                    Some(parameter.refused(&format!("would be ignored: {condition}; leave it out")))
                }
                _ => None,
            }
        });
        ignored.map_or(Ok(()), Err)
    }
}

impl Known {
    /// Checks the rules that apply to every value.
    fn check(&self, parameter: &Parameter) -> Result<(), UrlError> {
        if parameter.value.is_empty() {
            return Err(parameter.refused("is empty: give a value or leave it out"));
        }
        if parameter.value.contains('\0') {
            return Err(parameter.refused("contains a zero byte"));
        }
        match self.rule {
            Rule::Only(values, advice) if !values.contains(&&*parameter.value.to_ascii_lowercase()) => {
                Err(parameter.refused(advice))
            }
            Rule::Refused(advice) => Err(parameter.refused(advice)),
            Rule::Only(..) | Rule::Used(_) => Ok(()),
        }
    }
}

fn unknown(name: &str, secret_before: bool) -> UrlError {
    let is_word = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if secret_before || !is_word {
        return UrlError(
            "a parameter is unknown. Its name is not shown, since it may be part of a password: percent-encode \
             special characters in a URL, put values with spaces in single quotes elsewhere"
                .to_owned(),
        );
    }
    UrlError(format!("{name} is not a known parameter: leave it out"))
}

#[cfg(test)]
mod tests;
