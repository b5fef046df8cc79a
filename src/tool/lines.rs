//! Log lines as templates with counts, so that a flood is a few rows and no line's own text decides.

use std::collections::BTreeMap;

use crate::policy::template::template;

/// Which lines count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    All,
    /// Those that speak of an error.
    Errors,
}

/// Lines by template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    pub seen: u64,
    pub kept: u64,
    /// The most frequent first; among equals by their text.
    pub templates: Vec<(String, u64)>,
}

/// Words by which a line speaks of an error.
const ERRORS: &[&str] = &[
    "error",
    "fail",
    "fatal",
    "panic",
    "critical",
    "exception",
    "traceback",
    "segfault",
    "denied",
];

impl Lines {
    /// Of text that is bounded already.
    pub fn of(text: &str, keep: Keep) -> Self {
        let mut seen = 0;
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            seen += 1;
            let counts_as_error = || {
                let lower = line.to_ascii_lowercase();
                ERRORS.iter().any(|word| lower.contains(word))
            };
            if keep == Keep::All || counts_as_error() {
                *counts.entry(template(line)).or_default() += 1;
            }
        }
        let kept = counts.values().sum();
        let mut templates: Vec<_> = counts.into_iter().collect();
        templates.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        Self { seen, kept, templates }
    }

    /// The most frequent templates, each on its own line; empty where there are none.
    pub fn words(&self, most: usize) -> String {
        let rows = self.templates.iter().take(most);
        rows.map(|(template, n)| format!("\n{n} x {template}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_error_comes_first() {
        let text = "ok 1\nError: disk 7\nerror b\nError: disk 7\n\n";
        let lines = Lines::of(text, Keep::Errors);
        assert_eq!((lines.seen, lines.kept), (4, 3));
        assert_eq!(lines.templates.first().map(|t| t.1), Some(2));
    }
}
