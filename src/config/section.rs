//! Reads one TOML table: typed keys, defaults, and every mistake at its line.
//!
//! Each kind of probe, notifier and model parses its own section beside its code with this:
//!
//! ```ignore
//! let url: Option<WebUrl> = section.need("url");
//! let every = section.or("every", Span::mins(1));
//! section.finish();
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::config::env::{Env, has_variable};
use crate::config::given::{Given, Node, Place, Source, brief, parse};
use crate::config::mistakes::{Mistake, Mistakes, hint};
use crate::config::setting::Setting;

mod named;
mod tables;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Written on this line of the source.
    Line(usize),
    /// Nobody wrote it.
    Default,
    /// It may be written, was not, and has no default.
    Unset,
}

/// One key as it was read: all that `config show` needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Dotted: `probe.http.jellyfin.every`.
    pub path: String,
    /// The value as it could be written again; a secret is only said to be one.
    pub shown: String,
    pub origin: Origin,
}

/// What came of reading a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Every key that was asked for, in the order of asking.
    pub records: Vec<Record>,
    /// Worth a word, but no reason to refuse: a literal secret, a file that others can read.
    pub findings: Vec<Mistake>,
}

/// Opens a source, hands out its root, and tells in the end what was wrong.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

/// One TOML table being read. Every key that is written in it must be asked for.
pub struct Section {
    path: String,
    at: Place,
    entries: BTreeMap<String, Node>,
    asked: BTreeSet<String>,
    shared: Arc<Shared>,
    finished: Finished,
}

/// A key whose name is the operator's own: `http.jellyfin = "url"` or `[probe.http.jellyfin]`.
#[derive(Debug)]
pub enum Entry {
    /// A plain text, expanded.
    Short(String),
    Table(Section),
    /// Anything else: whoever cannot use it says so with [`Section::mistake`], or reads it with
    /// [`Section::list`] or [`Section::opt`].
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finished {
    No,
    Yes,
}

/// How loud a remark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Mistake,
    Finding,
}

pub(super) struct Shared {
    source: Source,
    pub(super) env: Env,
    log: Mutex<Log>,
}

/// More than anybody corrects at once; a file that is no config could make millions.
const MOST: usize = 1_000;

#[derive(Default)]
struct Log {
    /// With a broken syntax nothing else can be said for sure.
    syntax: Vec<Mistake>,
    mistakes: Vec<Mistake>,
    findings: Vec<Mistake>,
    records: Vec<Record>,
}

impl fmt::Debug for Shared {
    /// Not the text: it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("source", &self.source.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remark(&self, weight: Weight, remark: impl FnOnce(&Source) -> Mistake) {
        let mut log = self.log();
        let log = &mut *log;
        let all = match weight {
            Weight::Mistake => &mut log.mistakes,
            Weight::Finding => &mut log.findings,
        };
        if all.len() < MOST {
            all.push(remark(&self.source));
        }
    }
}

impl Reader {
    /// Parses `source`. Wrong syntax is told by [`Reader::done`]; the root is empty then.
    pub fn open(source: Source, env: Env) -> (Self, Section) {
        let mut log = Log::default();
        let entries = parse(&source).unwrap_or_else(|errors| {
            let mistake = |(place, what): (Place, String)| {
                Mistake::new(&source, place, "", format!("this is no TOML: {what}"))
            };
            log.syntax = errors.into_iter().map(mistake).collect();
            BTreeMap::new()
        });
        let shared = Arc::new(Shared { source, env, log: Mutex::new(log) });
        let root = Section::of(String::new(), Place::default(), entries, Arc::clone(&shared));
        (Self { shared }, root)
    }

    /// What was read, or all that is wrong with it. Every section must be finished before.
    pub fn done(self) -> Result<Outcome, Mistakes> {
        let log = std::mem::take(&mut *self.shared.log());
        let wrong = if log.syntax.is_empty() { log.mistakes } else { log.syntax };
        match Mistakes::new(wrong) {
            // Whoever corrects the one sees the other in the same report.
            Some(mistakes) => Err(mistakes.with_findings(log.findings)),
            None => Ok(Outcome { records: log.records, findings: log.findings }),
        }
    }
}

impl Section {
    fn of(path: String, at: Place, entries: BTreeMap<String, Node>, shared: Arc<Shared>) -> Self {
        Self { path, at, entries, asked: BTreeSet::new(), shared, finished: Finished::No }
    }

