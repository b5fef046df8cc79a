//! Literals: what a runbook writes down, before the kind that it must have is known.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::config::given::Given;
use crate::config::setting::{Bytes, Setting};
use crate::model::ids::{HostName, Word};
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Target, Thing};
use crate::model::time::Span;
use crate::model::value::{Kind, Value};
use crate::runbook::fields::brief;

/// A TOML value that may stand for an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    Int(i64),
    Flag(bool),
    List(Vec<Literal>),
    Table(BTreeMap<String, Literal>),
}

impl Literal {
    /// The value that it is where `kind` is wanted; host-less targets are on `host`. The error is a
    /// clause with what to write: `"30x" is no duration; write 30s`.
    pub fn read(&self, kind: &Kind, host: &HostName) -> Result<Value, String> {
        let named = |why: String| format!("{} {why}", self.show());
        match (kind, self) {
            (Kind::Int, Self::Int(n)) => Ok(Value::Int(*n)),
            (Kind::Flag, Self::Flag(b)) => Ok(Value::Flag(*b)),
            (Kind::Bytes, Self::Int(_) | Self::Text(_)) => {
                Bytes::read(&self.given()).map(|b| Value::Bytes(b.0)).map_err(named)
            }
            (Kind::Span, Self::Text(_)) => {
                Span::read(&self.given()).map(Value::Span).map_err(named)
            }
            (Kind::Word, Self::Text(text)) => {
                Word::new(text.as_str()).map(Value::Word).map_err(|bad| bad.to_string())
            }
            (Kind::Path, Self::Text(text)) => {
                AbsPath::new(text).map(Value::Path).map_err(|bad| bad.to_string())
            }
            (Kind::Target, Self::Text(text)) => target(text, host).map(Value::Target),
            (Kind::Text, Self::Text(text)) => Ok(Value::Text(Tainted::new(text))),
            (Kind::Argv, Self::List(items)) => command(items).map(Value::Argv).map_err(named),
            (Kind::Line, Self::Text(text)) => line(text).map(Value::Line).map_err(named),
            (Kind::Json, Self::Table(table)) => Ok(Value::Json(json_table(table))),
            (Kind::List(of), Self::List(items)) => items
                .iter()
                .map(|item| item.read(of, host))
                .collect::<Result<_, _>>()
                .map(Value::List),
            (
                Kind::Int
                | Kind::Flag
                | Kind::Bytes
                | Kind::Span
                | Kind::Word
                | Kind::Path
                | Kind::Target
                | Kind::Argv
                | Kind::Json
                | Kind::Line
                | Kind::Text
                | Kind::List(_),
                _,
            ) => Err(named(format!("is no {kind}{}", how_to_write(kind)))),
        }
    }

    /// Whether it can be read where `kind` is wanted, whatever the host will be.
    pub(super) fn fits(&self, kind: &Kind) -> Result<(), String> {
        let host = HostName::new("host").map_err(|bad| bad.to_string())?;
        self.read(kind, &host).map(drop)
    }

    /// The kind that its own shape tells, for values of the front matter.
    pub(super) fn shape(&self) -> Result<Kind, String> {
        match self {
            Self::Int(_) => Ok(Kind::Int),
            Self::Flag(_) => Ok(Kind::Flag),
            Self::List(items) => {
                let kinds: Vec<Kind> = items.iter().map(Self::shape).collect::<Result<_, _>>()?;
                match kinds.as_slice() {
                    [] => Err("is an empty list, which tells no kind".into()),
                    [first, rest @ ..] if rest.iter().all(|kind| kind == first) => {
                        Ok(Kind::List(Box::new(first.clone())))
                    }
                    _ => Err("mixes kinds in one list".into()),
                }
            }
            Self::Table(_) => Err("is a table, which only some arguments are".into()),
            Self::Text(text) => {
                let digit = text.starts_with(|c: char| c.is_ascii_digit());
                let kinds: &[Kind] = if text.starts_with('/') {
                    &[Kind::Path]
                } else if digit {
                    &[Kind::Span, Kind::Bytes, Kind::Word]
                } else if text.contains(':') {
                    &[Kind::Target]
                } else {
                    &[Kind::Word]
                };
                kinds
                    .iter()
                    .find(|kind| self.fits(kind).is_ok())
                    .cloned()
                    .ok_or_else(|| "is no number, duration, size, word, path or target".to_owned())
            }
        }
    }

