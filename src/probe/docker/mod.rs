//! `docker`: every container of a host. What somebody stopped is no fault; what ended by itself, is sick or
//! restarts too often is.

pub mod compose;
mod judge;
pub mod swarm;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::section::Section;
use crate::model::change::{Change, ChangeKind};
use crate::model::container::{Container, ContainerState};
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::starred::starred;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::policy::rate::{RestartRule, Restarts};
use crate::probe::docker::judge::{Known, Verdict, judge};
use crate::probe::docker::told::Told;
use crate::probe::spoken::{host_signal, missing, number};
use crate::probe::{HostProbe, Past};

/// Looks in a row that fire: each state here has stood for a while already, and events make the first
/// look an early one.
pub const FIRE_AFTER: u32 = 2;

/// The aspect under which the memory of a container is kept.
pub const MEMORY: &str = "memory";

/// Who watches these better: Swarm by its services, Kubernetes by its pods.
const OTHERS: [&str; 2] = ["com.docker.swarm.task.id", "io.kubernetes.pod.name"];

/// What is watched, and what is too often.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Names that are not watched; a star at the end stands for the rest.
    pub ignore: Vec<String>,
    /// So many restarts by the engine itself within the window are red ...
    pub restarts: u32,
    pub window: Span,
    /// ... and so many within a day yellow.
    pub restarts_day: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ignore: Vec::new(), restarts: 5, window: Span::hours(1), restarts_day: 5 }
    }
}

impl Settings {
    fn hour(&self) -> RestartRule {
        RestartRule {
            yellow: None,
            red: self.restarts,
            window: self.window,
            ..RestartRule::default()
        }
    }

    fn day(&self) -> RestartRule {
        RestartRule {
            yellow: Some(self.restarts_day),
            red: u32::MAX,
            window: Span::days(1),
            ..RestartRule::default()
        }
    }

    fn ignores(&self, name: &str) -> bool {
        self.ignore.iter().any(|pattern| starred(pattern, name))
    }
}

/// Reads `[probe.docker]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let mut read = Settings {
        ignore: section.list_or("ignore", default.ignore),
        restarts: section.or("restarts", default.restarts),
        window: section.or("window", default.window),
        restarts_day: section.or("restarts_day", default.restarts_day),
    };
    for (key, n) in [("restarts", &mut read.restarts), ("restarts_day", &mut read.restarts_day)] {
        if *n == 0 {
            section.mistake(key, "counts restarts, so it is 1 at least");
            *n = 1;
        }
    }
    read
}

