//! Tests of reports: equal facts in any order give equal text.

use steadfast_plans::{
    AblationRow, CaseRow, DocumentedRow, Finding, Growth, KilledBy, Mutant, MutantKind, MutantOutcome,
    OperationRow, Report, Rule, Score, StatementOutcome, Work,
};

fn finding(subject: &str, rule: Rule) -> Finding {
    Finding::new(rule, subject, "an index", "none", "make one")
}

fn row(operation: &str, statement: usize) -> OperationRow {
    OperationRow {
        operation: operation.to_owned(),
        statement,
        cases: 4,
        indexes: vec!["trees_pkey".to_owned()],
        shape: "Index Scan trees_pkey".to_owned(),
        buffers: 4,
        plan_kind: "generic".to_owned(),
        ..OperationRow::default()
    }
}

fn score() -> Score {
    let outcome = |name: &str, killed_by| {
        let mutant = Mutant {
            name: name.to_owned(),
            kind: MutantKind::Drop,
            index: "a".to_owned(),
            statements: vec![],
        };
        MutantOutcome { mutant, killed_by }
    };
    Score::of(&[
        outcome("drop trees_pkey", KilledBy::Verdict),
        outcome("drop trees_girth", KilledBy::Equivalent),
    ])
}

fn case(case: &str) -> CaseRow {
    let read = |buffers| StatementOutcome {
        sql: "SELECT".to_owned(),
        buffers,
        q_error: 1.5,
        ..StatementOutcome::default()
    };
    let growth = Growth {
        operation: "trees.get".to_owned(),
        case: case.to_owned(),
        statement: "SELECT".to_owned(),
        small: 4,
        large: 5,
        work_small: Work::default(),
        work_large: Work::default(),
        bound: 14,
        bound_of_rows: Some(1_000),
    };
    CaseRow {
        operation: "trees.get".to_owned(),
        case: case.to_owned(),
        statements: vec![read(4)],
        statements_at_ten: vec![read(5)],
        growth: vec![growth],
    }
}

fn report() -> Report {
    let listed = OperationRow {
        indexes: vec!["trees_tall".to_owned(), "trees_short".to_owned()],
        shape: "Limit (Sort (Index Scan trees_tall))".to_owned(),
        buffers: 120,
        buffers_at_ten: Some(131),
        may_grow: Some("per match: the page".to_owned()),
        ..row("trees.list", 2)
    };
    let ablated = |index: &str, without| AblationRow {
        index: index.to_owned(),
        case: "trees.get one".to_owned(),
        with: 4,
        without,
    };
    let girth = DocumentedRow {
        index: "trees_girth".to_owned(),
        by: "the foresters' list".to_owned(),
        bytes: 8192,
        wal_bytes_per_insert: Some(72),
    };
    Report {
        server: "15.18".to_owned(),
        settings: [("jit".to_owned(), "off".to_owned())].into(),
        operations: vec![row("trees.get", 1), row("trees.list", 1), listed],
        cases: vec![case("one"), case("two")],
        documented: vec![girth],
        ablation: vec![ablated("trees_pkey", Some(900)), ablated("trees_stamp_key", None)],
        mutation: Some(score()),
        notes: vec![finding("trees.species", Rule::Catalogue)],
        skipped: vec!["what each index saves, because of --only trees.".to_owned()],
        findings: vec![finding("trees.burn", Rule::Coverage), finding("trees.fell", Rule::Unserved)],
    }
}

#[test]
fn markdown_has_section_for_each_operation() {
    let expected = include_str!("report/plans.md");
    assert_eq!(report().to_markdown(), expected);
}

#[test]
fn text_has_findings_skipped_checks_and_totals() {
    let expected = "\
coverage: trees.burn
  expected    an index
  happened    none
  what to do  make one

unserved: trees.fell
  expected    an index
  happened    none
  what to do  make one

not checked: what each index saves, because of --only trees.
mutants: 2 generated: 1 killed by verdict, 0 by buffers, 0 by error, 1 equivalent, 0 survived, 0 unjudged
PostgreSQL 15.18: 2 operations, 3 statements, 2 findings, 1 notes";
    assert_eq!(report().to_string(), expected);
    assert!(!report().is_clean());
}

#[test]
fn sorted_reports_are_independent_of_order() {
    let mut shuffled = report();
    shuffled.operations.reverse();
    shuffled.ablation.reverse();
    shuffled.cases.reverse();
    shuffled.findings.reverse();
    shuffled.findings.push(finding("trees.burn", Rule::Coverage));
    assert_eq!(shuffled.sorted(), report().sorted());
    assert_eq!(report().sorted(), report());
}

#[test]
fn json_has_all_facts() {
    let json: serde_json::Value = serde_json::from_str(&report().to_json().unwrap()).unwrap();
    assert_eq!(json["operations"][2]["buffers_at_ten"], 131);
    assert_eq!(json["mutation"]["kinds"]["drop"]["generated"], 2);
    assert_eq!(json["findings"][0]["rule"], "coverage");
    assert_eq!(json["cases"][1]["case"], "two");
    assert_eq!(json["cases"][0]["statements_at_ten"][0]["q_error"], 1.5);
    assert_eq!(json["cases"][0]["growth"][0]["bound"], 14);
}

#[test]
fn json_of_merged_finding_has_each_case() {
    let in_case = |case: &str, pages: u32| Finding {
        case: case.to_owned(),
        statement: "SELECT 1".to_owned(),
        found: format!("{pages} pages"),
        ..finding("trees.fell", Rule::Growth)
    };
    let findings = vec![in_case("few", 20), in_case("many", 900), in_case("none", 30)];
    let report = Report { findings, ..Report::default() }.sorted();
    assert!(report.to_string().ends_with("1 findings, 0 notes"), "{report}");
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    let [finding] = &json["findings"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!((&finding["case"], &finding["found"]), (&"many".into(), &"900 pages".into()));
    assert_eq!(finding["also_in"][0]["case"], "few");
    assert_eq!(finding["also_in"][1]["found"], "30 pages");
}

#[test]
fn empty_report_has_no_empty_sections() {
    let report = Report { server: "18.4".to_owned(), ..Report::default() };
    assert!(report.is_clean());
    assert!(report.to_markdown().ends_with("\n\nMeasured on PostgreSQL 18.4.\n"));
    assert!(!report.to_markdown().contains("##"));
}
