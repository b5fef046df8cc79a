//! `[dns.NAME]`: zones whose records a program of the operator's sets. One argv for each verb, no shell; a placeholder is
//! one whole argument, and what fills it is a checked value.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::dns::record::{self, RecordKind, Seen};
use crate::clients::dns::{Dns, Server};
use crate::clients::docker::engine::NotDone;
use crate::clients::host::{LinkError, noted};
use crate::clients::outfit::Outfit;
use crate::clients::process::{self, Limits, RunError};
use crate::config::keys::Keys;
use crate::config::section::Section;
use crate::gate::permit::Permit;
use crate::model::ids::Word;
use crate::model::taint::Tainted;
use crate::model::time::Span;
use crate::policy::redact::Redactor;

/// For one question, asked of a server or a program.
const LOOK: Span = Span::secs(5);
/// As much of an output as is told.
const SAID: usize = 300;
/// The longest that the program and the wait for its effect may be given, each.
pub const LONGEST: Span = Span::mins(5);
/// How long a record may be kept by others: below it they ask all the time, above it nobody sees a change for days.
pub const TTLS: std::ops::RangeInclusive<Span> = Span::secs(30)..=Span::days(7);

/// By their names in the config.
pub type Zones = BTreeMap<Word, Arc<Zone>>;

/// Zones that are kept in one place.
#[derive(Debug, Clone)]
pub struct Zone {
    pub name: Word,
    /// The names below which records may be set.
    pub zones: Vec<String>,
    pub set: Vec<String>,
    /// Takes a record away.
    pub unset: Option<Vec<String>>,
    pub look: Look,
    /// A record's, where none is said.
    pub ttl: Span,
    /// How long the program may take.
    pub timeout: Span,
    /// How long it may take after that until the change is seen.
    pub within: Span,
    pub outfit: Outfit,
}

/// Who says how a record is now.
#[derive(Debug, Clone)]
pub enum Look {
    Server(Server),
    /// Prints each value on a line of its own, and nothing where there is none.
    Command(Vec<String>),
}

/// What fills the placeholders.
#[derive(Debug, Clone, Copy)]
pub struct Filled<'a> {
    pub name: &'a str,
    pub kind: RecordKind,
    pub value: Option<&'a str>,
    pub ttl: Span,
}

