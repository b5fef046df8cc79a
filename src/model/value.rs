//! Typed values: what readings and low tools give, and what arguments take.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::model::digest::Canonical;
use crate::model::ids::Word;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target};
use crate::model::time::Span;

/// The kinds of values, for checks before there is a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Int,
    Bytes,
    Span,
    Flag,
    Word,
    Path,
    Target,
    List(Box<Kind>),
    /// A program and its arguments. Only a runbook's literal or the operator gives one: no tool, no
    /// reading and no model does.
    Argv,
    /// Named values as an MCP tool takes them, given by the same as a command.
    Json,
    /// One line of text, handed on as it stands, given by the same as a command.
    Line,
    /// Text from outside. No input of a tool has this kind.
    Text,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int => f.write_str("number"),
            Self::Bytes => f.write_str("size"),
            Self::Span => f.write_str("duration"),
            Self::Flag => f.write_str("true or false"),
            Self::Word => f.write_str("word"),
            Self::Path => f.write_str("path"),
            Self::Target => f.write_str("target"),
            Self::List(of) => write!(f, "list of {of}s"),
            Self::Argv => f.write_str("command"),
            Self::Json => f.write_str("table"),
            Self::Line => f.write_str("line"),
            Self::Text => f.write_str("text"),
        }
    }
}

/// One value. `Text` may be shown and asked about; it fills no argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    Int(i64),
    Bytes(u64),
    Span(Span),
    Flag(bool),
    Word(Word),
    Path(AbsPath),
    Target(Target),
    List(Vec<Value>),
    Argv(Vec<String>),
    Json(Map<String, Json>),
    Line(String),
    Text(Tainted),
}

/// Values by name, as a reading, a step or a call carries them.
pub type Values = BTreeMap<String, Value>;

impl Value {
    /// The kind; an empty list says `list of words`, which [`Value::fits`] takes for any list.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Bytes(_) => Kind::Bytes,
            Self::Span(_) => Kind::Span,
            Self::Flag(_) => Kind::Flag,
            Self::Word(_) => Kind::Word,
            Self::Path(_) => Kind::Path,
            Self::Target(_) => Kind::Target,
            Self::List(items) => Kind::List(Box::new(items.first().map_or(Kind::Word, Self::kind))),
            Self::Argv(_) => Kind::Argv,
            Self::Json(_) => Kind::Json,
            Self::Line(_) => Kind::Line,
            Self::Text(_) => Kind::Text,
        }
    }

    /// Whether this value may stand where `kind` is wanted.
    pub fn fits(&self, kind: &Kind) -> bool {
        match (self, kind) {
            (Self::List(items), Kind::List(of)) => items.iter().all(|item| item.fits(of)),
            (value, kind) => value.kind() == *kind,
        }
    }

    /// The value as a number where it has an order: numbers, sizes, spans (in ms).
    pub fn as_number(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::Bytes(n) => i64::try_from(*n).ok(),
            Self::Span(s) => Some(s.0),
            Self::Flag(_)
            | Self::Word(_)
            | Self::Path(_)
            | Self::Target(_)
            | Self::List(_)
            | Self::Argv(_)
            | Self::Json(_)
            | Self::Line(_)
            | Self::Text(_) => None,
        }
    }

    /// Adds the value's canonical bytes.
    pub fn canonical(&self, to: Canonical) -> Canonical {
        match self {
            Self::Int(n) => to.text("int").int(*n),
            Self::Bytes(n) => to.text("bytes").bytes(&n.to_be_bytes()),
            Self::Span(s) => to.text("span").int(s.0),
            Self::Flag(b) => to.text("flag").int(i64::from(*b)),
            Self::Word(w) => to.text("word").text(w.as_str()),
            Self::Path(p) => to.text("path").text(p.as_str()),
            Self::Target(t) => to.text("target").text(&t.to_string()),
            Self::List(items) => to.text("list").list(items.iter(), |to, item| item.canonical(to)),
            Self::Argv(parts) => to.text("argv").list(parts.iter(), |to, part| to.text(part)),
            Self::Json(table) => table_bytes(to.text("json"), table),
            Self::Line(line) => to.text("line").text(line),
            Self::Text(t) => to.text("text").text(t.as_str()),
        }
    }
}

/// The canonical bytes of a table: by name, whatever order it was written in.
pub fn table_bytes(to: Canonical, table: &Map<String, Json>) -> Canonical {
    let sorted: BTreeMap<_, _> = table.iter().collect();
    to.list(sorted.into_iter(), |to, (name, value)| json_bytes(to.text(name), value))
}

fn json_bytes(to: Canonical, value: &Json) -> Canonical {
    match value {
        Json::Null => to.text("null"),
        Json::Bool(b) => to.text("flag").int(i64::from(*b)),
        Json::Number(n) => to.text("number").text(&n.to_string()),
        Json::String(text) => to.text("text").text(text),
        Json::Array(items) => to.text("list").list(items.iter(), json_bytes),
        Json::Object(table) => table_bytes(to.text("table"), table),
    }
}

/// Characters of a table that people are shown; the digest covers all of it.
const TABLE: usize = 2_000;

fn write_table(f: &mut fmt::Formatter<'_>, table: &Map<String, Json>) -> fmt::Result {
    let whole = Json::Object(table.clone()).to_string();
    let shown = Tainted::bounded(&whole, TABLE);
    f.write_str(shown.as_str())?;
    let rest = whole.chars().count().saturating_sub(TABLE);
    if 0 < rest { write!(f, " and {rest} characters more") } else { Ok(()) }
}

/// One argument of a command as people read it: quoted where a reader could mistake where it ends.
/// Never for a shell.
pub fn write_part(f: &mut fmt::Formatter<'_>, part: &str) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !part.is_empty() && part.chars().all(plain) {
        f.write_str(part)
    } else {
        write!(f, "{part:?}")
    }
}

/// A number of bytes as people say it, in powers of 1024: `57 MiB`, `1.5 GiB`.
pub fn human_bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut whole = n;
    let mut rest = 0;
    while 1_024 <= whole && unit + 1 < UNITS.len() {
        rest = whole % 1_024;
        whole /= 1_024;
        unit += 1;
    }
    match whole {
        0..10 if 0 < unit && 0 < rest * 10 / 1_024 => {
            format!("{whole}.{} {}", rest * 10 / 1_024, UNITS[unit])
        }
        _ => format!("{whole} {}", UNITS[unit]),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Bytes(n) => f.write_str(&human_bytes(*n)),
            Self::Span(s) => write!(f, "{s}"),
            Self::Flag(true) => f.write_str("yes"),
            Self::Flag(false) => f.write_str("no"),
            Self::Word(w) => write!(f, "{w}"),
            Self::Path(p) => write!(f, "{p}"),
            Self::Target(t) => write!(f, "{t}"),
            Self::Text(t) => write!(f, "{t}"),
            Self::Argv(parts) => {
                for (i, part) in parts.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { " " })?;
                    write_part(f, part)?;
                }
                Ok(())
            }
            Self::Json(table) => write_table(f, table),
            Self::Line(line) => write_part(f, line),
            Self::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_say_them() {
        for (n, want) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (60 << 20, "60 MiB"),
            (u64::MAX, "16383 PiB"),
        ] {
            assert_eq!(human_bytes(n), want);
        }
    }

    #[test]
    fn lists_fit_by_their_items() {
        let list = Value::List(vec![Value::Int(1), Value::Text(Tainted::new("x"))]);
        assert!(!list.fits(&Kind::List(Box::new(Kind::Int))));
        assert!(Value::List(vec![]).fits(&Kind::List(Box::new(Kind::Path))));
    }
}
