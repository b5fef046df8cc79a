//! Markdown as a terminal shows it: headings bold, tables aligned, lines wrapped.

use crate::cli::page::{Ink, Page, Paint, cut, pad, width};

/// Renders a report or a runbook line by line: what it does not know it leaves as it is.
pub(crate) fn render(markdown: &str, page: &Page) -> String {
    let mut out = String::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    let mut paragraph = String::new();
    let mut fenced = Fence::Outside;
    for line in markdown.lines() {
        let text = line.trim_start();
        let fence = text.starts_with("```") || line == "+++";
        let within = fence || fenced == Fence::Within;
        if !within && goes_on(&paragraph, text) {
            paragraph.push(' ');
            paragraph.push_str(text);
            continue;
        }
        out.push_str(&prose(&std::mem::take(&mut paragraph), page));
        if fence {
            fenced = fenced.other();
        }
        if !within && text.starts_with('|') {
            table.push(cells(line));
            continue;
        }
        out.push_str(&aligned(&std::mem::take(&mut table), page));
        if within {
            out.push_str(&format!("{}\n", page.ink(Ink::Dim, line)));
        } else if text.is_empty() {
            out.push('\n');
        } else {
            line.clone_into(&mut paragraph);
        }
    }
    out.push_str(&prose(&paragraph, page));
    out.push_str(&aligned(&table, page));
    out
}

/// Whether a line goes on with the paragraph or the list's item above it.
fn goes_on(above: &str, text: &str) -> bool {
    let own = text.is_empty() || text.starts_with(['#', '|', '>']) || 0 < marker(text);
    !above.is_empty() && !above.trim_start().starts_with('#') && !own
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fence {
    Within,
    Outside,
}

impl Fence {
    fn other(self) -> Self {
        match self {
            Self::Within => Self::Outside,
            Self::Outside => Self::Within,
        }
    }
}

fn prose(line: &str, page: &Page) -> String {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    if let Some(heading) = line.get(level..).and_then(|rest| rest.strip_prefix(' '))
        && (1..=6).contains(&level)
    {
        return format!("{}\n", page.ink(Ink::Bold, &plain(heading)));
    }
    if line.is_empty() {
        return String::new();
    }
    // A list's item goes on under its own text.
    let lead = line.len() - line.trim_start().len();
    let marker = marker(line.trim_start());
    let wrapped =
        Page { width: page.width.saturating_sub(marker), ..*page }.wrap(line.trim_start(), lead);
    let mut out = String::new();
    let mut open = Bold::No;
    let paired = line.matches("**").count().is_multiple_of(2);
    for (n, line) in wrapped.lines().enumerate() {
        let hang = if n == 0 { 0 } else { marker };
        // What is bold at the end of a line goes on being so on the next.
        let line = match open {
            Bold::Yes => line.replacen(line.trim_start(), &format!("**{}", line.trim_start()), 1),
            Bold::No => line.to_owned(),
        };
        let torn = paired && !line.matches("**").count().is_multiple_of(2);
        open = if torn { Bold::Yes } else { Bold::No };
        let line = if open == Bold::Yes { format!("{line}**") } else { line };
        out.push_str(&format!("{}{}\n", " ".repeat(hang), bold(&line, page)));
    }
    out
}

/// How far the text of a list's item stands behind its start: `- `, `12. `.
fn marker(line: &str) -> usize {
    if line.starts_with("- ") || line.starts_with("* ") {
        return 2;
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    match line.get(digits..) {
        Some(rest) if 0 < digits && digits < 4 && rest.starts_with(". ") => digits + 2,
        Some(_) | None => 0,
    }
}

/// Whether bold text is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bold {
    Yes,
    No,
}

/// `**word**` as bold, or without its stars. A star without its pair stays as it is.
fn bold(line: &str, page: &Page) -> String {
    let parts: Vec<&str> = line.split("**").collect();
    if parts.len().is_multiple_of(2) {
        return line.to_owned();
    }
    let ink = |(n, part): (usize, &&str)| {
        if n % 2 == 1 { page.ink(Ink::Bold, part) } else { (*part).to_owned() }
    };
    parts.iter().enumerate().map(ink).collect()
}

fn plain(text: &str) -> String {
    bold(text, &Page { paint: Paint::Plain, ..Page::PIPE })
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// A table without its lines; the last column gives way.
fn aligned(rows: &[Vec<String>], page: &Page) -> String {
    let rule = |row: &&Vec<String>| {
        !row.iter().all(|c| !c.is_empty() && c.bytes().all(|b| matches!(b, b'-' | b':' | b' ')))
    };
    let rows: Vec<&Vec<String>> = rows.iter().filter(rule).collect();
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let widest =
        |n: usize| rows.iter().filter_map(|row| row.get(n)).map(|c| width(&plain(c))).max();
    let widths: Vec<usize> = (0..columns).map(|n| widest(n).unwrap_or(0)).collect();
    let mut out = String::new();
    for (n, row) in rows.iter().enumerate() {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| pad(&plain(cell), *width)).collect();
        let line = cut(line.join("  ").trim_end(), page.width);
        out.push_str(&if n == 0 { page.ink(Ink::Dim, &line) } else { line });
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_well_in_a_terminal() {
        let report = "# Wed 4 March\n**One thing needs you.** All works.\n\n## Needs you\n\
                      1. **photos**: the newest restore point is 53 h old, and that is more than it may be.\n\
                      - short\n\n| data | newest |\n|---|---:|\n| **photos** | Mon |\n| ha config | today |\n\
                      \n```\nas   it | is\n```\n";
        let page = Page { width: 44, ..Page::PIPE };
        assert_eq!(
            render(report, &page),
            "Wed 4 March\nOne thing needs you. All works.\n\nNeeds you\n\
             1. photos: the newest restore point\n   is 53 h old, and that is more than it may\n   be.\n\
             - short\n\ndata       newest\nphotos     Mon\nha config  today\n\n```\nas   it | is\n```\n"
        );
        let coloured = Page { paint: Paint::Coloured, ..page };
        assert!(
            render(report, &coloured).contains("\x1b[1mOne thing needs you.\x1b[0m All works.")
        );
    }

    #[test]
    fn what_is_no_markdown_stays_as_it_is() {
        for text in ["a ** b\n", "#tag\n", "2026 was long\n", "\n", ""] {
            assert_eq!(render(text, &Page::PIPE), text);
        }
    }
}
