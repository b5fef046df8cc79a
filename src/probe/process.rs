//! `process`: so many processes of one name run.

use std::collections::BTreeSet;

use crate::model::fact::{Fact, FactValue, Facts, Process};
use crate::model::ids::{UnitName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::spoken::{Numbered, flat, missing, number};
use crate::probe::{HostProbe, How, Past};

/// What must run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The process's name, or its program's file name.
    pub process: String,
    pub min: u64,
    pub max: Option<u64>,
}

impl Settings {
    /// At least one of that name.
    pub fn new(process: String) -> Self {
        Self { process, min: 1, max: None }
    }
}

/// Reads `process.NAME = "nginx"` and its table form.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let host = ask.host();
    let common = ask.common(Common::with(Span::mins(1), Span::secs(10)), &host);
    let process: Option<String> = ask.main("process");
    let (min, max) = (ask.or("min", 1), ask.opt("max"));
    let target = ask.target(&host, Thing::Check);
    let (Some(process), Some(target)) = (process, target) else { return Vec::new() };
    if process.is_empty() || process.contains('/') {
        ask.mistake("process", "is the name of a program, without its folder");
        return Vec::new();
    }
    if max.is_some_and(|max| max < min) {
        ask.mistake("max", "is less than min");
    }
    let settings = Settings { process, min, max };
    let probe = ProcessProbe::new(settings, target);
    let (called, main, parent) =
        (format!("process.{}", ask.name), probe.signal(), common.parent.clone());
    let probe = common.probe(Word::of("process"), called, host, How::Host(Box::new(probe)));
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

/// What a reading has, for runbooks. `process` is there when one runs, `unit` when it was seen in one.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "count", kind: Kind::Int, doc: "how many run" },
        Gives { name: "process", kind: Kind::Target, doc: "the oldest of them" },
        Gives { name: "unit", kind: Kind::Target, doc: "the unit that it runs in, or last ran in" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct ProcessProbe {
    settings: Settings,
    target: Target,
    /// Where it ran when it last ran: what a runbook would start again.
    unit: Option<UnitName>,
}

impl ProcessProbe {
    /// `target` is this check's own, by its name in the config.
    pub fn new(settings: Settings, target: Target) -> Self {
        Self { settings, target, unit: None }
    }

    pub fn signal(&self) -> Signal {
        let (probe, aspect) = (Word::of("process"), Word::of("running"));
        Signal { probe, target: self.target.clone(), aspect }
    }

    fn judged(&mut self, found: &[Process]) -> Numbered {
        let n = found.len() as u64;
        let Settings { process, min, max } = &self.settings;
        let (severity, reason, words) = match max {
            _ if n == 0 && 0 < *min => (Severity::Red, "none", format!("no {process} runs")),
            _ if n < *min => {
                (Severity::Red, "few", format!("{n} {process} run, {min} at least should"))
            }
            Some(max) if *max < n => {
                (Severity::Yellow, "many", format!("{n} {process} run, {max} at most should"))
            }
            Some(_) | None => (Severity::Green, "ok", format!("{n} {process} run")),
        };
        let oldest = found.iter().min_by_key(|p| (p.start, p.pid));
        if let Some(unit) = oldest.and_then(|p| p.unit.clone()) {
            self.unit = Some(unit);
        }
        let mut values =
            Values::from([("count".to_owned(), Value::Int(i64::try_from(n).unwrap_or(i64::MAX)))]);
        let on = |thing, name: &str| Target::new(self.target.on().clone(), thing, name).ok();
        let process = oldest
            .and_then(|p| on(Thing::Process, &format!("{}@{}", p.pid, p.start)))
            .map(|target| ("process", target));
        let unit = self.unit.as_ref().and_then(|unit| on(Thing::Unit, unit.as_str()));
        let named = process.into_iter().chain(unit.map(|target| ("unit", target)));
        values.extend(named.map(|(name, target)| (name.to_owned(), Value::Target(target))));
        let judged = flat(severity);
        Numbered { judged, reason, value: number(n), unit: Unit::Count, words, values }
    }
}

impl HostProbe for ProcessProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Processes(self.settings.process.clone())])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = self.signal();
        vec![match facts.get(&Fact::Processes(self.settings.process.clone())) {
            Some(Ok(FactValue::Processes(found))) => self.judged(found).reading(signal, now),
            other => missing(signal, now, other.and_then(|f| f.as_ref().err())),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::past::NoPast;

    fn process(pid: u32) -> Process {
        Process {
            pid,
            parent: 1,
            start: u64::from(pid) * 10,
            comm: "web".into(),
            uid: 0,
            ticks: 0,
            rss_bytes: 0,
            unit: Some(UnitName::new("web.service").unwrap()),
            busy: None,
        }
    }

    #[test]
    fn processes_are_counted() {
        use Severity::{Green, Red, Yellow};
        for (n, min, max, want) in [
            (1, 1, None, (Green, "ok")),
            (0, 1, None, (Red, "none")),
            (1, 2, None, (Red, "few")),
            (5, 1, Some(4), (Yellow, "many")),
            (4, 1, Some(4), (Green, "ok")),
            (0, 0, Some(0), (Green, "ok")),
            (1, 0, Some(0), (Yellow, "many")),
        ] {
            let settings = Settings { process: "web".into(), min, max };
            let mut probe = ProcessProbe::new(settings, "mini:check:web".parse().unwrap());
            let found = (0..n).map(|i| process(100 + i)).collect();
            let facts =
                Facts::from([(Fact::Processes("web".into()), Ok(FactValue::Processes(found)))]);
            let got = probe.judge(&facts, &NoPast, Millis(1)).remove(0);
            assert_eq!((got.severity, got.reason.as_str()), want, "{n} {min} {max:?}");
        }
    }

    #[test]
    fn the_unit_is_known_when_the_process_is_gone() {
        let mut probe =
            ProcessProbe::new(Settings::new("web".into()), "mini:check:web".parse().unwrap());
        let mut look = |found| {
            let facts =
                Facts::from([(Fact::Processes("web".into()), Ok(FactValue::Processes(found)))]);
            probe.judge(&facts, &NoPast, Millis(1)).remove(0)
        };
        let green = look(vec![process(9), process(7)]);
        assert_eq!(green.values["process"].to_string(), "mini:pid:7@70");
        assert!(gives().iter().all(|g| green.values[g.name].fits(&g.kind)));
        let red = look(vec![]);
        assert_eq!(red.values["unit"].to_string(), "mini:unit:web.service");
        assert!(!red.values.contains_key("process"));
        let blind = probe.judge(&Facts::new(), &NoPast, Millis(1)).remove(0);
        assert_eq!(blind.severity, Severity::Unknown);
    }
}