    /// What was typed on a command line where `kind` is wanted.
    pub(super) fn typed(text: &str, kind: &Kind) -> Self {
        let plain = || Self::Text(text.to_owned());
        match kind {
            Kind::Int => text.parse().map_or_else(|_| plain(), Self::Int),
            Kind::Flag => match text {
                "true" | "yes" => Self::Flag(true),
                "false" | "no" => Self::Flag(false),
                _ => plain(),
            },
            Kind::List(of) => {
                Self::List(text.split(',').map(|item| Self::typed(item.trim(), of)).collect())
            }
            Kind::Bytes
            | Kind::Span
            | Kind::Word
            | Kind::Path
            | Kind::Target
            | Kind::Argv
            | Kind::Json
            | Kind::Line
            | Kind::Text => plain(),
        }
    }

    /// As it was written, shortened.
    pub fn show(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{}\"", brief(text)),
            Self::Int(n) => n.to_string(),
            Self::Flag(b) => b.to_string(),
            Self::List(items) => {
                let shown: Vec<String> = items.iter().take(8).map(Self::show).collect();
                format!("[{}]", shown.join(", "))
            }
            Self::Table(table) => {
                let shown =
                    table.iter().take(8).map(|(key, value)| format!("{key} = {}", value.show()));
                format!("{{ {} }}", shown.collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn given(&self) -> Given {
        match self {
            Self::Text(text) => Given::Text(text.clone()),
            Self::Int(n) => Given::Int(*n),
            Self::Flag(b) => Given::Flag(*b),
            Self::List(_) => Given::Other("a list"),
            Self::Table(_) => Given::Other("a table"),
        }
    }
}

fn json_table(table: &BTreeMap<String, Literal>) -> Map<String, Json> {
    table.iter().map(|(key, value)| (key.clone(), json(value))).collect()
}

fn json(literal: &Literal) -> Json {
    match literal {
        Literal::Text(text) => Json::String(text.clone()),
        Literal::Int(n) => Json::from(*n),
        Literal::Flag(flag) => Json::Bool(*flag),
        Literal::List(items) => items.iter().map(json).collect(),
        Literal::Table(table) => Json::Object(json_table(table)),
    }
}

/// A program and its arguments, each a text of its own.
pub(super) fn command(items: &[Literal]) -> Result<Vec<String>, String> {
    let parts: Option<Vec<String>> = items
        .iter()
        .map(|item| match item {
            Literal::Text(text) => Some(text.clone()),
            Literal::Int(_) | Literal::Flag(_) | Literal::List(_) | Literal::Table(_) => None,
        })
        .collect();
    match parts {
        Some(parts) if parts.first().is_some_and(|program| !program.is_empty()) => Ok(parts),
        Some(_) => Err("names no program".into()),
        None => Err("is no list of texts".into()),
    }
}

/// One line that is handed on as it stands.
fn line(text: &str) -> Result<String, String> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err("is empty, or has a control character".into()),
        false => Ok(text.to_owned()),
    }
}

fn how_to_write(kind: &Kind) -> &'static str {
    match kind {
        Kind::Int => "; write 10",
        Kind::Bytes => "; write 500 MiB",
        Kind::Span => "; write 5m, 12h or 30d",
        Kind::Flag => " (without quotes)",
        Kind::Word => "; write one word in quotes",
        Kind::Path => "; write it from the root: /var/log",
        Kind::Target => "; write unit:NAME, /path or HOST:unit:NAME",
        Kind::Argv => "; write it as [\"df\", \"-h\"]",
        Kind::Json => "; write it as { name = \"value\" }",
        Kind::Line | Kind::Text => "; write it in quotes",
        Kind::List(_) => "; write [\"one\", \"two\"]",
    }
}

/// `mini:unit:x.service`; without its host `:unit:x.service`, `unit:x.service`, `:/var` or `/var`.
pub(super) fn target(text: &str, host: &HostName) -> Result<Target, String> {
    let bare = text.strip_prefix(':').unwrap_or(text);
    // The tags of things are words of ours; a host called `unit` must be written in full.
    let hostless = text.starts_with(':')
        || text.starts_with('/')
        || text.split_once(':').is_some_and(|(tag, _)| thing(tag).is_some());
    let full = if hostless { format!("{host}:{bare}") } else { text.to_owned() };
    full.parse::<Target>().map_err(|bad| bad.to_string())
}

