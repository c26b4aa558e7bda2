//! The verification: every case at two sizes, the plans that really run, near ties, ablation, coverage, the catalogue.

use crate::ablation::{Ablated, Ground, ablate};
use crate::measure::{Measurement, measure, settle};
use crate::options::Options;
use crate::site::Site;
use crate::{coverage, facts, rows, ties};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;
use steadfast_plans::{
    Catalogue, Claims, Documented, DocumentedRow, Judged, Report, SeenBinds, SmallTable, branches,
    never_used, resolved, unclaimed, uncovered_binds, unproven, unseeded,
};
use steadfast_repository::cases::{self, Case};

/// Tables that are not the program's own, and those of the slot that a first import leaves empty: the same once more.
const LEFT_OUT: [&str; 4] =
    ["__diesel_schema_migrations", "icd10_blue.codes", "icd10_blue.words", "icd10_blue.chapters"];

/// The two sizes of the data, and the cases on each: the heavy ones on the smaller one alone.
struct Measured {
    small: Site,
    large: Site,
    at_small: Vec<Measurement>,
    at_large: Vec<Measurement>,
}

/// Verifies what `options` ask for.
///
/// # Errors
/// When no verdict can be reached. What is wrong is in the report.
pub(crate) async fn verify(options: &Options) -> Result<Report> {
    let all = cases::all()?;
    let wanted = wanted(&all, options.only.as_deref())?;
    let light: Vec<&Case> = wanted.iter().copied().filter(|case| !case.is_heavy).collect();
    say("data of two sizes");
    let [small, large] = Site::both(options.scale, &options.release).await?;
    say(&format!("{} cases at the smaller size", wanted.len()));
    let at_small = measure(&small, &wanted).await?;
    say(&format!("{} cases at the larger size", light.len()));
    let at_large = measure(&large, &light).await?;
    let mut measured = Measured { small, large, at_small, at_large };
    let mut report = Report::default();
    let (_clone, mut pristine) = measured.large.pristine().await?;
    (report.server, report.settings) = facts::of(pristine.client()).await?;
    say("the plans that really run");
    settle(&pristine, &mut measured.at_large).await?;
    say("other samples");
    report.findings.extend(ties::of_samples(&mut pristine, &measured.at_large).await?);
    report.findings.extend(measured.judged().flat_map(|judged| judged.findings.clone()));
    report.notes.extend(measured.judged().flat_map(|judged| judged.notes.clone()));
    report.findings.extend(never_used(&measured.judged().cloned().collect::<Vec<_>>()));
    report.operations = rows::rows(&measured.at_small, &measured.at_large);
    let (of_cases, of_growth) = rows::cases(&measured.at_small, &measured.at_large);
    report.cases = of_cases;
    report.findings.extend(of_growth);
    let each: Vec<Judged> = measured.each_case().cloned().collect();
    let small = small_tables();
    report.findings.extend(branches(&each, &small));
    report.findings.extend(unproven(&each, measured.pairs()));
    let of_tables = unseeded(&pristine, &each, &small).await?.into_iter();
    report.findings.extend(of_tables.filter(|finding| !LEFT_OUT.contains(&finding.subject.as_str())));
    let catalogue = Catalogue::load(pristine.client()).await?.without(&LEFT_OUT);
    match &options.only {
        None => whole(options, &measured, &catalogue, &mut report).await?,
        Some(prefix) => report.skipped = skipped(prefix, &all, wanted.len(), options),
    }
    report.findings = resolved(report.findings, &catalogue);
    Ok(report)
}

fn small_tables() -> Vec<SmallTable<'static>> {
    let declared = cases::small_tables().into_iter();
    declared.map(|(table, rows, because)| SmallTable { table, rows, because }).collect()
}

/// What `--only` leaves out, since it can be said only of all operations.
fn skipped(prefix: &str, all: &[Case], run: usize, options: &Options) -> Vec<String> {
    let names = |wanted: bool| -> BTreeSet<&str> {
        let names = all.iter().map(|case| case.operation.name());
        names.filter(|name| name.starts_with(prefix) == wanted).collect()
    };
    let because = format!("because of --only {prefix}");
    let (operations, cases) = (names(false).len(), all.len() - run);
    let mut skipped = vec![format!("{operations} operations with {cases} cases, {because}")];
    let always = [(true, "the schema"), (true, "unneeded indexes"), (true, "what each index saves")];
    let asked = [
        (options.mutate, "mutants"),
        (options.binds.is_some(), "NULL parameters"),
        (options.coverage, "coverage"),
    ];
    let checks = always.into_iter().chain(asked).filter(|(is_asked, _)| *is_asked);
    skipped.extend(checks.map(|(_, check)| format!("{check}, {because}")));
    skipped
}

