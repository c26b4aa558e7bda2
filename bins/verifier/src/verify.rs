//! Verification of the service: gives its seeds, cases and store to [`Verification`].

use crate::internal::is_internal;
use crate::options::Options;
use crate::seeds::{Seeds, recorded_store};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;
use steadfast_plans::{Contract, Error, ProgramDatabase, Report, SeenBinds, Verification};
use steadfast_repository::cases::{self, Case};
use steadfast_testkit::{APPLICATION_ROLE, TestDatabase};

/// Table of migrations, and tables of the release slot that a first import leaves empty.
const IGNORED: [&str; 4] =
    ["__diesel_schema_migrations", "icd10_blue.codes", "icd10_blue.words", "icd10_blue.chapters"];

/// Number of further ANALYZEs that plans must withstand.
const SAMPLES: u32 = 2;

/// Verifies what `options` ask for.
///
/// # Errors
/// Returns an error if no verdict can be reached. Faults are findings in the report.
pub(crate) async fn verify(options: &Options) -> Result<Report> {
    let all = cases::all()?;
    let wanted = wanted(&all, options.only.as_deref())?;
    let seen_binds = options.binds.as_ref().map(|path| SeenBinds::read(path)).transpose()?;
    begin("data of two sizes");
    let seeds = Seeds::read(options.scale, &options.release)?;
    let migrate = async |url: &str| steadfast_schema::migrate(url).await.map(|_| ());
    // The template of the tests, because ids of statements depend on ids of tables.
    let migrated = TestDatabase::from_template("steadfast", steadfast_schema::fingerprint(), migrate).await;
    let migrated = migrated.context("the database to seed could not be made")?;
    let build = async |url: &str, amount| seeds.fill(url, amount).await;
    let cases = async |verification: &mut Verification| {
        declare(verification, options);
        if let Some(seen) = seen_binds {
            verification.null_parameters(seen);
        }
        run(verification, &wanted).await
    };
    let mut report = Verification::run_on_copies(&migrated.url(), build, cases).await?;
    if let Some(prefix) = &options.only {
        report.skipped.insert(0, left_out(prefix, &all));
    }
    Ok(report)
}

/// Switches on every check, and those that `options` ask for.
fn declare(verification: &mut Verification, options: &Options) {
    verification.progress(begin);
    verification.judge_small_size();
    verification.resample(SAMPLES);
    IGNORED.iter().for_each(|table| verification.ignore_table(table));
    for (table, rows, because) in cases::small_tables() {
        verification.small_table(table, rows, because);
    }
    for (index, by) in cases::documented() {
        verification.documented(index, by);
    }
    verification.ablate();
    if options.mutate {
        verification.mutate();
    }
    if options.coverage {
        verification.coverage(APPLICATION_ROLE, is_internal);
    }
    if let Some(prefix) = &options.only {
        verification.partial(format!("--only {prefix}"));
    }
}

async fn run(verification: &mut Verification, wanted: &[&Case]) -> Result<(), Error> {
    begin(&format!("{} cases at both sizes", wanted.len()));
    for case in wanted {
        let contract = Contract::from(case.operation);
        let described = steadfast_plans::Case::new(contract, case.name).expects(case.served_by);
        let program = async |database: &ProgramDatabase| {
            let store = recorded_store(&database.url, &database.recorder)?;
            anyhow::Ok(case.run(&store).await?)
        };
        verification.run_case(&described.heavy(case.is_heavy), program).await?;
    }
    Ok(())
}

/// Describes the operations and cases that `--only` leaves out.
fn left_out(prefix: &str, all: &[Case]) -> String {
    let others = || all.iter().filter(|case| !case.operation.name().starts_with(prefix));
    let operations: BTreeSet<&str> = others().map(|case| case.operation.name()).collect();
    let (operations, cases) = (operations.len(), others().count());
    format!("{operations} operations with {cases} cases, because of --only {prefix}")
}

/// Returns the cases of the operations whose name begins with `only`.
fn wanted<'a>(all: &'a [Case], only: Option<&str>) -> Result<Vec<&'a Case>> {
    let start = only.unwrap_or_default();
    let wanted: Vec<&Case> = all.iter().filter(|case| case.operation.name().starts_with(start)).collect();
    ensure!(!wanted.is_empty(), "--only {start}: no operation has a name with this prefix");
    Ok(wanted)
}

/// Prints the step that begins, and the time since the first one.
fn begin(step: &str) {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    eprintln!("verify {:>4.0} s: {step}", BEGAN.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_left_out_are_counted() {
        let all = cases::all().expect("valid inputs");
        let others = all.iter().filter(|case| !case.operation.name().starts_with("keys."));
        let operations: BTreeSet<&str> = others.clone().map(|case| case.operation.name()).collect();
        let expected =
            format!("{} operations with {} cases, because of --only keys.", operations.len(), others.count());
        assert_eq!(left_out("keys.", &all), expected);
    }

    #[test]
    fn prefix_of_no_operation_is_rejected() {
        let all = cases::all().expect("valid inputs");
        assert_eq!(wanted(&all, None).expect("all").len(), all.len());
        let keys = wanted(&all, Some("keys.")).expect("some");
        assert!(keys.iter().all(|case| case.operation.name().starts_with("keys.")) && keys.len() > 10);
        let refused = wanted(&all, Some("kesy.")).expect_err("a slip").to_string();
        assert_eq!(refused, "--only kesy.: no operation has a name with this prefix");
    }
}