impl Zone {
    /// The declared zone that a name is, or lies below.
    pub fn of(&self, name: &str) -> Option<&str> {
        let below = |zone: &&String| {
            name == zone.as_str()
                || name.strip_suffix(zone.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.zones.iter().filter(below).max_by_key(|zone| zone.len()).map(String::as_str)
    }

    fn argv(&self, template: &[String], filled: &Filled<'_>) -> Vec<String> {
        let fill = |part: &String| match part.as_str() {
            "{name}" => filled.name.to_owned(),
            "{zone}" => self.of(filled.name).unwrap_or_default().to_owned(),
            "{type}" => filled.kind.word().to_owned(),
            "{value}" => filled.value.unwrap_or_default().to_owned(),
            "{ttl}" => (filled.ttl.0 / 1_000).to_string(),
            plain => plain.to_owned(),
        };
        template.iter().map(fill).collect()
    }

    /// The records of this kind as they are now.
    pub async fn look(&self, filled: &Filled<'_>) -> Result<Vec<Seen>, String> {
        let template = match &self.look {
            Look::Server(server) => {
                let dns = Dns::new(*server, LOOK);
                let seen = dns.records(filled.name, filled.kind).await;
                return seen.map_err(|why| format!("{server} {why} (asked for {})", filled.name));
            }
            Look::Command(template) => template,
        };
        let argv = self.argv(template, filled);
        let program = template.first().map_or("", String::as_str);
        let limits = Limits { timeout: LOOK, max_output: 64 << 10 };
        let given = self.outfit.given(&[])?;
        let raw = process::run_raw(&argv, limits, &given).await;
        let raw = raw.map_err(|why| format!("{program}: {why}"))?;
        if raw.code != Some(0) {
            let said = self.outfit.line(&String::from_utf8_lossy(&raw.stderr), SAID);
            return Err(format!("{program} ended with {}: {said}", code(raw.code)));
        }
        let text = String::from_utf8_lossy(&raw.stdout).into_owned();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let seen = |line: &str| Seen {
            value: record::value(filled.kind, line)
                .unwrap_or_else(|_| Tainted::bounded(line, SAID).as_str().to_owned()),
            ttl: None,
        };
        Ok(lines.map(seen).collect())
    }

    /// Runs the program that sets a record, or the one that takes it away where there is no value.
    pub async fn change(&self, permit: &Permit, filled: &Filled<'_>) -> Result<(), NotDone> {
        let template = match (filled.value, &self.unset) {
            (Some(_), _) => &self.set,
            (None, Some(unset)) => unset,
            (None, None) => return Err(NotDone::NotStarted(self.no_unset())),
        };
        let argv = self.argv(template, filled);
        let program = argv.first().cloned().unwrap_or_default();
        let given = self.outfit.given(&[]).map_err(NotDone::NotStarted)?;
        let limits = Limits { timeout: self.timeout, max_output: 64 << 10 };
        let raw = match process::run_raw(&argv, limits, &given).await {
            Ok(raw) => raw,
            Err(why) => {
                let link = LinkError::from(why.clone());
                drop(noted(permit, &argv, Err(link), &self.outfit.redactor));
                let words = format!("{program}: {why}");
                return Err(match why {
                    RunError::NotStarted(_) => NotDone::NotStarted(words),
                    RunError::TimedOut { .. } | RunError::Lost(_) => NotDone::Unknown(words),
                });
            }
        };
        let output = self.outfit.clean(&raw, SAID);
        drop(noted(permit, &argv, Ok(output), &self.outfit.redactor));
        if raw.code == Some(0) {
            return Ok(());
        }
        let both = [&raw.stderr[..], &raw.stdout[..]].concat();
        let said = self.outfit.line(&String::from_utf8_lossy(&both), SAID);
        let said = if said.is_empty() { "it said nothing" } else { &said };
        Err(NotDone::Failed(format!("{program} ended with {}: {said}", code(raw.code))))
    }

    /// Why a record cannot be taken away.
    pub fn no_unset(&self) -> String {
        format!("[dns.{}] has no unset, the program that takes a record away", self.name)
    }
}

fn code(code: Option<i32>) -> String {
    code.map_or("a signal".to_owned(), |code| format!("code {code}"))
}

/// Why an argv cannot stand for a verb. A placeholder that must be there is the record's own: a program that is not told
/// what to change would change something else.
fn check(argv: &[String], needed: &[&str], allowed: &[&str]) -> Result<(), String> {
    let Some((program, rest)) = argv.split_first() else {
        return Err("names no program".into());
    };
    if !program.starts_with('/') || program.contains(['{', '}']) {
        return Err(format!("begins with {program:?}, which is no program by its whole path"));
    }
    let all = [needed, allowed].concat();
    for part in rest.iter().filter(|part| part.contains(['{', '}'])) {
        if !all.contains(&part.as_str()) {
            return Err(format!(
                "has {part:?}; a placeholder is one whole argument, here: {}",
                all.join(", ")
            ));
        }
    }
    match needed.iter().find(|needed| !rest.iter().any(|part| part == **needed)) {
        Some(missing) => Err(format!("does not have {missing} among its arguments")),
        None => Ok(()),
    }
}

/// Reads the tables below `[dns]`.
pub fn read(mut all: Section, keys: &Keys, redactor: &Arc<Redactor>) -> Zones {
    let mut zones = Zones::new();
    let write = |key: &str| {
        format!(
            "[dns.{key}] for zones whose records reef may set, and dns.{key} below [probe] for a server to watch"
        )
    };
    for (name, section) in all.named("a name", write) {
        if let Some(zone) = one(section, &name, keys, redactor) {
            zones.insert(name, Arc::new(zone));
        }
    }
    all.finish();
    zones
}

fn one(mut section: Section, name: &Word, keys: &Keys, redactor: &Arc<Redactor>) -> Option<Zone> {
    let written: Vec<String> = section.list_or("zones", Vec::new());
    let mut zones = Vec::new();
    for zone in &written {
        match record::name(zone) {
            Ok(zone) if zone.contains('.') => zones.push(zone),
            Ok(_) => section.mistake("zones", format!("{zone} is a whole top level; name a zone")),
            Err(why) => section.mistake("zones", why),
        }
    }
    if written.is_empty() {
        section.mistake("zones", "names no zone; write zones = [\"home.example\"]");
    }
    let mut argv = |key: &str, needed: &[&str], allowed: &[&str]| {
        let argv: Option<Vec<String>> = section.list(key);
        if let Some(Err(why)) = argv.as_ref().map(|argv| check(argv, needed, allowed)) {
            section.mistake(key, why);
        }
        argv
    };
    let set = argv("set", &["{name}", "{type}", "{value}"], &["{ttl}", "{zone}"]);
    let unset = argv("unset", &["{name}", "{type}"], &["{zone}"]);
    let get = argv("get", &["{name}", "{type}"], &["{zone}"]);
    if set.is_none() && !section.has("set") {
        section.mistake(
            "set",
            "is missing: the program that sets a record, like [\"/usr/local/bin/dns-set\", \"{name}\", \"{type}\", \"{value}\", \"{ttl}\"]",
        );
    }
    let server: Option<String> = section.opt("resolver");
    let server = server.and_then(|given| match Server::parse(&given) {
        Ok(server) => Some(server),
        Err(why) => {
            section.mistake("resolver", why);
            None
        }
    });
    let look = match (section.has("resolver"), get) {
        (true, None) => server.map(Look::Server),
        (false, Some(get)) => Some(Look::Command(get)),
        (true, Some(_)) | (false, None) => {
            section.mistake(
                "resolver",
                "one of the two is needed: resolver, the server that is asked how a record is, or get, a program that prints it",
            );
            None
        }
    };
    let ttl = section.or("ttl", Span::mins(5));
    if !TTLS.contains(&ttl) {
        section.mistake("ttl", "must lie between 30 s and 7 d");
    }
    let timeout = section.or("timeout", Span::secs(30));
    let within = section.or("within", Span::secs(30));
    for (key, span) in [("timeout", timeout), ("within", within)] {
        if span < Span::secs(1) || LONGEST < span {
            section.mistake(key, format!("must lie between 1 s and {LONGEST}"));
        }
    }
    let (env, secrets) = (section.section("env"), section.section("secrets"));
    let outfit = Outfit::read(env, secrets, keys, Arc::clone(redactor));
    section.finish();
    let (name, set, look) = (name.clone(), set?, look?);
    Some(Zone { name, zones, set, unset, look, ttl, timeout, within, outfit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::env::Env;
    use crate::config::given::Source;
    use crate::config::section::Reader;

    fn read_text(text: &str) -> Result<Zones, String> {
        let (reader, mut root) = Reader::open(Source::new("c.toml", text), Env::of([]));
        let section = root.section("dns");
        let zones = read(section, &Keys::default(), &Arc::new(Redactor::new(Vec::new())));
        root.finish();
        reader.done().map_err(|m| m.to_string()).map(|_| zones)
    }

    const SET: &str = "set = [\"/bin/x\", \"{name}\", \"{type}\", \"{value}\", \"{ttl}\"]\n";
    const ZONES: &str = "zones = [\"Home.Example.\", \"lab.home.example\"]\n";
    const RESOLVER: &str = "resolver = \"192.0.2.3\"\n";

    #[test]
    fn a_name_lies_in_a_zone_by_whole_labels() {
        let zones = read_text(&format!("[dns.home]\n{ZONES}{SET}{RESOLVER}")).unwrap();
        let zone = &zones[&Word::of("home")];
        for (name, want) in [
            ("home.example", Some("home.example")),
            ("nas.home.example", Some("home.example")),
            ("x.lab.home.example", Some("lab.home.example")),
            ("athome.example", None),
            ("home.example.com", None),
            ("example", None),
        ] {
            assert_eq!(zone.of(name), want, "{name}");
        }
        let filled = Filled {
            name: "nas.home.example",
            kind: RecordKind::A,
            value: Some("192.0.2.7"),
            ttl: Span::mins(5),
        };
        assert_eq!(
            zone.argv(&zone.set, &filled),
            ["/bin/x", "nas.home.example", "A", "192.0.2.7", "300"]
        );
    }

    #[test]
    fn every_mistake_is_told_with_what_to_write() {
        let get = "get = [\"/bin/x\", \"{name}\", \"{type}\"]\n";
        for (text, want) in [
            (format!("[dns.home]\n{SET}{RESOLVER}"), "zones = ["),
            (format!("[dns.home]\nzones = [\"example\"]\n{SET}{RESOLVER}"), "top level"),
            (format!("[dns.home]\nzones = [\"*.example.com\"]\n{SET}{RESOLVER}"), "no name"),
            (format!("[dns.home]\n{ZONES}{RESOLVER}"), "dns-set"),
            (format!("[dns.home]\n{ZONES}{SET}"), "one of the two"),
            (format!("[dns.home]\n{ZONES}{SET}{RESOLVER}{get}"), "one of the two"),
            (format!("[dns.home]\n{ZONES}{SET}resolver = \"pihole\"\n"), "no name server"),
            (format!("[dns.home]\n{ZONES}{SET}{RESOLVER}ttl = \"1s\"\n"), "30 s and 7 d"),
            (format!("[dns.home]\n{ZONES}{SET}{RESOLVER}within = \"1h\"\n"), "between 1 s"),
            (
                format!(
                    "[dns.home]\n{ZONES}{RESOLVER}set = [\"/bin/x\", \"{{name}}\", \"{{type}}\"]\n"
                ),
                "does not have {value}",
            ),
            (
                format!("[dns.home]\n{ZONES}{RESOLVER}set = [\"x\", \"{{name}}\"]\n"),
                "by its whole path",
            ),
            (
                format!(
                    "[dns.home]\n{ZONES}{SET}{RESOLVER}unset = [\"/bin/x\", \"--name={{name}}\"]\n"
                ),
                "one whole argument",
            ),
            (format!("[dns.home]\n{ZONES}{SET}{RESOLVER}resolvers = \"x\"\n"), "did you mean"),
            ("[dns]\nhome = \"192.0.2.3\"\n".to_owned(), "below [probe]"),
        ] {
            let told = read_text(&text).unwrap_err();
            assert!(told.contains(want), "{want}: {told}");
        }
    }
}
