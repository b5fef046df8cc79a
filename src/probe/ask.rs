//! How a kind of probe reads what was written about one probe: a short text or a table.

mod context;

use std::collections::BTreeMap;

use crate::clients::dns::Resolver;
use crate::clients::http::url::WebUrl;
use crate::clients::tls::TlsServer;
use crate::config::given::Given;
use crate::config::keys::Key;
use crate::config::section::{Entry, Section};
use crate::config::setting::Setting;
use crate::model::ids::{HostName, Word};
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Span;
pub use crate::probe::ask::context::{Context, host_signal};
use crate::probe::care::{Care, with_suffix};
use crate::probe::{How, Probe};

/// A probe as one kind made it, before the names that others gave it are resolved.
#[derive(Debug)]
pub struct Draft {
    pub probe: Probe,
    /// The signal that stands for it where it is named as a parent.
    pub main: Signal,
    /// `parent = "nas"` or `parent = "http.photos"` as written, and whether it was.
    pub parent: Option<String>,
    /// What it looks at, for tools that look at the same.
    pub endpoint: Option<Endpoint>,
    /// `true` where the config names it; an implied one gives way to a named one.
    pub named: Named,
}

/// Whether a probe was written down or follows from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Yes,
    Implied,
}

/// A network endpoint of the config, for `http.get` and `tls.inspect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub target: Target,
    pub url: Option<WebUrl>,
    pub tls: Option<TlsServer>,
    /// What it is asked, where it is a resolver.
    pub resolver: Option<Resolver>,
}

/// The keys that every probe takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Common {
    pub every: Span,
    pub timeout: Span,
    pub fire_after: u32,
    pub clear_after: u32,
    pub wakes: bool,
    pub parent: Option<String>,
    pub served_by: Option<Target>,
    pub care: Care,
}

impl Common {
    /// What a kind starts from: three consecutive looks to fire, two to clear.
    pub fn with(every: Span, timeout: Span) -> Self {
        Self {
            every,
            timeout,
            fire_after: 3,
            clear_after: 2,
            wakes: false,
            parent: None,
            served_by: None,
            care: Care::default(),
        }
    }

    /// The keys that make sense for a probe of this machine as a whole: `every`, `timeout`,
    /// `fire_after`, `fire_of`, `clear_after`, `tolerance`, `tolerances` and `wakes`.
    pub fn of_machine(section: &mut Section, default: &Self) -> Self {
        let mut common = Self {
            every: section.or("every", default.every),
            timeout: section.or("timeout", default.timeout),
            fire_after: section.or("fire_after", default.fire_after),
            clear_after: section.or("clear_after", default.clear_after),
            wakes: section.or("wakes", default.wakes),
            care: Care::of_machine(section, &default.care),
            ..default.clone()
        };
        for (key, given, least) in [
            ("every", &mut common.every, Span::secs(1)),
            ("timeout", &mut common.timeout, Span(100)),
        ] {
            if *given < least {
                section.mistake(key, format!("is too short: {least} at least"));
                *given = least;
            }
        }
        for (key, n) in
            [("fire_after", &mut common.fire_after), ("clear_after", &mut common.clear_after)]
        {
            if *n == 0 {
                section.mistake(key, "counts looks, so it is 1 at least");
                *n = 1;
            }
        }
        common
    }

    /// Makes the probe. `named` is what it is called: `http.jellyfin`.
    pub fn probe(&self, kind: Word, named: String, host: HostName, how: How) -> Probe {
        Probe {
            kind,
            name: named,
            host,
            every: self.every,
            timeout: self.timeout,
            fire_after: self.fire_after,
            clear_after: self.clear_after,
            wakes: self.wakes,
            parent: None,
            care: self.care.clone(),
            served_by: self.served_by.clone(),
            how,
        }
    }
}

/// What was written about one probe: `kind.name = "short"` or `kind.name = { … }`.
#[derive(Debug)]
pub struct Ask<'a> {
    /// What the operator called it.
    pub name: &'a str,
    pub cx: &'a Context,
    /// The table of its kind, which takes the mistakes of a short form.
    kind: &'a mut Section,
    written: Written,
}

#[derive(Debug)]
enum Written {
    Short(String),
    /// Neither text nor a table: the value stays with the table of its kind.
    Bare,
    Table(Section),
}