/// What a reading of a container has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "container", kind: Kind::Target, doc: "the container" },
        Gives { name: "state", kind: Kind::Word, doc: "running, restarting, exited, paused ..." },
        Gives { name: "health", kind: Kind::Word, doc: "none, starting, healthy, unhealthy" },
        Gives { name: "exit_code", kind: Kind::Int, doc: "what it ended with last" },
        Gives { name: "oom", kind: Kind::Flag, doc: "whether it was killed for want of memory" },
        Gives { name: "restarts", kind: Kind::Int, doc: "restarts by Docker within the window" },
        Gives { name: "restarting", kind: Kind::Flag, doc: "whether Docker is restarting it now" },
        Gives { name: "policy", kind: Kind::Word, doc: "no, always, unless-stopped, on-failure" },
        Gives { name: "intended", kind: Kind::Flag, doc: "whether somebody wanted it so" },
        Gives { name: "image", kind: Kind::Text, doc: "the image it was made of" },
        Gives { name: "image_age", kind: Kind::Span, doc: "how long ago its image was built" },
        Gives { name: "project", kind: Kind::Text, doc: "its compose project" },
        Gives { name: "service", kind: Kind::Text, doc: "its service in the project" },
        Gives { name: "limit", kind: Kind::Bytes, doc: "what it may use in memory, where limited" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct DockerProbe {
    settings: Settings,
    host: HostName,
    told: Told,
    /// By name: what is remembered of each container.
    seen: BTreeMap<String, Seen>,
    looked: bool,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Seen {
    id: String,
    image: String,
    image_id: String,
    seen_at: Millis,
    hour: Restarts,
    day: Restarts,
    /// Whether it ran, and whether somebody had stopped it, at the last look.
    ran: bool,
    meant: bool,
}

impl DockerProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self {
            settings,
            host,
            told: Told::default(),
            seen: BTreeMap::new(),
            looked: false,
            changes: Vec::new(),
        }
    }

    fn watches(&self, container: &Container) -> bool {
        !container.opted_out()
            && !self.settings.ignores(&container.name)
            && OTHERS.iter().all(|label| container.label(label).is_none())
    }

    /// Notes what changed by hand since the last look: another image, another container in its place.
    fn remember(&mut self, c: &Container, target: &Target, now: Millis) -> &mut Seen {
        let (hour, day) = (self.settings.hour(), self.settings.day());
        let known = self.seen.remove(&c.name);
        let mut replaced = false;
        if let Some(old) = known.as_ref().filter(|old| old.id != c.id) {
            replaced = true;
            let (kind, words) = match old.image_id == c.image_id {
                true => (ChangeKind::Deployment, format!("{} was made anew", c.name)),
                false if old.image == c.image => {
                    (ChangeKind::Image, format!("{} runs a newer {}", c.name, c.image))
                }
                false => (ChangeKind::Image, format!("{}: {} -> {}", c.name, old.image, c.image)),
            };
            self.changes.push(Change::new(c.created_at, target.clone(), kind, &words));
        }
        let mut seen = known.filter(|old| old.id == c.id).unwrap_or_else(|| {
            let mut new = Seen {
                id: c.id.clone(),
                image: c.image.clone(),
                image_id: c.image_id.clone(),
                seen_at: now,
                hour: Restarts::default(),
                day: Restarts::default(),
                ran: false,
                meant: false,
            };
            // Of one that is younger than the window every restart is known.
            for (restarts, rule) in [(&mut new.hour, hour), (&mut new.day, day)] {
                if now.since(c.created_at) < rule.window {
                    restarts.saw(0, &rule, c.created_at);
                }
                if replaced {
                    restarts.changed(c.created_at);
                }
            }
            new
        });
        seen.hour.saw(u64::from(c.restarts), &hour, now);
        seen.day.saw(u64::from(c.restarts), &day, now);
        self.seen.entry(c.name.clone()).insert_entry(seen).into_mut()
    }

    fn container(&mut self, c: &Container, now: Millis) -> Option<Reading> {
        let target = Target::new(self.host.clone(), Thing::Container, &c.name).ok()?;
        let (hour, day, first) = (self.settings.hour(), self.settings.day(), !self.looked);
        let seen = self.remember(c, &target, now);
        let (hour, day) = (seen.hour.judge(&hour, now), seen.day.judge(&day, now));
        let verdict = judge(c, Known { hour: &hour, day: &day, seen_at: seen.seen_at, now });
        let runs = matches!(c.state, ContainerState::Running | ContainerState::Restarting);
        let switched = match (first, seen.ran, seen.meant) {
            (false, true, _) if !runs && verdict.intended => Some(("stopped", c.finished_at)),
            (false, _, true) if runs => Some(("started", c.started_at)),
            (_, _, _) => None,
        };
        (seen.ran, seen.meant) = (runs, !runs && verdict.intended);
        if let Some((what, at)) = switched {
            let words = format!("{} was {what} by hand", c.name);
            let at = at.unwrap_or(now);
            self.changes.push(Change::new(at, target.clone(), ChangeKind::Switched, &words));
        }
        let signal =
            Signal { probe: Word::of("docker"), target: target.clone(), aspect: Word::of("state") };
        let Verdict { judged, reason, words, intended } = verdict;
        let mut reading = Reading::new(signal, now, judged.severity, Word::of(reason), &words);
        reading.clears = judged.clears;
        reading.value = Some(f64::from(hour.counted));
        reading.unit = Some(Unit::Count);
        reading.values = values(c, target, now);
        reading.values.insert("restarts".into(), Value::Int(i64::from(hour.counted)));
        reading.values.insert("intended".into(), Value::Flag(intended));
        Some(reading)
    }

    /// What one with a limit uses of its memory. Never a fault: it is kept for the day on which it runs out.
    fn memory(&self, c: &Container, now: Millis) -> Option<Reading> {
        let (used, limit) = (c.memory?, c.memory_limit?);
        let target = Target::new(self.host.clone(), Thing::Container, &c.name).ok()?;
        let signal =
            Signal { probe: Word::of("docker"), target: target.clone(), aspect: Word::of(MEMORY) };
        let words = format!("{} of {}", human_bytes(used), human_bytes(limit));
        let mut reading = Reading::new(signal, now, Severity::Green, Word::of("ok"), &words);
        reading.value = Some(number(used));
        reading.unit = Some(Unit::Bytes);
        reading.values = Values::from([
            ("container".to_owned(), Value::Target(target)),
            ("limit".to_owned(), Value::Bytes(limit)),
        ]);
        Some(reading)
    }

    /// The engine itself, and the oldest image that something runs from: for the report.
    fn engine(&self, containers: &[Container], now: Millis) -> Vec<Reading> {
        let runs = containers.iter().filter(|c| c.state == ContainerState::Running).count();
        let words = format!("{} containers, {runs} run", containers.len());
        let signal = host_signal("docker", &self.host, "engine");
        let mut engine = Reading::new(signal, now, Severity::Green, Word::of("ok"), &words);
        engine.value = Some(number(runs as u64));
        engine.unit = Some(Unit::Count);
        let running = containers.iter().filter(|c| c.state == ContainerState::Running);
        let watched = running.filter(|c| self.watches(c));
        let oldest =
            watched.filter_map(|c| Some((c.image_created_at?, c))).min_by_key(|(at, _)| *at);
        let Some((made_at, c)) = oldest else { return vec![engine] };
        let age = now.since(made_at);
        let words = format!("the oldest is {} of {}, {age} old", c.image, c.name);
        let signal = host_signal("docker", &self.host, "image");
        let mut image = Reading::new(signal, now, Severity::Green, Word::of("ok"), &words);
        image.value = Some((age.as_secs_f64() / 86_400.0).floor());
        image.unit = Some(Unit::Days);
        vec![engine, image]
    }

    /// The engine does not answer. Where none is there at all, who put this probe there says whether that
    /// is worth a word.
    fn blind(&self, now: Millis, why: Option<&NoFact>) -> Vec<Reading> {
        match self.told.is_empty() {
            true => vec![missing(host_signal("docker", &self.host, "engine"), now, why)],
            false => self.told.blind(&engine(&self.host), now, why),
        }
    }
}

