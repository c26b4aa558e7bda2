//! The report as a page.

use super::table::{Align, table};
use super::{AblationRow, DocumentedRow, OperationRow, Report};
use crate::replay::one_line;
use crate::{Finding, Score};

use Align::{Left, Right};

const HOW_TO_READ: &str = "\
One row is one statement, by its place in the operation; figures are of the case that reads most. Pages are 8 kB each, \
read from memory or disk, planning excluded. *10x* is the same case at ten times the rows. *Plan* is what the \
server settles on after it ran the statement a few times: made anew for each value (custom) or once for all (generic).";

pub(super) fn markdown(report: &Report) -> String {
    let settings: Vec<String> =
        report.settings.iter().map(|(name, value)| format!("`{name} = {value}`")).collect();
    let measured = if settings.is_empty() {
        format!("Measured on PostgreSQL {}.", report.server)
    } else {
        format!("Measured on PostgreSQL {} with {}.", report.server, settings.join(", "))
    };
    let sections = [
        "# Plans\n\nWhat serves each operation, and what each index is there for. Written by the verification; do not edit.\n"
            .to_owned(),
        format!("{measured}\n"),
        section("Findings", "What has to be mended.", &list(&report.findings)),
        section("Operations", HOW_TO_READ, &operations(&report.operations)),
        section("What each index saves", "Pages of the case that misses it most.", &ablation(&report.ablation)),
        section("Required by document", "No case needs these; a document names them.", &documented(&report.documented)),
        report.mutation.as_ref().map(mutation).unwrap_or_default(),
        section("Notes", "Seen in the catalogue and in plans that are not chosen, and right or wrong by what the schema is for.", &list(&report.notes)),
    ];
    sections.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A section, or nothing when it has nothing to say.
fn section(title: &str, introduction: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("## {title}\n\n{introduction}\n\n{body}") }
}

fn operations(rows: &[OperationRow]) -> String {
    let columns = [
        ("operation", Left),
        ("#", Right),
        ("cases", Right),
        ("served by", Left),
        ("how", Left),
        ("pages", Right),
        ("10x", Right),
        ("plan", Left),
        ("WAL", Right),
        ("may grow", Left),
    ];
    let cells = |row: &OperationRow| {
        vec![
            row.operation.clone(),
            row.statement.to_string(),
            row.cases.to_string(),
            row.indexes.join(", "),
            row.shape.clone(),
            row.buffers.to_string(),
            or_dash(row.buffers_at_ten),
            row.plan_kind.clone(),
            row.wal_bytes.to_string(),
            row.may_grow.clone().unwrap_or_default(),
        ]
    };
    table(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn ablation(rows: &[AblationRow]) -> String {
    let columns = [("index", Left), ("case", Left), ("with", Right), ("without", Right)];
    let cells = |row: &AblationRow| {
        let without = row.without.map_or("refused".to_owned(), |pages| pages.to_string());
        vec![row.index.clone(), row.case.clone(), row.with.to_string(), without]
    };
    table(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn documented(rows: &[DocumentedRow]) -> String {
    let columns = [("index", Left), ("by", Left), ("bytes", Right), ("WAL per insert", Right)];
    let cells = |row: &DocumentedRow| {
        vec![row.index.clone(), row.by.clone(), row.bytes.to_string(), or_dash(row.wal_bytes_per_insert)]
    };
    table(&columns, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn mutation(score: &Score) -> String {
    let columns = [
        ("mutants", Left),
        ("generated", Right),
        ("verdict", Right),
        ("buffers", Right),
        ("error", Right),
        ("equivalent", Right),
        ("survived", Right),
        ("unjudged", Right),
    ];
    let named = score.kinds.iter().map(|(kind, tally)| (kind.to_string(), *tally));
    let rows = named.chain([("all".to_owned(), score.total())]).map(|(name, tally)| {
        let counts = [
            tally.generated,
            tally.by_verdict,
            tally.by_buffers,
            tally.by_error,
            tally.equivalent,
            tally.survived,
            tally.unjudged,
        ];
        [name].into_iter().chain(counts.map(|count| count.to_string())).collect()
    });
    let body = table(&columns, &rows.collect::<Vec<_>>());
    let names = |title: &str, names: &[String]| {
        let lines: String = names.iter().map(|name| format!("- `{name}`\n")).collect();
        if lines.is_empty() { lines } else { format!("\n{title}:\n\n{lines}") }
    };
    let equivalent = names(
        "Equivalent, every statement reads as many pages as before, and one that writes about as many",
        &score.equivalent,
    );
    let survived = names("Survived", &score.survived);
    let unjudged = names("Unjudged, no case reads or writes the table", &score.unjudged);
    let introduction = "Schemas that are wrong by one index, and what told them from the right one.";
    section("Mutants", introduction, &[body, equivalent, survived, unjudged].concat())
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("- {}\n", one_line(&finding.to_string()))).collect()
}

fn or_dash(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}
