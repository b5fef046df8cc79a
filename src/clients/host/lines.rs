//! Log lines: which of them tell of an error, and what they look like without what varies.

use std::collections::BTreeMap;

use regex::Regex;

use crate::model::fact::Lines;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::redact::Redactor;
use crate::policy::template::template;

/// What is looked at of a line.
const LONGEST: usize = 8 << 10;

/// Error lines that are turned into templates in one look; more are counted only.
const MOST_READ: u64 = 2_000;

/// Kinds of lines that are told apart in one look.
const MOST_KINDS: usize = 500;

/// Kinds of lines that a collection brings.
const MOST_TOLD: usize = 20;

/// The words that make a line an error.
#[derive(Debug)]
pub struct Errors {
    /// A level that the line itself names and that is none: it is believed.
    mild: Regex,
    /// Phrases that have an error word and tell of none: `0 errors`, `failed=0`.
    none: Regex,
    bad: Regex,
}

impl Errors {
    pub fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            mild: Regex::new(
                r#"(?i)\b(level|lvl|severity)["']?\s*[=:]\s*["']?(trace|debug|info|notice|warn)|[\[<](trace|debug|info|notice|warn|warning)[\]>]|^\S{0,40}\s*\S{0,20}\s*(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING)\b"#,
            )?,
            none: Regex::new(
                r#"(?i)\b(no|0|zero|without|any) (errors?|failures?|failed)\b|\b(errors?|failed|failures?|exceptions?)["']?\s*[=:]\s*["']?(0|none|null|nil|false|"")(\W|$)"#,
            )?,
            bad: Regex::new(
                r"(?i)\b(err|errors?|fatal|panic(ked)?|critical|crit|emerg(ency)?|alert|exception|traceback|segfault|failed|failure|oom-kill(er)?|out of memory)\b|Error:|Exception:",
            )?,
        })
    }

    /// Whether a line tells of an error.
    pub fn tells(&self, line: &str) -> bool {
        if !self.bad.is_match(line) || self.mild.is_match(line) {
            return false;
        }
        // Only where such a phrase stands is the line looked at again without it.
        !self.none.is_match(line) || self.bad.is_match(&self.none.replace_all(line, " "))
    }
}

/// Error lines by their templates.
#[derive(Debug, Default)]
pub struct Counted {
    errors: u64,
    templates: BTreeMap<String, u64>,
}

impl Counted {
    /// Counts one error line; what it holds is redacted first.
    pub fn add(&mut self, line: &str, redactor: &Redactor) {
        self.errors += 1;
        if MOST_READ < self.errors {
            return;
        }
        let template = template(&redactor.redact(cut(line)));
        if self.templates.len() < MOST_KINDS || self.templates.contains_key(&template) {
            *self.templates.entry(template).or_default() += 1;
        }
    }

    /// Adds errors that were not looked at one by one.
    pub fn estimate(&mut self, errors: u64) {
        self.errors = self.errors.saturating_add(errors);
    }

    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// What the lines come to. `over` is how long they cover.
    pub fn lines(self, over: Span) -> Lines {
        let mut templates: Vec<_> = self.templates.into_iter().collect();
        templates.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        templates.truncate(MOST_TOLD);
        let templates =
            templates.into_iter().map(|(t, n)| (Tainted::bounded(&t, 400), n)).collect();
        Lines { errors: self.errors, templates, over }
    }
}

/// The part of a line that is looked at.
pub fn cut(line: &str) -> &str {
    let mut end = line.len().min(LONGEST);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// Cuts a stream into lines without ever holding more of one than `longest` bytes.
#[derive(Debug)]
pub struct Splitter {
    line: Vec<u8>,
    longest: usize,
}

impl Splitter {
    pub fn new(longest: usize) -> Self {
        Self { line: Vec::new(), longest }
    }

    /// Takes a piece; each line that it ends is handed on, the first `longest` bytes of it.
    pub fn take(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) {
        for part in piece.split_inclusive(|b| *b == b'\n') {
            let (text, ended) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let room = self.longest.saturating_sub(self.line.len()).min(text.len());
            self.line.extend_from_slice(&text[..room]);
            if ended {
                each(&self.line);
                self.line.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_from_lines_that_only_name_them() {
        let errors = Errors::new().unwrap();
        for (line, want) in [
            ("Jan 1 10:00:00 mini app[1]: ERROR: cannot open database", true),
            ("2026-03-01T10:00:00Z ERROR worker died", true),
            ("level=error msg=\"no such host\"", true),
            ("{\"level\":\"fatal\",\"msg\":\"x\"}", true),
            ("java.lang.NullPointerException: x", true),
            ("thread 'main' panicked at src/main.rs:1", true),
            ("app: segfault at 0 ip 0", true),
            ("backup failed: disk full", true),
            ("scrub done with 0 errors", false),
            ("requests=10 errors=0", false),
            ("errors: 0, failed: 3", true),
            ("level=info msg=\"retrying after error\"", false),
            ("[warn] upstream error, retrying", false),
            ("2026-03-01 10:00:00 INFO failed over to replica", false),
            ("GET /error.html 200", true),
            ("terrorism, mirrored", false),
            ("all is well", false),
        ] {
            assert_eq!(errors.tells(line), want, "{line}");
        }
    }

    #[test]
    fn a_flood_is_counted_and_a_few_kinds_are_told() {
        let redactor = Redactor::new(Vec::new());
        let mut counted = Counted::default();
        for n in 0..5_000 {
            counted.add(&format!("cannot reach peer {n}"), &redactor);
        }
        counted.add("disk is gone", &redactor);
        let lines = counted.lines(Span::secs(60));
        assert_eq!(lines.errors, 5_001);
        assert!(lines.templates.len() <= MOST_TOLD);
        assert!(lines.templates[0].0.as_str().starts_with("cannot reach peer"), "{lines:?}");
    }

    #[test]
    fn a_long_line_is_held_in_part_only() {
        let mut splitter = Splitter::new(5);
        let mut got = Vec::new();
        for piece in [b"ab".as_slice(), b"cdefghij", b"klm\n\nxy\nrest"] {
            splitter.take(piece, |line| got.push(line.to_vec()));
        }
        assert_eq!(got, [b"abcde".to_vec(), b"".to_vec(), b"xy".to_vec()]);
        assert_eq!(cut(&"é".repeat(LONGEST)).len(), LONGEST);
    }
}