/// The cases of the operations whose name begins with `only`.
fn wanted<'a>(all: &'a [Case], only: Option<&str>) -> Result<Vec<&'a Case>> {
    let start = only.unwrap_or_default();
    let wanted: Vec<&Case> = all.iter().filter(|case| case.operation.name().starts_with(start)).collect();
    ensure!(!wanted.is_empty(), "--only {start}: no operation's name begins so");
    Ok(wanted)
}

impl Measured {
    /// Each case once: at the larger size, and the heavy ones at the smaller size.
    fn each_case(&self) -> impl Iterator<Item = &Judged> {
        let heavy = self.at_small.iter().filter(|one| one.is_heavy);
        self.at_large.iter().chain(heavy).map(|one| &one.judged)
    }

    /// The cases that ran at both sizes, the smaller size first.
    fn pairs(&self) -> impl Iterator<Item = (&Judged, &Judged)> {
        let larger = |one: &Measurement| rows::at(&self.at_large, one).map(|larger| &larger.judged);
        self.at_small.iter().filter_map(move |one| Some((&one.judged, larger(one)?)))
    }

    fn judged(&self) -> impl Iterator<Item = &Judged> {
        self.at_small.iter().chain(&self.at_large).map(|one| &one.judged)
    }
}

/// Tells what comes next, and how long the verification has taken so far.
fn say(what: &str) {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    eprintln!("verify {:>4.0} s: {what}", BEGAN.elapsed().as_secs_f64());
}

/// What can be said only when all operations were looked at.
async fn whole(
    options: &Options,
    measured: &Measured,
    catalogue: &Catalogue,
    report: &mut Report,
) -> Result<()> {
    let checked = catalogue.check();
    report.findings.extend(checked.findings);
    report.notes.extend(checked.notes);
    let documented = cases::documented();
    let demanded: Vec<Documented<'_>> =
        documented.iter().map(|(index, by)| Documented { index, by }).collect();
    let statements = || measured.judged().flat_map(|one| &one.statements);
    let used: BTreeSet<String> = statements().flat_map(|one| one.indexes()).cloned().collect();
    let supporting: BTreeSet<String> = statements().flat_map(|one| one.behind.clone()).collect();
    let claims = Claims { used: &used, supporting: &supporting, documented: &demanded };
    report.findings.extend(unclaimed(catalogue, claims));
    say(if options.mutate { "mutants" } else { "each index dropped" });
    let names: Vec<&str> = documented.iter().map(|(index, _)| *index).collect();
    let light = Ground { site: &measured.large, measured: measured.at_large.iter().collect() };
    let heavy = measured.at_small.iter().filter(|one| one.is_heavy);
    let heavy = Ground { site: &measured.small, measured: heavy.collect() };
    let ablated = ablate(catalogue, &light, &heavy, &names, options.mutate).await?;
    report.documented =
        documented.iter().filter_map(|demand| documented_row(*demand, catalogue, &ablated)).collect();
    report.ablation = ablated.rows;
    report.mutation = ablated.score;
    report.findings.extend(ablated.findings);
    let runs = || measured.at_small.iter().map(|one| &one.run);
    if let Some(path) = &options.binds {
        report.findings.extend(uncovered_binds(&SeenBinds::read(path)?, runs())?);
    }
    if options.coverage {
        say("coverage");
        let coverage = coverage::coverage(&measured.at_small).await?;
        say(&format!("{} different statements were seen", coverage.statements));
        report.findings.extend(coverage.findings);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn skipped_checks_and_operations_are_named() {
        let all = cases::all().expect("valid inputs");
        let options = Options::parse_from(["verifier", "--only", "keys.", "--coverage", "--binds", "x"]);
        let run = wanted(&all, Some("keys.")).expect("some").len();
        let skipped = skipped("keys.", &all, run, &options);
        let others = all.iter().filter(|case| !case.operation.name().starts_with("keys."));
        let operations: BTreeSet<&str> = others.clone().map(|case| case.operation.name()).collect();
        let count =
            format!("{} operations with {} cases, because of --only keys.", operations.len(), others.count());
        assert_eq!(skipped[0], count);
        let checks: Vec<_> = skipped[1..].iter().filter_map(|skipped| skipped.split(',').next()).collect();
        assert_eq!(
            checks,
            ["the schema", "unneeded indexes", "what each index saves", "NULL parameters", "coverage"]
        );
    }

    #[test]
    fn a_prefix_that_no_operation_has_is_refused_and_named() {
        let all = cases::all().expect("valid inputs");
        assert_eq!(wanted(&all, None).expect("all").len(), all.len());
        let keys = wanted(&all, Some("keys.")).expect("some");
        assert!(keys.iter().all(|case| case.operation.name().starts_with("keys.")) && keys.len() > 10);
        let refused = wanted(&all, Some("kesy.")).expect_err("a slip").to_string();
        assert_eq!(refused, "--only kesy.: no operation's name begins so");
    }
}
