//! Definition of a setting, from which help, errors and parsing are derived.

use std::fmt;
use std::ops::RangeInclusive;

/// Setting that is read from the environment.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Name of the variable.
    pub(crate) name: &'static str,
    /// Other names of the variable. The first one that is set counts.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) default: Default,
    /// Allowed values.
    pub(crate) kind: Kind,
    /// Purpose, for the help text.
    pub(crate) help: &'static str,
}

/// Default of a setting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    /// A value, as it would be written in the variable.
    Is(&'static str),
    /// The value of the profile in `DB_PROFILE`.
    Profile,
    /// None: the variable must be set.
    Required,
}

/// Allowed values of a setting.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Any text. It is never shown.
    Secret,
    /// A whole number.
    Count(RangeInclusive<u32>),
    /// Seconds, optionally with a fraction.
    Seconds(RangeInclusive<u32>),
    /// True or false.
    Flag,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Secret => f.write_str("a text, never shown"),
            Self::Count(range) => write!(f, "a whole number from {} to {}", range.start(), range.end()),
            Self::Seconds(range) => write!(f, "seconds from {} to {}", range.start(), range.end()),
            Self::Flag => f.write_str("true or false"),
            Self::Word(words) => f.write_str(&words.join(", ")),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, aliases, default, kind, help } = self;
        let default = match default {
            Default::Is("") => "not set",
            Default::Is(value) => value,
            Default::Profile => "by DB_PROFILE",
            Default::Required => "required",
        };
        writeln!(f, "  {name}  [{default}]")?;
        writeln!(f, "      {help}")?;
        write!(f, "      Allowed: {kind}.")?;
        if !aliases.is_empty() {
            write!(f, " Also read as {}.", aliases.join(", "))?;
        }
        writeln!(f)
    }
}
