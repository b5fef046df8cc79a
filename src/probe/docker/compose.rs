//! `compose`: services that a compose file asks for and that have no container. What a container that is
//! there does, the `docker` probe says: one fault is one signal.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::section::Section;
use crate::model::container::{Container, ContainerState, Stack};
use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::starred::starred;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::docker::engine;
use crate::probe::docker::told::Told;
use crate::probe::spoken::number;
use crate::probe::{HostProbe, Past};

/// What is not watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Projects; a star at the end stands for the rest of a name.
    pub ignore: Vec<String>,
}

/// Reads `[probe.compose]`.
pub fn configure(section: &mut Section) -> Settings {
    Settings { ignore: section.list_or("ignore", Vec::new()) }
}

/// What a reading of a project has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "stack", kind: Kind::Target, doc: "the compose project" },
        Gives { name: "services", kind: Kind::Int, doc: "services that its files ask for" },
        Gives {
            name: "missing",
            kind: Kind::List(Box::new(Kind::Text)),
            doc: "services without a container",
        },
        Gives { name: "file", kind: Kind::Path, doc: "its first file" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct ComposeProbe {
    settings: Settings,
    host: HostName,
    told: Told,
    /// Services of which one ran when a container of theirs was seen last, by project.
    ran: BTreeSet<(String, String)>,
}

/// The containers of one project: by service, how many there are.
#[derive(Debug, Default)]
struct Project<'a> {
    services: BTreeMap<&'a str, u32>,
    /// Services of which one runs.
    running: BTreeSet<&'a str>,
}

impl ComposeProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host, told: Told::default(), ran: BTreeSet::new() }
    }

    fn stack(&self, stack: &Stack, project: &Project<'_>, now: Millis) -> Option<Reading> {
        let target = Target::new(self.host.clone(), Thing::Stack, &stack.name).ok()?;
        let signal = Signal {
            probe: Word::of("compose"),
            target: target.clone(),
            aspect: Word::of("services"),
        };
        if let Some(why) = &stack.fault {
            return Some(Reading::unknown(signal, now, Word::of("file"), why.as_str()));
        }
        let wanted =
            stack.services.iter().filter(|s| 0 < s.replicas && !s.profiled && !s.opted_out);
        let mut missing = Vec::new();
        let (mut severity, mut short, mut all) = (Severity::Green, Vec::new(), 0_u64);
        for service in wanted {
            all += 1;
            let have = project.services.get(service.name.as_str()).copied().unwrap_or(0);
            // A project of which nothing runs is down, and somebody took it down.
            if project.running.is_empty() || service.replicas <= have {
                continue;
            }
            let ran = self.ran.contains(&(stack.name.clone(), service.name.clone()));
            let bad = match (have, service.restarts) {
                (0, true) => Severity::Red,
                // One that ran once and was tidied away is none that is missed.
                (0, false) if !ran => continue,
                (_, _) => Severity::Yellow,
            };
            severity = severity.max(bad);
            match have {
                0 => missing.push(service.name.as_str()),
                have => short.push(format!("{} {have} of {}", service.name, service.replicas)),
            }
        }
        let (reason, words) =
            match (missing.is_empty(), short.is_empty(), !project.running.is_empty()) {
                (false, _, _) => ("missing", format!("no container for {}", list(&missing))),
                (true, false, _) => ("short", format!("too few containers: {}", short.join(", "))),
                (true, true, true) => ("ok", format!("all of its {all} services are there")),
                (true, true, false) => ("ok", format!("is down; it has {all} services")),
            };
        let mut reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        reading.value = Some(number(missing.len() as u64));
        reading.unit = Some(Unit::Count);
        let texts = missing.iter().map(|name| Value::Text(Tainted::bounded(name, 100)));
        reading.values = Values::from([
            ("stack".to_owned(), Value::Target(target)),
            ("services".to_owned(), Value::Int(i64::try_from(all).unwrap_or(i64::MAX))),
            ("missing".to_owned(), Value::List(texts.take(50).collect())),
        ]);
        if let Some(file) = stack.files.first() {
            reading.values.insert("file".to_owned(), Value::Path(file.clone()));
        }
        Some(reading)
    }

    fn blind(&self, now: Millis, why: Option<&NoFact>) -> Vec<Reading> {
        // That the engine does not answer says the `docker` probe.
        self.told.blind(&engine(&self.host), now, why)
    }
}

fn list(names: &[&str]) -> String {
    let shown = names.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    match names.len() {
        0..=5 => shown,
        n => format!("{shown} and {} more", n - 5),
    }
}

fn projects(containers: &[Container]) -> BTreeMap<&str, Project<'_>> {
    let mut projects: BTreeMap<&str, Project<'_>> = BTreeMap::new();
    for container in containers {
        let label = |name| container.label(name);
        let (Some(project), Some(service)) =
            (label("com.docker.compose.project"), label("com.docker.compose.service"))
        else {
            continue;
        };
        if label("com.docker.compose.oneoff") == Some("True") {
            continue;
        }
        let project = projects.entry(project).or_default();
        *project.services.entry(service).or_default() += 1;
        if matches!(container.state, ContainerState::Running | ContainerState::Restarting) {
            project.running.insert(service);
        }
    }
    projects
}

impl HostProbe for ComposeProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Containers, Fact::Stacks])
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.told.recall(parts);
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let (containers, stacks) = match (facts.get(&Fact::Containers), facts.get(&Fact::Stacks)) {
            (Some(Ok(FactValue::Containers(containers))), Some(Ok(FactValue::Stacks(stacks)))) => {
                (containers, stacks)
            }
            (containers, stacks) => {
                let error =
                    |fact: Option<&Result<_, NoFact>>| fact.and_then(|f| f.as_ref().err()).cloned();
                let why = error(containers).or_else(|| error(stacks));
                return self.blind(now, why.as_ref());
            }
        };
        let projects = projects(containers);
        let none = Project::default();
        let mut readings = Vec::new();
        for stack in stacks {
            if self.settings.ignore.iter().any(|pattern| starred(pattern, &stack.name)) {
                continue;
            }
            let project = projects.get(stack.name.as_str()).unwrap_or(&none);
            readings.extend(self.stack(stack, project, now));
        }
        let known: BTreeSet<&str> = stacks.iter().map(|s| s.name.as_str()).collect();
        self.ran.retain(|(project, _)| known.contains(project.as_str()));
        // Whose container is there and does not run is done, whatever it ended with.
        for (name, project) in &projects {
            for service in project.services.keys() {
                let of_it = ((*name).to_owned(), (*service).to_owned());
                match project.running.contains(service) {
                    true => self.ran.insert(of_it),
                    false => self.ran.remove(&of_it),
                };
            }
        }
        self.told.complete(readings, now)
    }
}
