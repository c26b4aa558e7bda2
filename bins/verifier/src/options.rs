//! What the verifier is asked to do.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use steadfast_plans::Rule;

/// How to read a finding, from the root of the repository.
pub(crate) const GUIDE: &str = "docs/plan-gate.md";

/// Proves that every operation is served by its index, and that every index is needed.
#[derive(Debug, Parser)]
#[command(name = "steadfast-verifier", version)]
pub(crate) struct Options {
    /// How much data: `small` has 100,000 rows in the largest table, `full` a million.
    #[arg(long, value_enum, default_value = "small")]
    pub(crate) scale: Scale,
    /// Only operations whose name begins so. Checks that need all of them are skipped, and listed in the report.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) only: Option<String>,
    /// Change each index in every way there is, and see whether the cases notice.
    #[arg(long)]
    pub(crate) mutate: bool,
    /// Hold what the server has seen of the application's role since its statistics were reset against the operations.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Hold which parameters were NULL in the tests against the cases: what their processes recorded in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) binds: Option<PathBuf>,
    /// Print what a rule means, why it exists, an example, and what to do; verify nothing.
    #[arg(long, value_name = "RULE")]
    pub(crate) explain: Option<Rule>,
    /// The table of ICD-10-CM codes.
    #[arg(long, value_name = "FILE", default_value = "data/icd10cm-2026-04.csv.gz")]
    pub(crate) release: PathBuf,
    /// Write the report there as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report there as Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
}

/// How much data the larger of the two databases holds; the smaller one holds a tenth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scale {
    /// 100,000 rows; the table of codes once.
    Small,
    /// 1,000,000 rows; the table of codes ten times.
    Full,
}

impl Scale {
    /// Rows of the largest table, in the smaller and in the larger database.
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
    fn unknown_rule_is_refused_with_list_and_exit_code_two() {
        let refused = Options::try_parse_from(["verifier", "--explain", "grwoth"]).expect_err("a slip");
        assert!(refused.to_string().contains("the rules are unserved,"), "{refused}");
        assert_eq!(refused.exit_code(), 2);
    }
}
