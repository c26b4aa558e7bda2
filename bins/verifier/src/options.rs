//! Command line.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use steadfast_plans::Rule;

/// Guide for operators, from the root of the repository.
pub(crate) const GUIDE: &str = "docs/plan-gate.md";

/// Verifies that every operation is served by its index, and that every index is needed.
#[derive(Debug, Parser)]
#[command(name = "steadfast-verifier", version)]
pub(crate) struct Options {
    /// Amount of data: `small` has 100,000 rows in the largest table, `full` a million.
    #[arg(long, value_enum, default_value = "small")]
    pub(crate) scale: Scale,
    /// Verify only operations whose name begins with this prefix. Checks that need all operations are skipped, and
    /// listed in the report.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) only: Option<String>,
    /// Also test deliberately broken variants of every index.
    #[arg(long)]
    pub(crate) mutate: bool,
    /// Compare the statements that the application's role has sent to the server with those of the cases.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Compare the NULL parameters that the tests have recorded in this file with those of the cases.
    #[arg(long, value_name = "FILE")]
    pub(crate) binds: Option<PathBuf>,
    /// Print what a rule means, why it exists, an example, and what to do. Verifies nothing.
    #[arg(long, value_name = "RULE")]
    pub(crate) explain: Option<Rule>,
    /// Table of ICD-10-CM codes.
    #[arg(long, value_name = "FILE", default_value = "data/icd10cm-2026-04.csv.gz")]
    pub(crate) release: PathBuf,
    /// Write the report to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report to this file as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// Amount of data in the larger of the two databases; the smaller one has a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// 100,000 rows; the table of codes once.
    Small,
    /// 1,000,000 rows; the table of codes ten times.
    Full,
}

impl Scale {
    /// Returns the rows of the largest table, in the smaller and in the larger database.
    pub(crate) fn rows(self) -> [u64; 2] {
        match self {
            Self::Small => [10_000, 100_000],
            Self::Full => [100_000, 1_000_000],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guide_exists() {
        assert!(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GUIDE).is_file());
    }

    #[test]
    fn unknown_rule_lists_rules_and_exits_with_two() {
        let refused = Options::try_parse_from(["verifier", "--explain", "grwoth"]).expect_err("a slip");
        assert!(refused.to_string().contains("the rules are unserved,"), "{refused}");
        assert_eq!(refused.exit_code(), 2);
    }
}
