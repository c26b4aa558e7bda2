//! Tests of the guide for operators.

use anyhow::{Context as _, Result};
use std::path::Path;
use steadfast_plans::Rule;

#[test]
fn guide_has_section_for_each_rule() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plan-gate.md");
    let guide = std::fs::read_to_string(path)?;
    let (_, rules) = guide.split_once("\n## Rules\n").context("a section of the rules")?;
    let sections: Vec<_> = rules.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let expected: Vec<_> = Rule::all().iter().map(|rule| format!("`{rule}`")).collect();
    assert_eq!(sections, expected);
    Ok(())
}

#[test]
fn pages_fit_120_columns() -> Result<()> {
    for page in ["plan-gate.md", "plans.md"] {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page))?;
        let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 120).collect();
        assert!(wide.is_empty(), "{page}: {wide:#?}");
    }
    Ok(())
}
