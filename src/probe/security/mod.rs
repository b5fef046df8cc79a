//! `security`: what may be an intruder's doing. What is there at the first look is known; what is new is for the
//! human alone, until they have said that they know it.

mod aspects;
mod known;

use std::collections::{BTreeSet, VecDeque};

use crate::config::section::Section;
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::guard::{Guarded, Guards, Known, Logins, Recall};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit, WHAT};
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::Kind;
use crate::probe::security::aspects::{
    Aspect, CONTAINERS, CRON, KEYS, MOST, PORTS, ROOTS, SOURCES, SUDOERS, containers, counted,
    hidden, ports, unread,
};
use crate::probe::security::known::{clean, differences, matches};
use crate::probe::spoken::{host_signal, missing, number};
use crate::probe::{HostProbe, Past};

const SECURITY: &str = "security";
/// Sources that wait for a human.
const MOST_NEW: usize = 50;
/// How many times its own usual a rate must be: what knocks at every door of the internet all day is no news.
const TIMES: f64 = 3.0;

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// So many failed logins ...
    pub failures: u32,
    /// ... within this are red, where it is three times the usual.
    pub within: Span,
    /// What is never told: `tcp 8096`, `/etc/cron.d/*`, an address, a container.
    pub ignore: Vec<String>,
    /// Where logins are written, if not where they usually are.
    pub log: Option<AbsPath>,
    /// More files with keys.
    pub files: Vec<AbsPath>,
}

impl Default for Settings {
    fn default() -> Self {
        let (ignore, files) = (Vec::new(), Vec::new());
        Self { failures: 30, within: Span::mins(10), ignore, log: None, files }
    }
}

/// Reads `[probe.security]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let mut read = Settings {
        failures: section.or("failures", default.failures),
        within: section.or("within", default.within),
        ignore: section.list_or("ignore", default.ignore),
        log: section.opt("log"),
        files: section.list_or("files", default.files),
    };
    if read.failures == 0 {
        section.mistake("failures", "counts failed logins, so it is 1 at least");
        read.failures = 1;
    }
    if read.within < Span::mins(1) {
        section.mistake("within", "is too short: 1m at least");
        read.within = default.within;
    }
    read
}

/// What a reading has. It is for people: no runbook ever answers one.
pub fn gives() -> Vec<Gives> {
    let doc = "what is new, ITEM = STATE each";
    vec![Gives { name: WHAT, kind: Kind::List(Box::new(Kind::Text)), doc }]
}

/// The probe.
#[derive(Debug)]
pub struct Security {
    settings: Settings,
    host: HostName,
    /// Failed logins of the last while, look by look.
    failed: VecDeque<(Millis, u64)>,
    /// Who came from where nobody came before, until a human knows it.
    came: Known,
    learned: Vec<(Signal, Known)>,
    unseen: Vec<String>,
}

impl Security {
    pub fn new(settings: Settings, host: HostName) -> Self {
        let (failed, came) = (VecDeque::new(), Known::new());
        Self { settings, host, failed, came, learned: Vec::new(), unseen: Vec::new() }
    }

    fn signal(&self, aspect: &'static str) -> Signal {
        host_signal(SECURITY, &self.host, aspect)
    }

    /// Holds what is there against what is known. Nothing is said before it is known what is known, and nothing is
    /// green of which nothing may be seen: it stands among what was not looked at, or is unknown where it was seen
    /// before.
    fn compare(
        &mut self,
        aspect: Aspect,
        mut there: Known,
        hidden: &[String],
        past: &dyn Past,
        now: Millis,
    ) -> Option<Reading> {
        let signal = self.signal(aspect.name);
        there.retain(|item, _| !self.settings.ignore.iter().any(|one| matches(one, item)));
        let known = match past.known(&signal) {
            Recall::NotYet => return None,
            Recall::Nothing if there.is_empty() && !hidden.is_empty() => return None,
            Recall::Is(known) if there.is_empty() && !hidden.is_empty() => {
                let why = format!("reef may no longer look at {}", aspect.things);
                let why = NoFact::Failed(why);
                return (!known.is_empty()).then(|| missing(signal, now, Some(&why)));
            }
            Recall::Nothing => {
                let words = format!(
                    "{}: {} known from now on{}",
                    aspect.things,
                    there.len(),
                    unread(hidden)
                );
                self.learned.push((signal.clone(), there));
                return Some(Reading::new(signal, now, Severity::Green, Word::of("ok"), &words));
            }
            Recall::Is(known) => known,
        };
        let new = differences(&known, &there, aspect.counts, hidden);
        if new.is_empty() {
            let words =
                format!("nothing new among {}: {}{}", aspect.things, there.len(), unread(hidden));
            return Some(Reading::new(signal, now, Severity::Green, Word::of("ok"), &words));
        }
        let told: Vec<String> = new.iter().map(|item| (aspect.words)(item)).collect();
        let what: Vec<(String, String)> =
            new.iter().take(MOST_NEW).map(|i| (i.name.clone(), i.now.clone())).collect();
        let words = told.join("; ");
        let mut reading = Reading::security(signal, now, Word::of(aspect.reason), &words, &what);
        reading.value = Some(number(new.len() as u64));
        reading.unit = Some(Unit::Count);
        Some(reading)
    }

