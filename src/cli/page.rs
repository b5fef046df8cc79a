//! Text for a terminal: how wide, in which colours, cut where, in which columns.

use crate::model::severity::Severity;

/// Wider lines are hard to read back from, however wide the terminal is.
pub(crate) const READABLE: usize = 120;

/// What text is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// In characters.
    pub width: usize,
    pub paint: Paint,
    pub detail: Detail,
}

/// Whether colours may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Coloured,
}

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    Brief,
    /// `-v`.
    Full,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Plain,
    Bold,
    Dim,
    Of(Severity),
}

impl Page {
    /// Prose in a file, and what tests read.
    pub const PIPE: Self = Self { width: 100, paint: Paint::Plain, detail: Detail::Brief };

    /// `text` in colours, where there are any. Widths are counted before.
    pub fn ink(&self, ink: Ink, text: &str) -> String {
        // SGR codes (ECMA-48).
        let code = match ink {
            Ink::Plain => return text.to_owned(),
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Of(Severity::Green) => "32",
            Ink::Of(Severity::Unknown) => "35",
            Ink::Of(Severity::Yellow) => "33",
            Ink::Of(Severity::Red) => "1;31",
        };
        match self.paint {
            Paint::Plain => text.to_owned(),
            Paint::Coloured if text.trim().is_empty() => text.to_owned(),
            Paint::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    /// Joins `parts` with dots between, on as many lines as they need.
    pub(crate) fn flow(&self, parts: &[String]) -> String {
        let most = self.width.min(READABLE);
        let mut lines = vec![String::new()];
        for part in parts {
            let Some(line) = lines.last_mut() else { break };
            if line.is_empty() {
                *line = self.wrap(part, 0).trim_end().to_owned();
            } else if width(line) + 3 + width(part) <= most {
                line.push_str(" · ");
                line.push_str(part);
            } else {
                lines.push(self.wrap(part, 0).trim_end().to_owned());
            }
        }
        lines.join("\n")
    }

    /// `text` behind `lead`, its further lines below its first. `lead` is inked after it is measured.
    pub(crate) fn hang(&self, ink: Ink, word: &str, rest: &str, text: &str) -> String {
        let lead = width(word) + width(rest);
        let wrapped = self.wrap(text, lead);
        // The first line's indent is where the lead stands.
        let body = wrapped.get(lead..).unwrap_or("\n");
        let line = format!("{}{rest}{body}", self.ink(ink, word));
        if body.trim().is_empty() { format!("{}\n", line.trim_end()) } else { line }
    }

    /// Breaks `text` into lines at its white space.
    pub(crate) fn wrap(&self, text: &str, indent: usize) -> String {
        let room = self.width.saturating_sub(indent).max(20);
        let mut out = String::new();
        for line in text.lines() {
            let mut at = 0;
            let lead = line.len() - line.trim_start().len();
            out.push_str(&" ".repeat(indent + lead));
            for word in line.split_whitespace() {
                if 0 < at && room < at + 1 + width(word) + lead {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent + lead));
                    at = 0;
                }
                if 0 < at {
                    out.push(' ');
                    at += 1;
                }
                out.push_str(word);
                at += width(word);
            }
            out.push('\n');
        }
        out
    }
}

/// How many columns a text takes: one a character, which holds for what probes and config say.
pub(crate) fn width(text: &str) -> usize {
    text.chars().count()
}

/// At most `most` characters on one line; what was cut is shown by an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or("");
    if width(line) <= most {
        return line.to_owned();
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// `text` and spaces up to `to` characters.
pub(crate) fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// `1 mistake`, `3 mistakes`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_when_asked() {
        let coloured = Page { paint: Paint::Coloured, ..Page::PIPE };
        assert_eq!(Page::PIPE.ink(Ink::Of(Severity::Red), "red"), "red");
        assert_eq!(coloured.ink(Ink::Of(Severity::Red), "red"), "\x1b[1;31mred\x1b[0m");
        assert_eq!(coloured.ink(Ink::Plain, "red"), "red");
        assert_eq!(coloured.ink(Ink::Dim, "  "), "  ");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        for (text, most, want) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("one\ntwo", 9, "one"),
            ("abc", 0, "…"),
            ("", 5, ""),
        ] {
            assert_eq!(cut(text, most), want, "{text} in {most}");
        }
    }

    #[test]
    fn parts_and_words_flow_over_lines() {
        let page = Page { width: 12, ..Page::PIPE };
        let parts = ["one", "two", "three", "a very long part"].map(str::to_owned);
        assert_eq!(page.flow(&parts), "one · two\nthree\na very long part");
        let wide = Page { width: 26, ..Page::PIPE };
        let text = "words that do not fit on one line\n  - nor here, in any list";
        assert_eq!(
            wide.wrap(text, 2),
            "  words that do not fit on\n  one line\n    - nor here, in any\n    list\n"
        );
    }
}
