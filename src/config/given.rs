//! What a TOML text holds, with the place of every key and value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use crate::model::taint::Tainted;

/// A TOML text and what to call it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As messages name it: the path as it was found.
    pub name: String,
    pub text: String,
    /// The line of the file where `text` starts, from 1; more than 1 for a block within a file.
    pub first_line: usize,
    /// The file it came from, where there is one.
    pub path: Option<PathBuf>,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), first_line: 1, path: None }
    }

    /// A part of a larger file, such as a runbook's front matter.
    pub fn part(name: impl Into<String>, text: impl Into<String>, first_line: usize) -> Self {
        Self { name: name.into(), text: text.into(), first_line, path: None }
    }
}

/// Where something stands in its source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// From 1, as editors count; 0 where it stands nowhere.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// How many characters on that line, at least 1.
    pub width: usize,
}

/// One value as it was written, before `${VAR}` is expanded.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Text(String),
    Int(i64),
    Float(f64),
    Flag(bool),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
    /// A date, or a number that fits nowhere: what it is, for the message.
    Other(&'static str),
}

/// A value, its place, and the place of its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Given,
    pub key_at: Place,
    pub at: Place,
}

impl Given {
    /// What it is, for a message: "is text, not a number".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(what) => what,
        }
    }

    /// As a message repeats it: short, on one line, without what would upset a terminal.
    pub fn brief(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", brief(text)),
            Self::Int(n) => n.to_string(),
            Self::Float(n) => n.to_string(),
            Self::Flag(b) => b.to_string(),
            Self::List(_) | Self::Table(_) | Self::Other(_) => self.kind().to_owned(),
        }
    }
}

/// At most 60 characters of `text`, cleaned as anything from outside.
pub(super) fn brief(text: &str) -> String {
    let line: String = text.chars().map(|c| if c == '\n' { ' ' } else { c }).take(61).collect();
    let clean = Tainted::new(&line).as_str().to_owned();
    if clean.chars().count() <= 60 {
        return clean;
    }
    clean.chars().take(59).chain(['…']).collect()
}

/// The tree of a source, or what is wrong with its syntax and where.
pub(super) fn parse(source: &Source) -> Result<BTreeMap<String, Node>, Vec<(Place, String)>> {
    let lines = Lines::of(source);
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(convert_table(table.into_inner(), &lines));
    }
    let mut found: Vec<(Place, String)> = Vec::new();
    for error in errors {
        let place = lines.place(&error.span().unwrap_or(0..0));
        let message = error.message().trim().replace('\n', "; ");
        // One slip makes several errors on its line; the first says most.
        if found.iter().all(|(earlier, _)| earlier.line != place.line) {
            found.push((place, message));
        }
    }
    Err(found)
}

fn convert_table(table: DeTable<'_>, lines: &Lines<'_>) -> BTreeMap<String, Node> {
    table
        .into_iter()
        .map(|(key, value)| {
            let (key_at, at) = (lines.place(&key.span()), lines.place(&value.span()));
            let node = Node { value: convert(value.into_inner(), lines), key_at, at };
            (key.into_inner().into_owned(), node)
        })
        .collect()
}

fn convert(value: DeValue<'_>, lines: &Lines<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::Text(text.into_owned()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
            .map_or(Given::Other("a number too large to count with"), Given::Int),
        DeValue::Float(n) => match n.as_str().parse::<f64>() {
            Ok(n) if n.is_finite() => Given::Float(n),
            Ok(_) | Err(_) => Given::Other("no finite number"),
        },
        DeValue::Boolean(b) => Given::Flag(b),
        DeValue::Datetime(_) => Given::Other("a date"),
        DeValue::Array(items) => {
            let node = |item: &toml::Spanned<DeValue<'_>>| {
                let at = lines.place(&item.span());
                Node { value: convert(item.get_ref().clone(), lines), key_at: at, at }
            };
            Given::List(items.iter().map(node).collect())
        }
        DeValue::Table(table) => Given::Table(convert_table(table, lines)),
    }
}

/// Byte offsets to lines.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    first: usize,
}

impl<'a> Lines<'a> {
    fn of(source: &'a Source) -> Self {
        let text = &source.text;
        let starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts, first: source.first_line }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let index = self.starts.partition_point(|start| *start <= span.start).saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or(0);
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let count = |range: Range<usize>| {
            self.text.get(range).map_or(0, |piece| piece.trim_end_matches('\r').chars().count())
        };
        Place {
            line: index + self.first,
            column: count(start..span.start.min(self.text.len())) + 1,
            width: count(span.start..span.end.min(end).max(span.start)).max(1),
        }
    }
}