    fn logins(&mut self, logins: &Logins, past: &dyn Past, now: Millis) -> Vec<Reading> {
        self.unseen.extend(logins.unseen.iter().cloned());
        let mut readings = Vec::new();
        match logins.failed {
            Some(failed) => readings.push(self.rate(failed, &logins.failed_from, past, now)),
            None => {
                let why = NoFact::Absent(logins.unseen.join("; "));
                readings.push(missing(self.signal("failed"), now, Some(&why)));
            }
        }
        let known = past.known(&self.signal(SOURCES.name));
        for login in &logins.accepted {
            let is_known = matches!(&known, Recall::Is(known) if known.contains_key(&login.source));
            if !is_known && self.came.len() < MOST {
                self.came.entry(clean(&login.source)).or_insert_with(|| clean(&login.user));
            }
        }
        if let Recall::Is(known) = &known {
            self.came.retain(|source, _| !known.contains_key(source));
        }
        let came = self.came.clone();
        readings.extend(self.compare(SOURCES, came, &[], past, now));
        if known == Recall::Nothing {
            self.came.clear();
        }
        readings
    }

    fn rate(
        &mut self,
        failed: u64,
        from: &[(String, u64)],
        past: &dyn Past,
        now: Millis,
    ) -> Reading {
        let signal = self.signal("failed");
        self.failed.push_back((now, failed));
        while self.failed.front().is_some_and(|(at, _)| self.settings.within <= now.since(*at)) {
            self.failed.pop_front();
        }
        let count = self.failed.iter().map(|(_, n)| n).sum::<u64>();
        let usual = past.usual(&signal, now).map_or(0.0, |usual| usual.median);
        let within = self.settings.within;
        let many = u64::from(self.settings.failures) <= count && TIMES * usual <= number(count);
        let mut words = match count {
            0 => format!("no failed login within {within}"),
            n => format!("{n} failed logins within {within}"),
        };
        if let Some((source, n)) = from.first().filter(|_| 0 < count) {
            words.push_str(&format!(", most of the last from {source} ({n})"));
        }
        let mut reading = match many {
            true => Reading::security(signal, now, Word::of("failed"), &words, &[]),
            false => Reading::new(signal, now, Severity::Green, Word::of("ok"), &words),
        };
        reading.value = Some(number(count));
        reading.unit = Some(Unit::Count);
        reading
    }

    fn guarded(&mut self, guarded: &Guarded, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let mut readings = Vec::new();
        for (guards, aspect) in
            [(Guards::Keys, KEYS), (Guards::Sudoers, SUDOERS), (Guards::Cron, CRON)]
        {
            let of_it = guarded.files.iter().filter(|file| file.guards == guards);
            let state = |digest: &str, lines| format!("{} {digest}", counted(lines));
            let there: Known =
                of_it.map(|f| (clean(&f.path), state(&f.digest, f.lines))).take(MOST).collect();
            let hidden: Vec<String> = guarded
                .hidden
                .iter()
                .filter(|(of, _)| *of == guards)
                .map(|(_, path)| clean(path))
                .collect();
            readings.extend(self.compare(aspect, there, &hidden, past, now));
        }
        if let Some(words) = hidden(&guarded.hidden) {
            self.unseen.push(words);
        }
        let roots = guarded.roots.iter().map(|name| (clean(name), "uid 0".to_owned())).collect();
        readings.extend(self.compare(ROOTS, roots, &[], past, now));
        readings
    }
}

impl HostProbe for Security {
    fn wants(&self) -> BTreeSet<Fact> {
        let Settings { log, files, .. } = &self.settings;
        let guarded = Fact::Guarded(files.clone());
        BTreeSet::from([Fact::Logins(log.clone()), Fact::Listening, guarded, Fact::Containers])
    }

    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading> {
        self.unseen.clear();
        let mut readings = Vec::new();
        for fact in self.wants() {
            let (found, aspects): (_, &[&'static str]) = match (&fact, facts.get(&fact)) {
                (_, Some(Ok(FactValue::Logins(logins)))) => {
                    readings.extend(self.logins(logins, past, now));
                    continue;
                }
                (_, Some(Ok(FactValue::Listening(listeners)))) => {
                    readings.extend(self.compare(PORTS, ports(listeners), &[], past, now));
                    continue;
                }
                (_, Some(Ok(FactValue::Guarded(guarded)))) => {
                    readings.extend(self.guarded(guarded, past, now));
                    continue;
                }
                (_, Some(Ok(FactValue::Containers(all)))) => {
                    readings.extend(self.compare(CONTAINERS, containers(all), &[], past, now));
                    continue;
                }
                // Where there is no engine there is nothing to be said of containers.
                (Fact::Containers, Some(Err(NoFact::Absent(_)))) if !self.knows(past) => continue,
                (Fact::Logins(_), found) => (found, &["failed", "source"]),
                (Fact::Listening, found) => (found, &["ports"]),
                (Fact::Guarded(_), found) => (found, &["keys", "sudoers", "cron", "root"]),
                (_, found) => (found, &["containers"]),
            };
            let why = found.and_then(|found| found.as_ref().err());
            // An engine that refuses says so itself.
            let engine = || host_signal("docker", &self.host, "engine");
            let parent = matches!(fact, Fact::Containers).then(engine);
            readings.extend(
                aspects.iter().map(|a| Reading {
                    parent: parent.clone(),
                    ..missing(self.signal(a), now, why)
                }),
            );
        }
        readings
    }

    fn learned(&mut self) -> Vec<(Signal, Known)> {
        std::mem::take(&mut self.learned)
    }

    fn absent(&self) -> Option<String> {
        (!self.unseen.is_empty()).then(|| self.unseen.join("; "))
    }
}

impl Security {
    /// Whether containers of this host were ever seen.
    fn knows(&self, past: &dyn Past) -> bool {
        matches!(past.known(&self.signal(CONTAINERS.name)), Recall::Is(known) if !known.is_empty())
    }
}

#[cfg(test)]
mod tests;
