//! Rules, and their names.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Declares the rules, so that [`Rule::all`] is complete.
macro_rules! rules {
    ($($(#[$meta:meta])* $rule:ident = $name:literal,)*) => {
        /// Rule that a finding breaks.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $($(#[$meta])* $rule,)*
        }

        impl Rule {
            /// Returns every rule, in the order of a report.
            pub const fn all() -> &'static [Self] {
                &[$(Self::$rule),*]
            }

            /// Returns the name that reports and `--explain` use, in kebab case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }
        }
    };
}

rules! {
    /// A statement reads a whole table, or a whole index, instead of looking up rows.
    Unserved = "unserved",
    /// A statement uses an index that its operation does not declare.
    Undeclared = "undeclared",
    /// An operation declares an index that none of its cases uses.
    Unclaimed = "unclaimed",
    /// Rows are read and thrown away, a sort goes to disk, or an index-only scan visits the table.
    Wasteful = "wasteful",
    /// A statement handles many more rows than it returns or changes.
    Unbounded = "unbounded",
    /// A case sends one statement more than twice.
    Repeated = "repeated",
    /// No case covers a branch of a statement.
    Branch = "branch",
    /// A declared bound or budget that no case needs.
    Unproven = "unproven",
    /// A table that is read has too little data to prove anything.
    Unseeded = "unseeded",
    /// The generic plan that a prepared statement changes to breaks another rule.
    GenericPlan = "generic-plan",
    /// A statement reads more pages of more data than its bound allows.
    Growth = "growth",
    /// The replay differs from the run.
    Replay = "replay",
    /// More statements are sent than declared, or their number depends on the data.
    Budget = "budget",
    /// Another sample of the statistics leads to another plan.
    UnstablePlan = "unstable-plan",
    /// A statement of the tests is sent by no case, or an operation has no case.
    Coverage = "coverage",
    /// Nothing needs an index.
    Unneeded = "unneeded",
    /// No case noticed a mutant.
    Survived = "survived",
    /// The schema has a fault that shows without any query.
    Catalogue = "catalogue",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Error for a name that no rule has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule is called `{0}`; the rules are {names}", names = names())]
pub struct UnknownRule(String);

fn names() -> String {
    Rule::all().iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Rule {
    type Err = UnknownRule;

    /// Parses a name in kebab, snake or camel case.
    fn from_str(name: &str) -> Result<Self, UnknownRule> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        let found = Self::all().iter().find(|rule| plain(rule.name()) == plain(name));
        found.copied().ok_or_else(|| UnknownRule(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_names_in_any_case() {
        for name in ["generic-plan", "generic_plan", "GenericPlan"] {
            assert_eq!(name.parse(), Ok(Rule::GenericPlan));
        }
    }

    #[test]
    fn lists_rules_for_unknown_names() {
        let said = "grwoth".parse::<Rule>().unwrap_err().to_string();
        assert!(
            said.starts_with("no rule is called `grwoth`; the rules are unserved, undeclared,"),
            "{said}"
        );
    }
}
