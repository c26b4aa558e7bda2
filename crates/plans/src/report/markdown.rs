//! Markdown of the report. Lines have at most 120 columns; wider data is in the JSON only.

mod operations;

use super::table::{Align, table};
use super::{AblationRow, DocumentedRow, Report};
use crate::finding::{WIDTH, blocks, wrapped};
use crate::{Finding, Score};

use Align::{Left, Right};

const OPERATIONS: &str = "\
Each operation has a row for each of its statements; figures are of the case that reads most. *Pages* are 8 kB each, read \
from memory or disk, planning excluded; *10x* is the same case at ten times the rows. *Plan* is what the server settles on \
after it ran the statement a few times: made anew for each value (custom) or once for all (generic). *WAL* is bytes of \
write-ahead log in the case that writes most. The lines below the figures name how the tables are read.";

const NOTES: &str = "\
Seen in the catalogue and in plans that are not chosen; right or wrong depending on what the schema is for.";

pub(super) fn markdown(report: &Report) -> String {
    let settings: Vec<String> =
        report.settings.iter().map(|(name, value)| format!("`{name} = {value}`")).collect();
    let measured = if settings.is_empty() {
        format!("Measured on PostgreSQL {}.", report.server)
    } else {
        format!("Measured on PostgreSQL {} with {}.", report.server, settings.join(", "))
    };
    let introduction = "What serves each operation, and what each index is there for. Written by the verification; do not edit.";
    let sections = [
        format!("# Plans\n\n{}", paragraph(introduction)),
        paragraph(&measured),
        section("Findings", "What has to be repaired.", &findings(&report.findings)),
        section("Not checked", "", &bullets(report.skipped.iter().cloned())),
        section("Operations", OPERATIONS, &operations::operations(&report.operations)),
        section(
            "What each index saves",
            "Pages of a case that misses it: the first that reads ten times as many without it, or the worst.",
            &ablation(&report.ablation),
        ),
        section(
            "Required by document",
            "No case needs these; a document names them.",
            &documented(&report.documented),
        ),
        report.mutation.as_ref().map(mutation).unwrap_or_default(),
        section("Notes", NOTES, &bullets(report.notes.iter().map(note))),
    ];
    sections.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Renders a section; empty if there are no entries.
fn section(title: &str, introduction: &str, body: &str) -> String {
    match (body, introduction) {
        ("", _) => String::new(),
        (_, "") => format!("## {title}\n\n{body}"),
        _ => format!("## {title}\n\n{}\n{body}", paragraph(introduction)),
    }
}

fn paragraph(text: &str) -> String {
    wrapped(text, WIDTH).join("\n") + "\n"
}

/// Renders an item of a list, with `mark` before its first line.
fn item(mark: &str, text: &str) -> String {
    let indent = " ".repeat(mark.len());
    let lines = wrapped(text, WIDTH - mark.len());
    let line = |(n, line): (usize, &String)| format!("{}{line}\n", if n == 0 { mark } else { &indent });
    lines.iter().enumerate().map(line).collect()
}

fn bullets(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| item("- ", &text)).collect()
}

fn findings(findings: &[Finding]) -> String {
    if findings.is_empty() { String::new() } else { format!("```text\n{}\n```\n", blocks(findings)) }
}

fn note(note: &Finding) -> String {
    let Finding { rule, subject, expected, found, suggestion, .. } = note;
    format!("{rule}: {subject}: expected {expected}; found {found}. To do: {suggestion}")
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
        let lines = bullets(names.iter().map(|name| format!("`{name}`")));
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

fn or_dash(number: Option<u64>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}
