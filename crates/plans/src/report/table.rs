//! Markdown tables whose source is aligned, too.

use crate::finding::WIDTH;

/// Alignment of a column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// For texts.
    Left,
    /// For numbers.
    Right,
}

/// Minimum width of a column of texts that are cut.
const NARROW: usize = 30;

/// Renders a table; empty if there are no rows. Texts are cut if a line would be too wide.
pub(super) fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    let width = |n: usize, title: &str| {
        rows.iter().map(|row| row[n].chars().count()).chain([title.chars().count(), 3]).max().unwrap_or(3)
    };
    let mut widths: Vec<usize> = columns.iter().enumerate().map(|(n, (title, _))| width(n, title)).collect();
    // The widest column is cut first, so that several wide columns share the loss.
    while let Some(excess) = (widths.iter().sum::<usize>() + 3 * columns.len() + 1).checked_sub(WIDTH + 1) {
        let texts = (0..columns.len()).filter(|&n| columns[n].1 == Align::Left && widths[n] > NARROW);
        let Some(widest) = texts.max_by_key(|&n| widths[n]) else { break };
        widths[widest] = widths[widest].saturating_sub(excess + 1).max(NARROW);
        rows.iter_mut().for_each(|row| cut(&mut row[widest], widths[widest]));
    }
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

/// Escapes characters that would end the cell.
fn escaped(cell: &str) -> String {
    cell.replace('\\', "\\\\").replace('|', "\\|").replace(['\n', '\r'], " ")
}

fn cut(cell: &mut String, width: usize) {
    if cell.chars().count() > width {
        *cell = cell.chars().take(width - 1).chain(['…']).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_wide_texts_but_no_numbers() {
        let row = vec!["a".repeat(90), "7".repeat(12), "b".repeat(70)];
        let text = table(&[("index", Align::Left), ("pages", Align::Right), ("case", Align::Left)], &[row]);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(
            text.contains(&"7".repeat(12)) && text.contains("a…") && text.contains(&"b".repeat(30)),
            "{text}"
        );
    }
}
