//! A foreign project verifies its queries: `examples/foreign` is built and run, and exactly the planted fault is found.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use steadfast_testkit::Server;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn example(file: &str) -> PathBuf {
    root().join("examples/foreign").join(file)
}

/// Builds and runs the project with `arguments`, in the target folder of this test, which has most of its dependencies.
fn run(url: &str, arguments: &[&str]) -> Result<Output> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("a target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(example("Cargo.toml"));
    command.arg("--target-dir").arg(target).arg("--").args(arguments).env("DATABASE_URL", url);
    Ok(command.output()?)
}

/// Returns the exit code and the lines of output: findings, each followed by an empty line, and totals. The private
/// server avoids waits for the writes of other tests.
fn verified(arguments: &[&str]) -> Result<(i32, Vec<String>)> {
    let server = Server::private()?;
    let output = run(&server.url("postgres"), arguments)?;
    let code = output.status.code().context("it was killed")?;
    ensure!(code < 2, "no verdict: {}", String::from_utf8_lossy(&output.stderr));
    Ok((code, String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect()))
}

/// Runs the project with a planted fault. Returns the headings of the findings, `rule: subject`, and all paragraphs,
/// each on one line.
fn found(fault: &str) -> Result<(Vec<String>, Vec<String>)> {
    let (code, mut lines) = verified(&["--fault", fault])?;
    let sum = lines.pop().context("no line")?;
    ensure!(lines.iter().all(|line| line.chars().count() <= 120), "{lines:#?}");
    let headings: Vec<_> =
        lines.iter().filter(|line| !line.is_empty() && !line.starts_with(' ')).cloned().collect();
    ensure!(
        code == 1 && sum.contains(&format!(", {} findings, ", headings.len())),
        "{code}, {sum}: {lines:#?}"
    );
    Ok((headings, paragraphs(&lines)))
}

/// Joins continuation lines, which have no label.
fn paragraphs(lines: &[String]) -> Vec<String> {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in lines {
        match paragraphs.last_mut().filter(|_| line.starts_with("   ")) {
            Some(paragraph) => *paragraph += &format!(" {}", line.trim()),
            None => paragraphs.push(line.trim().to_owned()),
        }
    }
    paragraphs
}

fn has(paragraphs: &[String], label: &str, text: &str) -> bool {
    paragraphs.iter().any(|paragraph| paragraph.starts_with(label) && paragraph.contains(text))
}

#[test]
fn finds_nothing_without_faults() -> Result<()> {
    let (code, lines) = verified(&[])?;
    assert_eq!((code, lines.len()), (0, 1), "{lines:#?}");
    assert!(lines[0].contains(": 7 operations, 8 statements, 0 findings"), "{lines:#?}");
    Ok(())
}

#[test]
fn finds_missing_index_once() -> Result<()> {
    let (found, text) = found("missing-index")?;
    assert_eq!(found, ["unserved: sightings.of_observer"], "one finding");
    assert!(has(&text, "2 cases", "some, none"), "{text:#?}");
    assert!(has(&text, "happened", "Seq Scan on sightings, (sightings.observer = "), "{text:#?}");
    assert!(has(&text, "SQL", "WHERE (\"sightings\".\"observer\" = $1)"), "{text:#?}");
    Ok(())
}

#[test]
fn finds_unused_index() -> Result<()> {
    let (found, text) = found("unused-index")?;
    assert_eq!(found, ["unneeded: stars_state"]);
    assert!(has(&text, "what to do", "find the statement that the index was created for"), "{text:#?}");
    assert!(has(&text, "what to do", "if there is none: DROP INDEX stars_state;"), "{text:#?}");
    Ok(())
}

#[test]
fn names_value_that_should_be_constant() -> Result<()> {
    let (found, text) = found("bind-in-predicate")?;
    let of_candidates = |heading: &String| heading == "generic-plan: stars.candidates";
    assert!(!found.is_empty() && found.iter().all(of_candidates), "{text:#?}");
    let advice: Vec<_> = text.iter().filter(|paragraph| paragraph.starts_with("what to do")).collect();
    let cause = "write the value of $1 into the statement as a constant: stars_candidates is partial, WHERE (state = \
                 'candidate'::text)";
    assert!(advice.iter().all(|advice| advice.contains(cause)), "{text:#?}");
    Ok(())
}

#[test]
fn unknown_fault_is_rejected() -> Result<()> {
    let output = run("postgres://app@127.0.0.1:1/nothing", &["--fault", "no-such"])?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("missing-index"), "{text}");
    Ok(())
}

#[test]
fn verification_has_at_most_sixty_lines() -> Result<()> {
    let lines = std::fs::read_to_string(example("src/verify.rs"))?.lines().count();
    assert!(lines <= 60, "{lines}");
    Ok(())
}

#[test]
fn uses_no_other_crate_of_this_workspace() -> Result<()> {
    let mut files: Vec<_> =
        std::fs::read_dir(example("src"))?.map(|file| Ok(file?.path())).collect::<Result<_>>()?;
    files.push(example("Cargo.toml"));
    for file in files {
        let text = std::fs::read_to_string(&file)?.replace('-', "_");
        let names = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        let ours = names.filter(|name| name.starts_with("steadfast"));
        let others: Vec<_> = ours.filter(|name| *name != "steadfast_plans").collect();
        assert!(others.is_empty(), "{}: {others:?}", file.display());
    }
    Ok(())
}

// With other versions, every dependency would be built twice.
#[test]
fn uses_dependency_versions_of_this_workspace() -> Result<()> {
    let packages = |lock: PathBuf| -> Result<BTreeSet<String>> {
        let text = std::fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
        let package = |part: &str| part.lines().take(2).collect::<Vec<_>>().join(" ");
        Ok(text.split("[[package]]\n").skip(1).map(package).collect())
    };
    let (its, ours) = (packages(example("Cargo.lock"))?, packages(root().join("Cargo.lock"))?);
    let others: Vec<_> =
        its.difference(&ours).filter(|package| !package.contains("star-catalogue")).collect();
    assert!(others.is_empty(), "copy Cargo.lock over its own and run it: {others:?}");
    Ok(())
}
