//! The rules that a finding can break, and their names.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// Declares the rules, so that none can be missing in [`Rule::all`].
macro_rules! rules {
    ($($(#[$meta:meta])* $rule:ident = $name:literal,)*) => {
        /// The rule that a finding breaks.
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
    /// A statement reads a table, or more of it than it may, without the index that should serve it.
    Unserved = "unserved",
    /// A statement uses an index that its operation does not declare.
    Undeclared = "undeclared",
    /// An operation declares an index that none of its cases uses.
    Unclaimed = "unclaimed",
    /// A sort goes to disk, or rows are read to be thrown away, or an index-only scan visits the table.
    Wasteful = "wasteful",
    /// A statement handles many more rows than it returns or changes.
    Unbounded = "unbounded",
    /// A case sends one statement more than twice.
    Repeated = "repeated",
    /// A branch of an operation, or a kind of value, that no case shows.
    Branch = "branch",
    /// A declared bound or budget that no case needs.
    Unproven = "unproven",
    /// A table with so little data that nothing is proven by reading it.
    Unseeded = "unseeded",
    /// The plan that a prepared statement changes to after five runs is not served.
    GenericPlan = "generic-plan",
    /// The pages that are read grow with the table.
    Growth = "growth",
    /// The replay did not do what the run did.
    Replay = "replay",
    /// More statements than declared, or a number that depends on the data.
    Budget = "budget",
    /// Statistics of another sample choose another plan.
    UnstablePlan = "unstable-plan",
    /// A statement that was seen belongs to no operation, or an operation has no case.
    Coverage = "coverage",
    /// An index that nothing needs.
    Unneeded = "unneeded",
    /// A mutant that no case noticed.
    Survived = "survived",
    /// A fault in the schema that shows without any query.
    Catalogue = "catalogue",
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no rule has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no rule is called `{0}`; the rules are {names}", names = names())]
pub struct UnknownRule(String);

fn names() -> String {
    Rule::all().iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Rule {
    type Err = UnknownRule;

    /// Finds the rule of that name, in kebab, snake or camel case.
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
    fn name_in_any_case_is_understood() {
        for name in ["generic-plan", "generic_plan", "GenericPlan"] {
            assert_eq!(name.parse(), Ok(Rule::GenericPlan));
        }
    }

    #[test]
    fn unknown_name_is_answered_by_list() {
        let said = "grwoth".parse::<Rule>().unwrap_err().to_string();
        assert!(
            said.starts_with("no rule is called `grwoth`; the rules are unserved, undeclared,"),
            "{said}"
        );
    }
}
