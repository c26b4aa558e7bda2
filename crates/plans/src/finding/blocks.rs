//! Rendering of findings as blocks of lines, grouped by statement.

use super::excerpt::excerpt;
use super::merge::figure;
use super::{Finding, Occurrence};
use std::fmt;

/// Width of a line, in the terminal and in Markdown.
pub(crate) const WIDTH: usize = 120;

/// Width of the label of a paragraph.
const LABEL: usize = 14;

/// Maximum number of lines of SQL in a block.
const SQL_LINES: usize = 3;

/// Renders findings grouped by statement, with an empty line between groups. The SQL of a group follows its blocks
/// once.
pub(crate) fn blocks(findings: &[Finding]) -> String {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = |group: &&mut Vec<&Finding>| !finding.statement.is_empty() && is_of_one(group[0], finding);
        match groups.iter_mut().find(same) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups.iter().map(|group| self::group(group)).collect::<Vec<_>>().join("\n\n")
}

fn is_of_one(a: &Finding, b: &Finding) -> bool {
    (&a.subject, &a.statement) == (&b.subject, &b.statement)
}

fn group(findings: &[&Finding]) -> String {
    let mut lines: Vec<String> = findings.iter().flat_map(|finding| block(finding)).collect();
    lines.extend(sql(findings));
    lines.join("\n")
}

fn block(finding: &Finding) -> Vec<String> {
    let cases = finding.cases();
    let label = if cases.len() > 1 { format!("{} cases", cases.len()) } else { "case".to_owned() };
    let mut happened = finding.found.clone();
    if finding.also_in.iter().any(|other| other.found != finding.found) {
        let is_worst = finding.also_in.iter().any(|other| figure(&other.found) < figure(&finding.found));
        happened += &format!(
            "; {} in case `{}`",
            if is_worst { "this is the worst," } else { "this is" },
            finding.case
        );
    }
    let paragraphs = [
        (&*label, cases.join(", ")),
        ("expected", finding.expected.clone()),
        ("happened", happened),
        ("what to do", finding.suggestion.clone()),
    ];
    let shown = paragraphs.iter().filter(|(_, text)| !text.is_empty());
    let heading = format!("{}: {}", finding.rule, finding.subject);
    let mut lines = vec![heading];
    lines.extend(shown.flat_map(|(label, text)| paragraph(label, &wrapped(text, WIDTH - LABEL))));
    lines
}

fn sql(findings: &[&Finding]) -> Vec<String> {
    let Some(statement) = findings.first().map(|finding| &finding.statement).filter(|sql| !sql.is_empty())
    else {
        return Vec::new();
    };
    let said: Vec<&str> = findings.iter().map(|finding| &*finding.found).collect();
    let mut lines = wrapped(&excerpt(statement, &said), WIDTH - LABEL);
    lines.truncate(SQL_LINES);
    paragraph("SQL", &lines)
}

fn paragraph(label: &str, lines: &[String]) -> Vec<String> {
    let label = |n: usize| if n == 0 { label } else { "" };
    lines.iter().enumerate().map(|(n, line)| format!("  {:<1$}{line}", label(n), LABEL - 2)).collect()
}

/// Breaks `text` between words into lines of at most `width` columns. A longer word gets its own line.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

impl Finding {
    /// Returns the names of the cases that show the fault, the worst first, each once.
    pub fn cases(&self) -> Vec<&str> {
        let all = std::iter::once(&self.case).chain(self.also_in.iter().map(|Occurrence { case, .. }| case));
        let mut names: Vec<&str> = Vec::new();
        for name in all.filter(|name| !name.is_empty()) {
            if !names.contains(&&**name) {
                names.push(name);
            }
        }
        names
    }
}

/// Renders a block of lines: rule and subject, cases, what was expected, what happened, what to do, and an excerpt of
/// the SQL.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&group(&[self]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rule;

    fn finding(rule: Rule, statement: &str) -> Finding {
        Finding {
            case: "many".to_owned(),
            statement: statement.to_owned(),
            ..Finding::new(rule, "books.find", "few rows", "401 thrown away", "look at the statement")
        }
    }

    #[test]
    fn block_has_cases_and_worst_figures() {
        let other =
            Occurrence { case: "few".into(), expected: "few rows".into(), found: "200 thrown away".into() };
        let finding = Finding { also_in: vec![other], ..finding(Rule::Wasteful, "SELECT 1") };
        let expected = "\
wasteful: books.find
  2 cases     many, few
  expected    few rows
  happened    401 thrown away; this is the worst, in case `many`
  what to do  look at the statement
  SQL         SELECT 1";
        assert_eq!(finding.to_string(), expected);
        let other = Occurrence { case: "few".into(), found: "Seq Scan on b".into(), ..Occurrence::default() };
        let finding = Finding { found: "Seq Scan on a".into(), also_in: vec![other], ..finding };
        let text = finding.to_string();
        assert!(
            text.contains("happened    Seq Scan on a; this is in case `many`\n"),
            "nothing is worse: {text}"
        );
    }

    #[test]
    fn findings_of_a_statement_share_its_sql() {
        let all = [
            finding(Rule::Wasteful, "SELECT 1"),
            finding(Rule::Growth, "SELECT 2"),
            finding(Rule::Growth, "SELECT 1"),
        ];
        let text = blocks(&all);
        let headings: Vec<_> = text.lines().filter(|line| line.is_empty() || line.contains(':')).collect();
        assert_eq!(headings, ["wasteful: books.find", "growth: books.find", "", "growth: books.find"]);
        assert_eq!(text.matches("SELECT 1").count(), 1);
    }

    #[test]
    fn blocks_fit_120_columns_and_three_lines_of_sql() {
        let columns: Vec<_> = (0..90).map(|n| format!("\"books\".\"column_{n}\"")).collect();
        let sql = format!("SELECT {0} FROM \"books\" WHERE ({0}) = $1", columns.join(", "));
        let text = Finding { suggestion: "word ".repeat(99), ..finding(Rule::Growth, &sql) }.to_string();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let of_sql = text.lines().skip_while(|line| !line.contains("SQL")).count();
        assert!((1..=SQL_LINES).contains(&of_sql), "{text}");
    }
}
