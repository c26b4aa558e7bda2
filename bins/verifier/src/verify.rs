//! The verification: every case at two sizes, the plans that really run, near ties, ablation, coverage, the catalogue.

use crate::ablation::{Ablated, ablate};
use crate::measure::{Measurement, measure, settle};
use crate::options::Options;
use crate::site::Site;
use crate::{coverage, facts, rows, ties};
use anyhow::Result;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;
use steadfast_plans::{
    Catalogue, Claims, Documented, DocumentedRow, Finding, Judged, Pristine, Report, growth, never_used,
    unclaimed,
};
use steadfast_repository::cases::{self, Case};

/// Tables that are not the program's own, and those of the slot that a first import leaves empty: the same once more.
const LEFT_OUT: [&str; 4] =
    ["__diesel_schema_migrations", "icd10_blue.codes", "icd10_blue.words", "icd10_blue.chapters"];

/// Verifies what `options` ask for.
///
/// # Errors
/// When no verdict can be reached. What is wrong is in the report.
pub(crate) async fn verify(options: &Options) -> Result<Report> {
    say("data of two sizes");
    let [small, large] = Site::both(options.scale, &options.release).await?;
    let all = cases::all();
    let wanted =
        |case: &&Case| options.only.as_ref().is_none_or(|start| case.operation.name().starts_with(start));
    let cases: Vec<&Case> = all.iter().filter(wanted).collect();
    let light: Vec<&Case> = cases.iter().copied().filter(|case| !case.is_heavy).collect();
    say(&format!("{} cases at the smaller size", cases.len()));
    let at_small = measure(&small, &cases).await?;
    say(&format!("{} cases at the larger size", light.len()));
    let mut at_large = measure(&large, &light).await?;
    let mut report = Report::default();
    let (_clone, mut pristine) = large.pristine().await?;
    (report.server, report.settings) = facts::of(pristine.client()).await?;
    say("the plans that really run");
    settle(&pristine, &mut at_large).await?;
    say("other samples");
    report.findings.extend(ties::near_ties(&mut pristine, &at_large).await?);
    report.findings.extend(at_small.iter().chain(&at_large).flat_map(|one| one.judged.findings.clone()));
    report.findings.extend(grown(&at_small, &at_large));
    let judged: Vec<Judged> = at_small.iter().chain(&at_large).map(|one| one.judged.clone()).collect();
    report.findings.extend(never_used(&judged));
    report.operations = rows::rows(&at_small, &at_large);
    if options.only.is_none() {
        whole(options, &large, &at_large, &pristine, &judged, &mut report).await?;
    }
    if options.coverage {
        say("coverage");
        let coverage = coverage::coverage(&at_small).await?;
        say(&format!("{} different statements were seen", coverage.statements));
        report.findings.extend(coverage.findings);
    }
    Ok(report)
}

/// Tells what comes next, and how long the verification has taken so far.
fn say(what: &str) {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    eprintln!("verify {:>4.0} s: {what}", BEGAN.elapsed().as_secs_f64());
}

/// What can be said only when all operations were looked at.
async fn whole(
    options: &Options,
    site: &Site,
    measured: &[Measurement],
    pristine: &Pristine,
    judged: &[Judged],
    report: &mut Report,
) -> Result<()> {
    let catalogue = Catalogue::load(pristine.client()).await?.without(&LEFT_OUT);
    let checked = catalogue.check();
    report.findings.extend(checked.findings);
    report.notes.extend(checked.notes);
    let documented = cases::documented();
    let demanded: Vec<Documented<'_>> =
        documented.iter().map(|(index, by)| Documented { index, by }).collect();
    let statements = || judged.iter().flat_map(|one| &one.statements);
    let used: BTreeSet<String> = statements().flat_map(|one| one.indexes()).cloned().collect();
    let supporting: BTreeSet<String> = statements().flat_map(|one| one.behind.clone()).collect();
    let claims = Claims { used: &used, supporting: &supporting, documented: &demanded };
    report.findings.extend(unclaimed(&catalogue, claims));
    say(if options.mutate { "mutants" } else { "each index dropped" });
    let names: Vec<&str> = documented.iter().map(|(index, _)| *index).collect();
    let ablated = ablate(site, &catalogue, measured, &names, options.mutate).await?;
    report.documented =
        documented.iter().filter_map(|demand| documented_row(*demand, &catalogue, &ablated)).collect();
    report.ablation = ablated.rows;
    report.mutation = ablated.score;
    report.findings.extend(ablated.findings);
    Ok(())
}

fn documented_row(
    (index, by): (&str, &str),
    catalogue: &Catalogue,
    ablated: &Ablated,
) -> Option<DocumentedRow> {
    let bytes = catalogue.index(index)?.bytes;
    let wal_bytes_per_insert = ablated.wal.get(index).copied();
    Some(DocumentedRow { index: index.to_owned(), by: by.to_owned(), bytes, wal_bytes_per_insert })
}

/// The growth of each case from the smaller size to the larger one.
fn grown(small: &[Measurement], large: &[Measurement]) -> Vec<Finding> {
    let same = |a: &Judged, b: &Judged| (&a.contract.operation, &a.case) == (&b.contract.operation, &b.case);
    let pairs = small.iter().filter_map(|before| {
        let after = large.iter().find(|after| same(&before.judged, &after.judged))?;
        Some(growth(&before.judged, &after.judged).1)
    });
    pairs.flatten().collect()
}
