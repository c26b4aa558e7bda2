//! The checks of a verification, and the report that they make.

use super::ablation::{Ablated, ablate};
use super::measurement::{Measurement, Measurements, measure, resample, settle};
use super::options::{Changes, Options};
use super::rows;
use super::seeded::SeededDatabase;
use super::server;
use crate::verdict::Context;
use crate::{
    Catalogue, Claims, Contract, Documented, DocumentedRow, Error, Finding, Judged, Report, Rule, Seen,
    StatementOutcome, branches, never_used, resolved, unclaimed, uncovered, uncovered_binds, unproven,
    unseeded,
};
use std::collections::{BTreeSet, HashSet};

/// Replays the cases that ran on both databases, checks everything that `options` ask for, and returns the report.
pub(super) async fn report(
    small: SeededDatabase,
    mut large: SeededDatabase,
    options: &Options,
) -> Result<Report, Error> {
    options.begin("replays of the cases at both sizes");
    let at_small = measure(&small).await?;
    let mut at_large = measure(&large).await?;
    options.begin("plans that prepared statements settle on");
    large.renew_replays().await?;
    settle(&large.replays, &mut at_large).await?;
    let mut report = Report::default();
    (report.server, report.settings) = server::facts(large.replays.client()).await?;
    if options.samples > 0 {
        options.begin("plans after another ANALYZE");
        report.findings = resample(&mut large.replays, &at_large, options.samples).await?;
    }
    let measured = Measurements { at_small, at_large };
    of_cases(&measured, options, &mut report);
    let each: Vec<&Judged> = measured.each_case().collect();
    let of_tables = unseeded(&large.replays, each, &options.small_tables).await?.into_iter();
    let is_ignored = |table: &str| options.ignored_tables.contains(&table);
    report.findings.extend(of_tables.filter(|finding| !is_ignored(&finding.subject)));
    let catalogue = Catalogue::load(large.replays.client()).await?.without(&options.ignored_tables);
    match &options.partial {
        None => of_all_operations(&measured, [&small, &large], &catalogue, options, &mut report).await?,
        Some(because) => report.skipped = skipped(because, options),
    }
    report.findings = resolved(report.findings, &catalogue);
    Ok(report.sorted())
}

/// Adds what each case shows, and what the cases of each operation show together.
fn of_cases(measured: &Measurements, options: &Options, report: &mut Report) {
    let judged = held(measured, options);
    report.findings.extend(judged.iter().flat_map(|judged| judged.findings.clone()));
    report.notes.extend(judged.iter().flat_map(|judged| judged.notes.clone()));
    if !options.judges_small_size {
        // A statement that cannot be replayed has no figures to compare.
        let light = measured.at_small.iter().filter(|one| !one.is_heavy);
        let of_small = light.flat_map(|one| one.judged.findings.clone());
        report.findings.extend(of_small.filter(|finding| finding.rule == Rule::Replay));
    }
    report.findings.extend(never_used(judged));
    report.operations = rows::rows(&measured.at_small, &measured.at_large);
    let (rows, of_growth) = rows::cases(&measured.at_small, &measured.at_large);
    report.cases = rows;
    report.findings.extend(of_growth);
    report.findings.extend(branches(measured.each_case(), &options.small_tables));
    report.findings.extend(unproven(measured.each_case(), measured.pairs()));
}

/// Returns the cases whose plans count: each case once, or at every size that it ran at.
fn held<'a>(measured: &'a Measurements, options: &Options) -> Vec<&'a Judged> {
    if options.judges_small_size {
        measured.all().map(|one| &one.judged).collect()
    } else {
        measured.each_case().collect()
    }
}

/// Adds the checks that rest on the cases of all operations.
async fn of_all_operations(
    measured: &Measurements,
    databases: [&SeededDatabase; 2],
    catalogue: &Catalogue,
    options: &Options,
    report: &mut Report,
) -> Result<(), Error> {
    let has_case = |contract: &&Contract| {
        measured.at_small.iter().any(|one| one.run.contract.operation == contract.operation)
    };
    let forgotten = options.declared.iter().filter(|contract| !has_case(contract));
    report.findings.extend(forgotten.map(without_case));
    let checked = catalogue.check();
    report.findings.extend(checked.findings);
    report.notes.extend(checked.notes);
    report.findings.extend(unneeded(catalogue, &held(measured, options), &options.documented));
    let mut ablated = Ablated::default();
    if let Some(changes) = options.changes {
        options.begin(if changes == Changes::All { "mutants" } else { "each index dropped" });
        ablated = ablate(catalogue, measured, databases, &options.documented, changes).await?;
    }
    let row = |documented| documented_row(documented, catalogue, &ablated);
    report.documented = options.documented.iter().filter_map(row).collect();
    report.ablation = ablated.rows;
    report.mutation = ablated.score;
    report.findings.extend(ablated.findings);
    if let Some(seen) = &options.seen_binds {
        let runs = measured.at_small.iter().map(|one| &one.run);
        report.findings.extend(uncovered_binds(seen, runs)?);
    }
    if let Some(coverage) = options.coverage {
        options.begin("coverage");
        let [_, large] = databases;
        let seen = Seen::read(large.replays.client(), coverage.role).await?;
        options.begin(&format!("{} different statements were seen", seen.statements.len()));
        report.findings.extend(uncovered(&seen, &query_ids(&measured.at_small), coverage.is_internal)?);
    }
    Ok(())
}

fn query_ids(measured: &[Measurement]) -> HashSet<i64> {
    let statements = measured.iter().flat_map(|one| &one.judged.statements);
    statements.filter_map(|statement| statement.query_id).collect()
}

fn without_case(contract: &Contract) -> Finding {
    let context = Context { contract, case: "", statement: "" };
    context.finding(Rule::Coverage, "a case", "none", "run the operation with values that its callers send")
}

fn unneeded(catalogue: &Catalogue, judged: &[&Judged], documented: &[Documented<'_>]) -> Vec<Finding> {
    let statements = || judged.iter().flat_map(|case| &case.statements);
    let used: BTreeSet<_> = statements().flat_map(StatementOutcome::indexes).cloned().collect();
    let supporting: BTreeSet<_> = statements().flat_map(|statement| statement.behind.clone()).collect();
    unclaimed(catalogue, Claims { used: &used, supporting: &supporting, documented })
}

fn documented_row(
    documented: &Documented<'_>,
    catalogue: &Catalogue,
    ablated: &Ablated,
) -> Option<DocumentedRow> {
    let Documented { index, by } = *documented;
    let bytes = catalogue.index(index)?.bytes;
    let wal_bytes_per_insert = ablated.wal.get(index).copied();
    Some(DocumentedRow { index: index.to_owned(), by: by.to_owned(), bytes, wal_bytes_per_insert })
}

/// Returns the enabled checks that need the cases of all operations.
fn skipped(because: &str, options: &Options) -> Vec<String> {
    let checks = [
        (true, "the schema"),
        (true, "unneeded indexes"),
        (!options.declared.is_empty(), "operations without a case"),
        (options.changes.is_some(), "what each index saves"),
        (options.changes == Some(Changes::All), "mutants"),
        (options.seen_binds.is_some(), "NULL parameters"),
        (options.coverage.is_some(), "coverage"),
    ];
    let asked = checks.into_iter().filter(|(is_asked, _)| *is_asked);
    asked.map(|(_, check)| format!("{check}, because of {because}")).collect()
}
