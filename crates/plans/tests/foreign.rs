//! A project of somebody else, with plain diesel-async, verifies its queries: it is built and run as it stands in
//! `examples/foreign`, and every planted fault is found, named, and the only one.

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

/// Builds and runs it with `arguments`, in the target folder of this test: most of what it needs is built there.
fn run(url: &str, arguments: &[&str]) -> Result<Output> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("a target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--locked", "--manifest-path"]).arg(example("Cargo.toml"));
    command.arg("--target-dir").arg(target).arg("--").args(arguments).env("DATABASE_URL", url);
    Ok(command.output()?)
}

/// The exit code, and the lines; the last one sums up, an empty one comes after each finding. On a server of its own: it makes and drops whole databases, which
/// waits for whatever others have written.
fn verified(arguments: &[&str]) -> Result<(i32, Vec<String>)> {
    let server = Server::private()?;
    let output = run(&server.url("postgres"), arguments)?;
    let code = output.status.code().context("it was killed")?;
    ensure!(code < 2, "it did not come to an end: {}", String::from_utf8_lossy(&output.stderr));
    Ok((code, String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect()))
}

/// Runs it with a planted fault; says the headings of what is found, `rule: subject`, and the paragraphs of all of it, each
/// on one line.
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

/// Joins the lines that only continue others. Those have no label.
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
fn nothing_is_found_where_nothing_is_wrong() -> Result<()> {
    let (code, lines) = verified(&[])?;
    assert_eq!((code, lines.len()), (0, 1), "{lines:#?}");
    assert!(lines[0].contains(": 7 operations, 8 statements, 0 findings"), "{lines:#?}");
    Ok(())
}

#[test]
fn a_missing_index_is_found_where_it_is_missed_and_nowhere_else() -> Result<()> {
    let (found, said) = found("missing-index")?;
    assert_eq!(found, ["unserved: sightings.of_observer"], "one finding");
    assert!(has(&said, "2 cases", "some, none"), "{said:#?}");
    assert!(has(&said, "happened", "Seq Scan on sightings, (sightings.observer = "), "{said:#?}");
    assert!(has(&said, "SQL", "WHERE (\"sightings\".\"observer\" = $1)"), "{said:#?}");
    Ok(())
}

#[test]
fn an_index_that_no_query_needs_is_found() -> Result<()> {
    let (found, said) = found("unused-index")?;
    assert_eq!(found, ["unneeded: stars_state"]);
    assert!(has(&said, "what to do", "find the statement that the index was made for"), "{said:#?}");
    assert!(has(&said, "what to do", "if there is none: DROP INDEX stars_state;"), "{said:#?}");
    Ok(())
}

#[test]
fn a_value_in_place_of_the_constant_of_a_partial_index_is_found_and_named() -> Result<()> {
    let (found, said) = found("bind-in-predicate")?;
    let of_candidates = |heading: &String| heading == "generic-plan: stars.candidates";
    assert!(!found.is_empty() && found.iter().all(of_candidates), "{said:#?}");
    let advice: Vec<_> = said.iter().filter(|paragraph| paragraph.starts_with("what to do")).collect();
    let cause = "write the value of $1 into the statement as a constant: stars_candidates is partial, WHERE (state = \
                 'candidate'::text)";
    assert!(advice.iter().all(|advice| advice.contains(cause)), "{said:#?}");
    Ok(())
}

#[test]
fn an_unknown_fault_is_no_verdict() -> Result<()> {
    let output = run("postgres://nobody@127.0.0.1:1/nothing", &["--fault", "no-such"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("missing-index"), "{said}");
    Ok(())
}

#[test]
fn its_verification_takes_no_more_than_sixty_lines() -> Result<()> {
    let lines = std::fs::read_to_string(example("src/verify.rs"))?.lines().count();
    assert!(lines <= 60, "{lines}");
    Ok(())
}

#[test]
fn it_knows_of_no_other_crate_of_this_workspace() -> Result<()> {
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

/// Else every one of them would be built twice.
#[test]
fn what_it_depends_on_has_the_versions_of_this_workspace() -> Result<()> {
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
