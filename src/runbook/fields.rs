//! Opens one TOML section of a runbook and turns what is wrong with it into mistakes.

use std::collections::BTreeMap;

use crate::config::env::Env;
use crate::config::given::Source;
use crate::config::mistakes::hint;
use crate::config::section::{Origin, Outcome, Reader, Section};
use crate::runbook::{Lines, Mistake};

/// The longest piece of TOML that is read, in bytes: telling what is wrong with it takes time that
/// grows faster than it does.
pub(super) const LONGEST: usize = 16 << 10;

/// A piece of a runbook's file that holds TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toml {
    pub(super) text: String,
    /// The line of the file where `text` starts.
    pub(super) first_line: usize,
}

/// Reads `toml` with `f`; whatever is wrong goes to `out`, and then there is no value.
pub(super) fn read<T>(
    toml: &Toml,
    out: &mut Vec<Mistake>,
    f: impl FnOnce(&mut Section) -> Option<T>,
) -> Option<(T, Lines)> {
    if LONGEST < toml.text.len() {
        let line = toml.first_line.saturating_sub(1).max(1);
        let what =
            format!("the TOML here has {} bytes; at most {LONGEST} are read", toml.text.len());
        out.push(Mistake::new(line, what));
        return None;
    }
    // A runbook says the same on every machine, so it sees no variable of this one.
    let source = Source::part("runbook", toml.text.as_str(), toml.first_line);
    let (reader, mut section) = Reader::open(source, Env::of([]));
    let value = f(&mut section);
    section.finish();
    match reader.done() {
        Ok(outcome) => Some((value?, lines(&outcome))),
        Err(mistakes) => {
            out.extend(mistakes.all().iter().map(|mistake| {
                let (what, hint) = match mistake.what.split_once("; ") {
                    Some((what, hint)) => (what, Some(hint.to_owned())),
                    None => (mistake.what.as_str(), None),
                };
                let what = match mistake.section.as_str() {
                    "" => what.to_owned(),
                    section => format!("[{section}] {what}"),
                };
                // What is missing stands nowhere: the line that opens the block will do.
                let opened = toml.first_line.saturating_sub(1).max(1);
                let line = if mistake.line == 0 { opened } else { mistake.line };
                Mistake { line, what, hint }
            }));
            None
        }
    }
}

fn lines(outcome: &Outcome) -> Lines {
    let mut lines = BTreeMap::<String, Vec<usize>>::new();
    for record in &outcome.records {
        match record.origin {
            Origin::Line(line) => lines.entry(record.path.clone()).or_default().push(line),
            Origin::Default | Origin::Unset => {}
        }
    }
    Lines(lines)
}

/// One of a few words; `default` where the key is not written.
pub(super) fn word_of<T: Copy>(
    section: &mut Section,
    key: &str,
    default: T,
    options: &[(&'static str, T)],
) -> T {
    let Some(given) = section.opt::<String>(key) else { return default };
    match options.iter().find(|(word, _)| *word == given) {
        Some((_, value)) => *value,
        None => {
            let hint = hint(&given, options.iter().map(|(word, _)| *word));
            section.mistake(key, format!("is none of the words known here{hint}"));
            default
        }
    }
}

/// A short word for a message, as it was written.
pub(super) fn brief(text: &str) -> String {
    crate::model::taint::Tainted::bounded(text, 60).first_line().to_owned()
}

impl Mistake {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into(), hint: None }
    }

    pub(super) fn hinted(line: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..Self::new(line, what) }
    }
}
