//! One setting: its names, its default, what is allowed, what it is for. Help, errors and reading all go by it.

use std::fmt;
use std::ops::RangeInclusive;

/// A setting that is read from the environment.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The variable that it is read from.
    pub(crate) name: &'static str,
    /// Other names for it. The first variable that is set counts.
    pub(crate) aliases: &'static [&'static str],
    /// What it is when no variable is set.
    pub(crate) default: Default,
    /// What is allowed.
    pub(crate) kind: Kind,
    /// What it is for.
    pub(crate) help: &'static str,
}

/// What a setting is when no variable is set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Default {
    /// This, as it would be written.
    Is(&'static str),
    /// What `DB_PROFILE` says.
    Profile,
    /// It has to be set.
    Required,
}

/// What may be written.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// Any text, that is never shown.
    Secret,
    /// A whole number.
    Count(RangeInclusive<u32>),
    /// Seconds, with a fraction where wanted.
    Seconds(RangeInclusive<u32>),
    /// Yes or no.
    Flag,
    /// One of some words, in any case.
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
            Default::Required => "has to be set",
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
