//! Aligned columns without lines between them.

use crate::cli::page::{Ink, Page, cut, pad, width};

/// Between two columns.
const GAP: usize = 2;

/// A column is never made narrower than this.
const LEAST: usize = 8;

/// One cell: text on one line, and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    pub(crate) fn of(ink: Ink, text: impl Into<String>) -> Self {
        Self { text: text.into(), ink }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::of(Ink::Plain, text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::of(Ink::Plain, text)
    }
}

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// Which columns give way where the page is too narrow.
    yielding: Vec<usize>,
}

impl Table {
    /// `yielding` columns are cut until all fits.
    pub(crate) fn new(head: &[&'static str], yielding: &[usize]) -> Self {
        Self { head: head.to_vec(), rows: Vec::new(), yielding: yielding.to_vec() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The whole table, each line ended. A column without any text is left out.
    pub(crate) fn render(&self, page: &Page) -> String {
        let mut widths: Vec<usize> = (0..self.head.len()).map(|n| self.widest(n)).collect();
        let total = |widths: &[usize]| {
            let shown = widths.iter().filter(|w| 0 < **w);
            shown.map(|w| w + GAP).sum::<usize>().saturating_sub(GAP)
        };
        // The widest of those that yield gives way first, so that none is cut to nothing beside a long one.
        while page.width < total(&widths) {
            let wide = |column: &&usize| widths.get(**column).is_some_and(|w| LEAST < *w);
            let by = |column: &&usize| widths.get(**column).copied();
            let Some(column) = self.yielding.iter().filter(wide).max_by_key(by) else { break };
            if let Some(width) = widths.get_mut(*column) {
                *width -= 1;
            }
        }
        let head = self.head.iter().map(|text| Cell::of(Ink::Dim, *text)).collect();
        let mut out = line(page, &widths, &head);
        for row in &self.rows {
            out.push_str(&line(page, &widths, row));
        }
        out
    }

    fn widest(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| width(first(&cell.text))).max().unwrap_or(0);
        match (widest, self.head.get(column)) {
            (0, _) | (_, None) => 0,
            (_, Some(head)) => widest.max(width(head)),
        }
    }
}

fn first(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

fn line(page: &Page, widths: &[usize], cells: &Vec<Cell>) -> String {
    let shown: Vec<(usize, &Cell)> =
        widths.iter().copied().zip(cells).filter(|(width, _)| 0 < *width).collect();
    // What follows the last text is nothing: no line ends in white space.
    let last = shown.iter().rposition(|(_, cell)| !cell.text.is_empty()).unwrap_or(0);
    let mut out = String::new();
    let mut used = 0;
    for (n, (column, cell)) in shown.iter().enumerate().take(last + 1) {
        let room = page.width.saturating_sub(used).min(*column);
        if room == 0 {
            break;
        }
        let text = cut(first(&cell.text), room);
        out.push_str(&page.ink(cell.ink, &text));
        if n < last {
            out.push_str(&" ".repeat(column.saturating_sub(width(&text)) + GAP));
        }
        used += column + GAP;
    }
    let end = out.trim_end_matches(' ').len();
    out.truncate(end);
    out.push('\n');
    out
}

/// Pairs as `label  value`, aligned.
pub(crate) fn pairs(page: &Page, pairs: &[(String, String)]) -> String {
    let widest = pairs.iter().map(|(label, _)| width(label)).max().unwrap_or(0);
    let mut out = String::new();
    for (label, value) in pairs {
        let room = page.width.saturating_sub(widest + GAP);
        out.push_str(format!("{}  {}", pad(label, widest), cut(value, room)).trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::page::Paint;
    use crate::model::severity::Severity;

    fn table() -> Table {
        let mut table = Table::new(&["id", "signal", "note", "state"], &[1]);
        table.row([
            "I-4".into(),
            "disk mini:/var/lib/docker/volumes/photos".into(),
            "".into(),
            "open".into(),
        ]);
        table.row(["I-12".into(), Cell::of(Ink::Of(Severity::Red), "http"), "".into(), "".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        assert_eq!(
            table().render(&Page::PIPE),
            "id    signal                                    state\n\
             I-4   disk mini:/var/lib/docker/volumes/photos  open\n\
             I-12  http\n"
        );
    }

    #[test]
    fn a_narrow_page_cuts_what_yields() {
        let narrow = Page { width: 30, ..Page::PIPE };
        assert_eq!(
            table().render(&narrow),
            "id    signal             state\nI-4   disk mini:/var/li…  open\nI-12  http\n"
                .replace("li…  ", "l…  ")
        );
        let tiny = Page { width: 12, ..Page::PIPE };
        assert!(table().render(&tiny).lines().all(|line| width(line) <= 12));
    }

    #[test]
    fn colours_do_not_count_as_width() {
        let coloured = Page { paint: Paint::Coloured, ..Page::PIPE };
        let text = table().render(&coloured);
        assert!(text.contains("I-12  \x1b[1;31mhttp\x1b[0m\n"), "{text:?}");
        let plain = text.replace("\x1b[2m", "").replace("\x1b[1;31m", "").replace("\x1b[0m", "");
        assert_eq!(plain, table().render(&Page::PIPE));
    }
}