/// The kind of thing that a word of ours stands for: `unit`, `endpoint`, `path`, `host`.
pub(super) fn thing(word: &str) -> Option<Thing> {
    match word {
        "host" => Some(Thing::Host),
        "path" => Some(Thing::Path),
        "process" => Some(Thing::Process),
        // The targets know their own tags; any host and name will do to ask for one.
        tag => format!("host:{tag}:name").parse::<Target>().ok().map(|target| target.thing()),
    }
}

impl Setting for Literal {
    fn read(given: &Given) -> Result<Self, String> {
        match given {
            Given::Text(text) => Ok(Self::Text(text.clone())),
            Given::Int(n) => Ok(Self::Int(*n)),
            Given::Flag(b) => Ok(Self::Flag(*b)),
            Given::List(items) => {
                let read = items.iter().map(|item| <Self as Setting>::read(&item.value));
                read.collect::<Result<_, _>>().map(Self::List)
            }
            Given::Table(entries) => {
                let read = entries
                    .iter()
                    .map(|(key, node)| Ok((key.clone(), <Self as Setting>::read(&node.value)?)));
                read.collect::<Result<_, String>>().map(Self::Table)
            }
            Given::Float(_) | Given::Other(_) => {
                Err("is no text, whole number, true or false, list or table of these".into())
            }
        }
    }

    fn show(&self) -> String {
        Self::show(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostName {
        HostName::new("mini").unwrap()
    }

    #[test]
    fn a_literal_is_read_by_the_kind_that_it_fills() {
        let text = |t: &str| Literal::Text(t.into());
        let cases = [
            (text("30d"), Kind::Span, "30 d"),
            (text("1GiB"), Kind::Bytes, "1 GiB"),
            (Literal::Int(2_048), Kind::Bytes, "2 KiB"),
            (text("/var//log/"), Kind::Path, "/var/log"),
            (text("unit:a.service"), Kind::Target, "mini:unit:a.service"),
            (text(":unit:a.service"), Kind::Target, "mini:unit:a.service"),
            (text(":/var"), Kind::Target, "mini:/var"),
            (text("/var"), Kind::Target, "mini:/var"),
            (text("nas:/var"), Kind::Target, "nas:/var"),
            (text("nas"), Kind::Target, "nas"),
            (Literal::List(vec![text("a"), text("b")]), Kind::List(Box::new(Kind::Word)), "a, b"),
        ];
        for (literal, kind, want) in cases {
            let value = literal.read(&kind, &host()).unwrap_or_else(|why| panic!("{why}"));
            assert!(value.fits(&kind), "{literal:?}");
            assert_eq!(value.to_string(), want);
        }
    }

    #[test]
    fn a_literal_of_the_wrong_kind_says_what_to_write() {
        let text = |t: &str| Literal::Text(t.into());
        let cases = [
            (text("10"), Kind::Int, "write 10"),
            (text("30x"), Kind::Span, "is no duration; write 30s"),
            (text("var/log"), Kind::Path, "is not an absolute path"),
            (text("/var/../etc"), Kind::Path, ".."),
            (text("*"), Kind::Word, "star"),
            (text("unit:*"), Kind::Target, "star"),
            (text("true"), Kind::Flag, "without quotes"),
            (text("a"), Kind::List(Box::new(Kind::Word)), "is no list of words"),
            (Literal::List(vec![Literal::Int(1)]), Kind::List(Box::new(Kind::Word)), "is no word"),
        ];
        for (literal, kind, want) in cases {
            let why = literal.read(&kind, &host()).unwrap_err();
            assert!(why.contains(want), "{why:?} does not say {want:?}");
        }
    }

    #[test]
    fn the_shape_of_a_literal_tells_its_kind() {
        let text = |t: &str| Literal::Text(t.into());
        for (literal, want) in [
            (Literal::Int(3), Some(Kind::Int)),
            (text("30d"), Some(Kind::Span)),
            (text("5 GiB"), Some(Kind::Bytes)),
            (text("/var"), Some(Kind::Path)),
            (text("unit:a.service"), Some(Kind::Target)),
            (text("logs"), Some(Kind::Word)),
            (Literal::List(vec![text("a")]), Some(Kind::List(Box::new(Kind::Word)))),
            (text("some free text"), None),
            (Literal::List(vec![text("a"), Literal::Int(1)]), None),
        ] {
            assert_eq!(literal.shape().ok(), want, "{literal:?}");
        }
    }
}