impl<'a> Ask<'a> {
    pub fn short(name: &'a str, text: String, kind: &'a mut Section, cx: &'a Context) -> Self {
        Self { name, cx, kind, written: Written::Short(text) }
    }

    pub fn bare(name: &'a str, kind: &'a mut Section, cx: &'a Context) -> Self {
        Self { name, cx, kind, written: Written::Bare }
    }

    pub fn table(name: &'a str, table: Section, kind: &'a mut Section, cx: &'a Context) -> Self {
        Self { name, cx, kind, written: Written::Table(table) }
    }

    /// The one thing that must be said: the short form is it.
    pub fn main<T: Setting>(&mut self, key: &str) -> Option<T> {
        match &mut self.written {
            Written::Table(table) => table.need(key),
            Written::Bare => self.kind.need(self.name),
            Written::Short(text) => match T::read(&Given::Text(text.clone())) {
                Ok(value) => Some(value),
                Err(why) => {
                    self.kind.mistake(self.name, why);
                    None
                }
            },
        }
    }

    /// As [`Ask::main`] for a kind that is said by a list.
    pub fn main_list<T: Setting>(&mut self, key: &str) -> Option<Vec<T>> {
        match &mut self.written {
            Written::Table(table) => {
                if !table.has(key) {
                    table.mistake(key, "is missing, and this table needs it");
                    return None;
                }
                table.list(key)
            }
            Written::Bare => self.kind.list(self.name),
            Written::Short(_) => self.main(key).map(|one| vec![one]),
        }
    }

    /// As [`Ask::main`] for a kind whose short form says something that a table may leave out.
    pub fn main_or<T: Setting>(&mut self, key: &str, default: T) -> T {
        match &mut self.written {
            Written::Table(table) => table.or(key, default),
            Written::Short(_) | Written::Bare => self.main(key).unwrap_or(default),
        }
    }

    pub fn opt<T: Setting>(&mut self, key: &str) -> Option<T> {
        match &mut self.written {
            Written::Table(table) => table.opt(key),
            Written::Short(_) | Written::Bare => None,
        }
    }

    pub fn or<T: Setting>(&mut self, key: &str, default: T) -> T {
        match &mut self.written {
            Written::Table(table) => table.or(key, default),
            Written::Short(_) | Written::Bare => default,
        }
    }

    pub fn list<T: Setting>(&mut self, key: &str) -> Option<Vec<T>> {
        match &mut self.written {
            Written::Table(table) => table.list(key),
            Written::Short(_) | Written::Bare => None,
        }
    }

    /// A secret of this probe: `KEY = "${VAR}"`, `KEY_file = "/path"` and so on.
    pub fn secret(&mut self, key: &str) -> Option<Key> {
        match &mut self.written {
            Written::Table(table) => table.secret(key).map(|source| self.cx.keys.add(source)),
            Written::Short(_) | Written::Bare => None,
        }
    }

    /// A table of texts under names of the operator's own: `labels = { queue = "mail" }`.
    pub fn pairs(&mut self, key: &str) -> BTreeMap<String, String> {
        let Written::Table(table) = &mut self.written else { return BTreeMap::new() };
        if !table.has(key) {
            return BTreeMap::new();
        }
        let mut inner = table.section(key);
        let mut found = BTreeMap::new();
        for (name, entry) in inner.entries() {
            match entry {
                Entry::Short(text) => drop(found.insert(name, text)),
                Entry::Table(_) | Entry::Other => inner.mistake(&name, "is no text in quotes"),
            }
        }
        found
    }

    /// Tables under names of the operator's own: `[kubernetes.k3s.manifest.NAME]`.
    pub fn tables(&mut self, key: &str) -> Vec<(String, Section)> {
        let Written::Table(table) = &mut self.written else { return Vec::new() };
        if !table.has(key) {
            table.skip(key);
            return Vec::new();
        }
        let mut inner = table.section(key);
        let mut found = Vec::new();
        for (name, entry) in inner.entries() {
            match entry {
                Entry::Table(table) => found.push((name, table)),
                Entry::Short(_) | Entry::Other => inner.mistake(&name, "is no table"),
            }
        }
        found
    }

    /// A table within this one, empty where it is not written; `None` for a short form.
    pub fn section(&mut self, key: &str) -> Option<Section> {
        match &mut self.written {
            Written::Table(table) => Some(table.section(key)),
            Written::Short(_) | Written::Bare => None,
        }
    }