/// The signal of a host's engine, which explains what it would tell of.
fn engine(host: &HostName) -> Signal {
    host_signal("docker", host, "engine")
}

fn values(c: &Container, target: Target, now: Millis) -> Values {
    let word = |text: &str| Value::Word(Word::new(text).unwrap_or_else(|_| Word::of("other")));
    let text = |text: &str| Value::Text(Tainted::bounded(text, 200));
    let mut values = Values::from([
        ("container".to_owned(), Value::Target(target)),
        ("state".to_owned(), word(c.state.as_str())),
        ("health".to_owned(), word(c.health.as_str())),
        ("oom".to_owned(), Value::Flag(c.oom_killed)),
        ("restarting".to_owned(), Value::Flag(c.state == ContainerState::Restarting)),
        ("policy".to_owned(), word(c.policy.as_str())),
        ("image".to_owned(), text(&c.image)),
    ]);
    if let Some(code) = c.exit_code {
        values.insert("exit_code".to_owned(), Value::Int(i64::from(code)));
    }
    if let Some(limit) = c.memory_limit {
        values.insert("limit".to_owned(), Value::Bytes(limit));
    }
    if let Some(made_at) = c.image_created_at {
        values.insert("image_age".to_owned(), Value::Span(now.since(made_at)));
    }
    for (name, label) in
        [("project", "com.docker.compose.project"), ("service", "com.docker.compose.service")]
    {
        if let Some(value) = c.label(label) {
            values.insert(name.to_owned(), text(value));
        }
    }
    values
}

impl HostProbe for DockerProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Containers])
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.told.recall(parts);
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let containers = match facts.get(&Fact::Containers) {
            Some(Ok(FactValue::Containers(containers))) => containers,
            other => return self.blind(now, other.and_then(|found| found.as_ref().err())),
        };
        let mut readings = self.engine(containers, now);
        let names: BTreeSet<&str> = containers.iter().map(|c| c.name.as_str()).collect();
        self.seen.retain(|name, _| names.contains(name.as_str()));
        for container in containers {
            if self.watches(container) {
                readings.extend(self.container(container, now));
                readings.extend(self.memory(container, now));
            }
        }
        self.looked = true;
        self.told.complete(readings, now)
    }

    fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests;
