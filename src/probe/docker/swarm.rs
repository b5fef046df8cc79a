//! `swarm`: nodes of a Swarm that are down, and services short of replicas, as one of its managers tells
//! them.

use std::collections::BTreeSet;

use crate::config::section::Section;
use crate::model::container::{Swarm, SwarmNode, SwarmService};
use crate::model::fact::{Fact, FactValue, Facts};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::starred::starred;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::docker::engine;
use crate::probe::docker::told::Told;
use crate::probe::spoken::{host_signal, number};
use crate::probe::{HostProbe, Past};

/// What is not watched.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Nodes and services; a star at the end stands for the rest of a name.
    pub ignore: Vec<String>,
}

/// Reads `[probe.swarm]`.
pub fn configure(section: &mut Section) -> Settings {
    Settings { ignore: section.list_or("ignore", Vec::new()) }
}

/// What a reading of it has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "service", kind: Kind::Target, doc: "the service, where it is about one" },
        Gives { name: "node", kind: Kind::Target, doc: "the node, where it is about one" },
        Gives { name: "running", kind: Kind::Int, doc: "replicas that run" },
        Gives { name: "desired", kind: Kind::Int, doc: "replicas that are wanted" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct SwarmProbe {
    settings: Settings,
    host: HostName,
    told: Told,
}

type State = (Severity, &'static str, String);

impl SwarmProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host, told: Told::default() }
    }

    fn signal(&self, thing: Thing, name: &str, aspect: &'static str) -> Option<Signal> {
        let target = Target::new(self.host.clone(), thing, name).ok()?;
        Some(Signal { probe: Word::of("swarm"), target, aspect: Word::of(aspect) })
    }

    fn node(&self, node: &SwarmNode, name: &str, now: Millis) -> Option<Reading> {
        let signal = self.signal(Thing::Node, name, "state")?;
        let (severity, reason, words) = of_node(node);
        let target = signal.target.clone();
        let mut reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        reading.values = Values::from([("node".to_owned(), Value::Target(target))]);
        Some(reading)
    }

    fn service(&self, service: &SwarmService, now: Millis) -> Option<Reading> {
        let signal = self.signal(Thing::Service, &service.name, "replicas")?;
        let (severity, reason, words) = of_service(service);
        let target = signal.target.clone();
        let mut reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        reading.value = Some(number(service.desired.saturating_sub(service.running)));
        reading.unit = Some(Unit::Count);
        let int = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        reading.values = Values::from([
            ("service".to_owned(), Value::Target(target)),
            ("running".to_owned(), int(service.running)),
            ("desired".to_owned(), int(service.desired)),
        ]);
        Some(reading)
    }

    fn readings(&self, swarm: &Swarm, now: Millis) -> Vec<Reading> {
        let quorum = host_signal("swarm", &self.host, "quorum");
        let managers = || swarm.nodes.iter().filter_map(|node| node.reachability.as_deref());
        let (all, there) = (managers().count(), managers().filter(|r| *r == "reachable").count());
        let words = format!("{there} of {all} managers, {} nodes", swarm.nodes.len());
        let mut readings = vec![Reading::new(quorum, now, Severity::Green, Word::of("ok"), &words)];
        let watched = |name: &str| !self.settings.ignore.iter().any(|p| starred(p, name));
        let mut names = BTreeSet::new();
        for node in &swarm.nodes {
            let mut name = node.name.clone();
            // Two nodes may have one name, as a node that joined again has beside its former self.
            if !names.insert(name.clone()) {
                name.push_str(&format!("-{}", node.id.chars().take(8).collect::<String>()));
            }
            if watched(&node.name) {
                readings.extend(self.node(node, &name, now));
            }
        }
        for service in swarm.services.iter().filter(|s| !s.opted_out && watched(&s.name)) {
            readings.extend(self.service(service, now));
        }
        readings
    }
}

fn of_node(node: &SwarmNode) -> State {
    let said = node.message.as_ref().map(|m| format!(": {m}")).unwrap_or_default();
    let role = match (&node.reachability, node.leader) {
        (Some(_), true) => ", leader",
        (Some(_), false) => ", manager",
        (None, _) => "",
    };
    match (node.state.as_str(), node.availability.as_str()) {
        ("ready", _) if node.reachability.as_deref() == Some("unreachable") => {
            (Severity::Red, "manager", format!("as a manager it cannot be reached{said}"))
        }
        ("ready", "active") => (Severity::Green, "ok", format!("ready{role}")),
        (_, "drain") => {
            (Severity::Green, "ok", format!("drained on purpose, {}{role}", node.state))
        }
        ("ready", other) => (Severity::Green, "ok", format!("ready, {other}{role}")),
        ("down" | "disconnected", _) => (Severity::Red, "down", format!("is {}{said}", node.state)),
        (other, _) => (Severity::Yellow, "state", format!("its state is {other}{said}")),
    }
}

fn of_service(service: &SwarmService) -> State {
    let SwarmService { running, desired, .. } = service;
    let replicas = format!("{running} of {desired} replicas");
    let said = service.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
    match service.update.as_str() {
        _ if service.job => (Severity::Green, "ok", format!("a job, {running} tasks run")),
        "paused" | "rollback_paused" => {
            (Severity::Red, "update", format!("its update failed and is paused, {replicas}{said}"))
        }
        _ if *desired == 0 => (Severity::Green, "ok", "scaled to 0 on purpose".into()),
        _ if desired <= running => (Severity::Green, "ok", replicas),
        "updating" | "rollback_started" => {
            (Severity::Yellow, "updating", format!("is being updated, {replicas}{said}"))
        }
        _ if *running == 0 => (Severity::Red, "replicas", format!("{replicas}{said}")),
        _ => (Severity::Yellow, "replicas", format!("{replicas}{said}")),
    }
}

impl HostProbe for SwarmProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Swarm])
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.told.recall(parts);
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        match facts.get(&Fact::Swarm) {
            Some(Ok(FactValue::Swarm(Some(Swarm { leaderless: Some(why), .. })))) => {
                let signal = host_signal("swarm", &self.host, "quorum");
                let words = format!("the managers have lost their quorum: {why}");
                let quorum = Reading::new(signal, now, Severity::Red, Word::of("quorum"), &words);
                let mut readings = self.told.blind(&quorum.signal, now, None);
                readings.retain(|reading| reading.signal != quorum.signal);
                readings.push(quorum);
                readings
            }
            Some(Ok(FactValue::Swarm(Some(swarm)))) => {
                let readings = self.readings(swarm, now);
                self.told.complete(readings, now)
            }
            // It left the swarm, or never was in one.
            Some(Ok(FactValue::Swarm(None))) => self.told.complete(Vec::new(), now),
            other => {
                let why = other.and_then(|found| found.as_ref().err());
                self.told.blind(&engine(&self.host), now, why)
            }
        }
    }
}