    /// The dotted path: `probe.http.jellyfin`; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path: what the operator called this table.
    pub fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or("")
    }

    /// Whether the key is written here. It still has to be asked for.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Marks a key as known without reading it, where a mistake about it is told otherwise.
    pub fn skip(&mut self, key: &str) {
        self.asked.insert(key.to_owned());
    }

    /// Whether the key holds a table, for keys that may hold either.
    pub fn is_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|node| matches!(node.value, Given::Table(_)))
    }

    /// A key that may be left out. `None` where it is, and where its value is a mistake.
    pub fn opt<T: Setting>(&mut self, key: &str) -> Option<T> {
        match self.node(key) {
            Some(node) => {
                let value = self.value(key, &node)?;
                self.record(key, self.shown(&node.value, &value), Origin::Line(node.key_at.line));
                Some(value)
            }
            None => {
                self.record(key, String::new(), Origin::Unset);
                None
            }
        }
    }

    /// A key with a default, which also stands in where the value is a mistake.
    pub fn or<T: Setting>(&mut self, key: &str, default: T) -> T {
        if self.has(key) {
            return self.opt(key).unwrap_or(default);
        }
        self.asked.insert(key.to_owned());
        self.record(key, default.show(), Origin::Default);
        default
    }

    /// As [`Section::or`], with the default as it would be written. `None` only together with a mistake.
    pub fn or_text<T: Setting>(&mut self, key: &str, default: &str) -> Option<T> {
        if self.has(key) {
            return self.opt(key);
        }
        self.asked.insert(key.to_owned());
        match T::read(&Given::Text(default.to_owned())) {
            Ok(value) => {
                self.record(key, value.show(), Origin::Default);
                Some(value)
            }
            Err(why) => {
                self.mistake(key, format!("its default \"{default}\" {why}"));
                None
            }
        }
    }

    /// A key that must be there.
    pub fn need<T: Setting>(&mut self, key: &str) -> Option<T> {
        if !self.has(key) {
            self.asked.insert(key.to_owned());
            self.mistake(key, "is missing, and this table needs it");
            return None;
        }
        self.opt(key)
    }

    /// Tells a mistake at the key's line, or at the table's where the key is not written.
    pub fn mistake(&mut self, key: &str, what: impl Into<String>) {
        let (place, what) = (self.place(key), format!("{key}: {}", what.into()));
        self.say(Weight::Mistake, place, what);
    }

    /// Tells what is worth a word but no reason to refuse.
    pub fn finding(&mut self, key: &str, what: impl Into<String>) {
        let (place, what) = (self.place(key), format!("{key}: {}", what.into()));
        self.say(Weight::Finding, place, what);
    }

    /// Ends the reading of this table: every key that nobody asked for is a mistake.
    ///
    /// A section that is dropped without this is finished then, unless a mistake was told within it or
    /// about it: a parser that gave up early has not asked for all it knows.
    pub fn finish(mut self) {
        self.check();
    }

    fn check(&mut self) {
        self.finished = Finished::Yes;
        let unknown = self.entries.iter().filter(|(key, _)| !self.asked.contains(*key));
        for (key, node) in unknown {
            let what = match node.value {
                Given::Table(_) => "section",
                Given::Text(_)
                | Given::Int(_)
                | Given::Float(_)
                | Given::Flag(_)
                | Given::List(_)
                | Given::Other(_) => "key",
            };
            self.shared.remark(Weight::Mistake, |source| {
                let hint = hint(key, self.asked.iter().map(String::as_str));
                let text = format!("\"{}\" is not a {what} here{hint}", brief(key));
                Mistake::new(source, node.key_at, &self.path, text).without_value()
            });
        }
    }

    /// Lets go of a table of which another reader told the mistakes.
    pub fn let_go(self) {
        drop(self.closed());
    }

    fn closed(mut self) -> Self {
        self.finished = Finished::Yes;
        self
    }

    /// The node of a key, marked as asked for.
    pub(super) fn node(&mut self, key: &str) -> Option<Node> {
        self.asked.insert(key.to_owned());
        self.entries.get(key).cloned()
    }

    /// The environment that this config is read in.
    pub fn env(&self) -> &Env {
        &self.shared.env
    }

    pub(super) fn record(&self, key: &str, shown: String, origin: Origin) {
        let record = Record { path: self.below(key), shown, origin };
        self.shared.log().records.push(record);
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn place(&self, key: &str) -> Place {
        self.entries.get(key).map_or(self.at, |node| node.key_at)
    }

    fn say(&self, weight: Weight, at: Place, what: String) {
        self.shared.remark(weight, |source| Mistake::new(source, at, &self.path, what));
    }

    /// The typed value of one node; a mistake at the value where it has none.
    fn value<T: Setting>(&self, key: &str, node: &Node) -> Option<T> {
        let wrong = |why: String| {
            self.say(Weight::Mistake, node.at, format!("{key}: {} {why}", node.value.brief()));
        };
        let Given::Text(raw) = &node.value else {
            return T::read(&node.value).map_err(wrong).ok();
        };
        let text = self.shared.env.expand(raw).map_err(wrong).ok()?;
        // What a variable held may be a secret: the message repeats only what the config says.
        let unsaid = |why: String| if has_variable(raw) { why.replace(&text, raw) } else { why };
        T::read(&Given::Text(text.clone())).map_err(|why| wrong(unsaid(why))).ok()
    }

    /// A value for `config show`; one with a variable is shown as it was written.
    fn shown<T: Setting>(&self, given: &Given, value: &T) -> String {
        match given {
            Given::Text(raw) if has_variable(raw) => raw.clone(),
            Given::Text(_)
            | Given::Int(_)
            | Given::Float(_)
            | Given::Flag(_)
            | Given::List(_)
            | Given::Table(_)
            | Given::Other(_) => value.show(),
        }
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        if self.finished == Finished::Yes {
            return;
        }
        let (path, line) = (&self.path, self.at.line);
        let within =
            |mistake: &Mistake| mistake.section == *path || (0 < line && mistake.line == line);
        let gave_up = self.shared.log().mistakes.iter().any(within);
        if !gave_up {
            self.check();
        }
    }
}
