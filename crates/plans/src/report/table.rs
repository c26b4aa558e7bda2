//! Tables in Markdown whose source is aligned as well, so that they can be read without being rendered.

/// How a column stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The table with these columns; empty when there are no rows.
pub(super) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    let width = |n: usize, title: &str| {
        rows.iter().map(|row| row[n].chars().count()).chain([title.chars().count(), 3]).max().unwrap_or(3)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(n, (title, _))| width(n, title)).collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let titles = columns.iter().zip(&widths).map(|(&(title, align), &width)| padded(title, align, width));
    let rules = columns.iter().zip(&widths).map(|(&(_, align), &width)| rule(align, width));
    let body = rows.iter().map(|row| {
        let cells = row.iter().zip(columns).zip(&widths);
        line(cells.map(|((cell, &(_, align)), &width)| padded(cell, align, width)).collect())
    });
    [line(titles.collect()), line(rules.collect())].into_iter().chain(body).collect()
}

fn padded(cell: &str, align: Align, width: usize) -> String {
    match align {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

fn rule(align: Align, width: usize) -> String {
    match align {
        Align::Left => "-".repeat(width),
        Align::Right => "-".repeat(width - 1) + ":",
    }
}

/// A bar or a line break would end the cell.
fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}