    /// The home folder of whoever runs reef.
    pub fn home(&self) -> Option<&str> {
        self.kind.env().get("HOME")
    }

    /// Whether a key is written.
    pub fn has(&self, key: &str) -> bool {
        matches!(&self.written, Written::Table(table) if table.has(key))
    }

    /// Tells a mistake at a key of this probe.
    pub fn mistake(&mut self, key: &str, what: impl Into<String>) {
        match &mut self.written {
            Written::Table(table) => table.mistake(key, what),
            Written::Short(_) | Written::Bare => self.kind.mistake(self.name, what),
        }
    }

    /// Tells a finding at a key of this probe.
    pub fn finding(&mut self, key: &str, what: impl Into<String>) {
        match &mut self.written {
            Written::Table(table) => table.finding(key, what),
            Written::Short(_) | Written::Bare => self.kind.finding(self.name, what),
        }
    }

    /// The target of this probe by its name, on `host`; a mistake where the name is none.
    pub fn target(&mut self, host: &HostName, thing: Thing) -> Option<Target> {
        match Target::new(host.clone(), thing, self.name) {
            Ok(target) => Some(target),
            Err(bad) => {
                self.kind.mistake(self.name, format!("{}: choose another name", bad.why));
                None
            }
        }
    }

    /// The keys that every probe takes, from the kind's own defaults. `host` is where `served_by`
    /// lies.
    pub fn common(&mut self, default: Common, host: &HostName) -> Common {
        let every = self.at_least("every", default.every, Span::secs(1));
        self.common_but_every(Common { every, ..default }, host)
    }

    /// As [`Ask::common`], for a kind whose `every` says something else.
    pub fn common_but_every(&mut self, default: Common, host: &HostName) -> Common {
        let every = default.every;
        let timeout = self.at_least("timeout", default.timeout, Span(100));
        let fire_after = self.looks("fire_after", default.fire_after);
        let clear_after = self.looks("clear_after", default.clear_after);
        Common {
            every,
            timeout,
            fire_after,
            clear_after,
            wakes: self.or("wakes", default.wakes),
            parent: self.opt("parent").or(default.parent).or_else(|| self.implied_parent(host)),
            served_by: self.served_by(host).or(default.served_by),
            care: Care::read(self, default.care),
        }
    }

    fn looks(&mut self, key: &str, default: u32) -> u32 {
        let n = self.or(key, default);
        if n == 0 {
            self.mistake(key, "counts looks, so it is 1 at least");
        }
        n.max(1)
    }

    /// A span with a lower bound.
    pub fn at_least(&mut self, key: &str, default: Span, least: Span) -> Span {
        let given = self.or(key, default);
        if given < least {
            self.mistake(key, format!("is too short: {least} at least"));
            return default;
        }
        given
    }

    /// `served_by = "unit:nginx"`, `"container:jellyfin"` or `"compose:media/jellyfin"`, on the probe's host
    /// or with a host before it.
    fn served_by(&mut self, host: &HostName) -> Option<Target> {
        let given: String = self.opt("served_by")?;
        let complete = match given.split_once(':') {
            Some(("unit", name)) => format!("{host}:unit:{}", with_suffix(name)),
            Some((kind @ ("container" | "compose"), name)) => format!("{host}:{kind}:{name}"),
            Some((_, rest)) if rest.starts_with("unit:") => with_suffix(&given),
            Some((_, rest)) if rest.starts_with("container:") || rest.starts_with("compose:") => {
                given.clone()
            }
            Some(_) | None => {
                self.mistake("served_by", "is no unit and no container: write \"unit:NAME\", \"container:NAME\", \"compose:PROJECT/SERVICE\", or a host before it");
                return None;
            }
        };
        match complete.parse::<Target>() {
            Ok(target) => Some(target),
            Err(bad) => {
                self.mistake("served_by", format!("{bad}"));
                None
            }
        }
    }
}

/// A past that knows nothing, for tests.
#[cfg(test)]
pub(crate) struct NoPast;

#[cfg(test)]
impl crate::probe::Past for NoPast {
    fn same_hour(&self, _: &Signal, _: crate::model::time::Millis) -> Option<f64> {
        None
    }
    fn median(&self, _: &Signal, _: crate::model::time::Millis) -> Option<f64> {
        None
    }
    fn growth_per_day(&self, _: &Signal, _: crate::model::time::Millis) -> Option<f64> {
        None
    }
}
