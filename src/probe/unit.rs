//! `unit`: systemd units: those that the config names, and every one that is failed.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::fact::{self, Fact, FactValue, Facts};
use crate::model::ids::{HostName, UnitName, Word};
use crate::model::reading::{self, Intent, Reading};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::policy::rate::{RestartRule, Restarts};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::spoken::{host_signal, missing, number};
use crate::probe::{HostProbe, How, Past};

/// Units that are remembered because they failed once.
const MOST: usize = 100;

/// Which failed units are spoken of beside the named ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// Every one of the host.
    All,
    NamedOnly,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub units: Vec<UnitName>,
    pub failed: Failed,
    /// So many restarts by the manager itself ...
    pub restarts: u32,
    /// ... within this are red, though the unit runs at the moment.
    pub window: Span,
}

impl Default for Settings {
    /// Every failed unit of the host.
    fn default() -> Self {
        Self { units: Vec::new(), failed: Failed::All, restarts: 3, window: Span::hours(1) }
    }
}

/// Reads `unit.NAME = "nginx.service"` and its table form.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let host = ask.host();
    let common = ask.common(Common::with(Span::mins(1), Span::secs(20)), &host);
    let default = Settings::default();
    let name: Option<String> = ask.main("unit");
    let restarts = ask.or("restarts", default.restarts);
    let window = ask.at_least("window", default.window, Span::mins(1));
    if restarts == 0 {
        ask.mistake("restarts", "counts restarts, so it is 1 at least");
    }
    let Some(name) = name else { return Vec::new() };
    // People leave `.service` away, as systemctl lets them.
    let name = if name.contains('.') { name } else { format!("{name}.service") };
    let name = match UnitName::new(name) {
        Ok(name) => name,
        Err(bad) => {
            ask.mistake("unit", bad.to_string());
            return Vec::new();
        }
    };
    let main = signal_of(&host, &name);
    let Some(main) = main else { return Vec::new() };
    let restarts = restarts.max(1);
    let settings = Settings { units: vec![name], failed: Failed::NamedOnly, restarts, window };
    let probe = UnitProbe::new(settings, host.clone());
    let (called, parent) = (format!("unit.{}", ask.name), common.parent.clone());
    let probe = common.probe(Word::of("unit"), called, host, How::Host(Box::new(probe)));
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

/// What a reading of a unit has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "unit", kind: Kind::Target, doc: "the unit" },
        Gives { name: "result", kind: Kind::Word, doc: "why it ended: exit-code, oom-kill ..." },
        Gives { name: "restarts", kind: Kind::Int, doc: "restarts by systemd within the window" },
        Gives { name: "exit_code", kind: Kind::Int, doc: "what its main process ended with" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct UnitProbe {
    settings: Settings,
    host: HostName,
    /// Units that failed once: they are asked for until they are gone.
    remembered: BTreeSet<UnitName>,
    /// The manager's restart counter as it was seen, by unit.
    restarts: BTreeMap<UnitName, Restarts>,
}

impl UnitProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        let (remembered, restarts) = (BTreeSet::new(), BTreeMap::new());
        Self { settings, host, remembered, restarts }
    }

    /// Restarts by the manager within the window, without the one that goes with a start by hand.
    fn restarts(&mut self, name: &UnitName, count: u32, now: Millis) -> u32 {
        let Settings { restarts, window, .. } = self.settings;
        let rule = RestartRule { yellow: None, red: restarts, window, ..RestartRule::default() };
        let seen = self.restarts.entry(name.clone()).or_default();
        seen.saw(u64::from(count), &rule, now);
        seen.judge(&rule, now).counted
    }

    fn unit(&mut self, name: &UnitName, unit: &fact::Unit, now: Millis) -> Option<Reading> {
        let signal = signal_of(&self.host, name)?;
        let restarts = self.restarts(name, unit.restarts, now);
        let state = judge(unit, restarts, &self.settings);
        let mut reading =
            Reading::new(signal.clone(), now, state.severity, Word::of(state.reason), &state.words);
        if state.reason == INTENDED {
            reading.intent = Intent::Deliberate;
        }
        reading.value = Some(f64::from(restarts));
        reading.unit = Some(reading::Unit::Count);
        let result = Word::new(unit.result.as_str()).unwrap_or_else(|_| Word::of("success"));
        reading.values = Values::from([
            ("unit".to_owned(), Value::Target(signal.target)),
            ("result".to_owned(), Value::Word(result)),
            ("restarts".to_owned(), Value::Int(i64::from(restarts))),
            ("exit_code".to_owned(), Value::Int(i64::from(unit.exit_code))),
        ]);
        Some(reading)
    }

    /// The units that are asked for one by one.
    fn asked(&self) -> BTreeSet<UnitName> {
        self.settings.units.iter().chain(&self.remembered).cloned().collect()
    }

    /// The host's own signal counts only: each failed unit is a signal itself, and one fault must not
    /// be two incidents.
    fn all_failed(&mut self, facts: &Facts, now: Millis) -> (Reading, Vec<fact::Unit>) {
        let signal = host_signal("unit", &self.host, "failed");
        let units = match facts.get(&Fact::FailedUnits) {
            Some(Ok(FactValue::FailedUnits(units))) => units.clone(),
            other => {
                let why = other.and_then(|f| f.as_ref().err());
                return (missing(signal, now, why), Vec::new());
            }
        };
        let names: Vec<&str> = units.iter().map(|u| u.name.as_str()).take(5).collect();
        let words = match units.len() {
            0 => "no unit is failed".to_owned(),
            n => format!("{n} failed, each with a line of its own: {}", names.join(", ")),
        };
        let mut reading = Reading::new(signal, now, Severity::Green, Word::of("ok"), &words);
        reading.value = Some(number(units.len() as u64));
        reading.unit = Some(reading::Unit::Count);
        (reading, units)
    }
}

/// A unit's own signal.
fn signal_of(host: &HostName, name: &UnitName) -> Option<Signal> {
    let target = Target::new(host.clone(), Thing::Unit, name.as_str()).ok()?;
    Some(Signal { probe: Word::of("unit"), target, aspect: Word::of("state") })
}

/// The reason of a unit that somebody stopped.
const INTENDED: &str = "intended";

struct State {
    severity: Severity,
    reason: &'static str,
    words: String,
}

fn judge(unit: &fact::Unit, restarts: u32, settings: &Settings) -> State {
    let state = |severity, reason, words: String| State { severity, reason, words };
    let fact::Unit { active, sub, result, exit_code, enabled, .. } = unit;
    let ended = match result.as_str() {
        "exit-code" => format!("ended with {exit_code}"),
        "oom-kill" => "was killed for want of memory".to_owned(),
        other => other.to_owned(),
    };
    match (unit.load.as_str(), active.as_str()) {
        ("not-found", _) => state(
            Severity::Unknown,
            "not-found",
            "there is no such unit; see systemctl list-unit-files".into(),
        ),
        ("masked", "inactive") => state(Severity::Green, INTENDED, "masked on purpose".into()),
        (_, "failed") if result == "oom-kill" => state(Severity::Red, "oom", ended),
        (_, "failed") => state(Severity::Red, "failed", format!("failed: {ended}")),
        (_, "active" | "reloading" | "refreshing") if settings.restarts <= restarts => {
            let words = format!("runs, but was restarted {restarts} times in {}", settings.window);
            state(Severity::Red, "restarts", words)
        }
        (_, "active" | "reloading" | "refreshing") => {
            state(Severity::Green, "ok", format!("{active} ({sub})"))
        }
        // What starts with the machine and stands still without a failure was stopped by somebody.
        (_, "inactive") if (result.is_empty() || result == "success") && enabled == "enabled" => {
            state(Severity::Green, INTENDED, "stopped by hand".into())
        }
        // One that a timer or a person starts now and then is at rest.
        (_, "inactive") if result.is_empty() || result == "success" => {
            state(Severity::Green, "ok", "at rest: nothing starts it with the machine".into())
        }
        (_, "inactive") => state(Severity::Red, "failed", format!("stopped: {ended}")),
        // Looked at twice, three seconds apart, and still between stop and start.
        (_, "activating" | "deactivating") if settings.restarts <= restarts => {
            state(Severity::Red, "restarts", format!("restarts again and again: {ended}"))
        }
        (_, "activating" | "deactivating") => {
            state(Severity::Yellow, "moving", format!("{active} ({sub})"))
        }
        (_, other) => state(Severity::Unknown, "state", format!("is in the unknown state {other}")),
    }
}

impl HostProbe for UnitProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        let mut wanted: BTreeSet<Fact> = self.asked().into_iter().map(Fact::Unit).collect();
        if self.settings.failed == Failed::All {
            wanted.insert(Fact::FailedUnits);
        }
        wanted
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut failed = Vec::new();
        if self.settings.failed == Failed::All {
            let (reading, units) = self.all_failed(facts, now);
            readings.push(reading);
            failed = units;
        }
        let mut told = BTreeSet::new();
        for name in self.asked() {
            let reading = match facts.get(&Fact::Unit(name.clone())) {
                // A unit that was removed after it failed is past.
                Some(Ok(FactValue::Unit(unit)))
                    if unit.load == "not-found" && !self.settings.units.contains(&name) =>
                {
                    self.remembered.remove(&name);
                    self.restarts.remove(&name);
                    continue;
                }
                Some(Ok(FactValue::Unit(unit))) => self.unit(&name, unit, now),
                other => {
                    let why = other.and_then(|f| f.as_ref().err());
                    signal_of(&self.host, &name).map(|signal| missing(signal, now, why))
                }
            };
            readings.extend(reading);
            told.insert(name);
        }
        for unit in failed {
            let Ok(name) = UnitName::new(unit.name.as_str()) else { continue };
            if !told.contains(&name) && self.remembered.len() < MOST {
                self.remembered.insert(name.clone());
                readings.extend(self.unit(&name, &unit, now));
            }
        }
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::NoFact;
    use crate::probe::past::NoPast;

    fn unit(active: &str, result: &str, restarts: u32) -> fact::Unit {
        fact::Unit {
            name: "web.service".into(),
            active: active.into(),
            sub: "x".into(),
            load: "loaded".into(),
            result: result.into(),
            enabled: "enabled".into(),
            restarts,
            main_pid: 0,
            exit_code: 1,
            inactive_at: Millis(0),
        }
    }

    fn web() -> UnitName {
        UnitName::new("web.service").unwrap()
    }

    fn named() -> UnitProbe {
        let settings =
            Settings { units: vec![web()], failed: Failed::NamedOnly, ..Settings::default() };
        UnitProbe::new(settings, HostName::new("mini").unwrap())
    }

    fn look(probe: &mut UnitProbe, at: Millis, unit: fact::Unit) -> Reading {
        let facts = Facts::from([(Fact::Unit(web()), Ok(FactValue::Unit(unit)))]);
        probe.judge(&facts, &NoPast, at).remove(0)
    }

    #[test]
    fn states_are_judged() {
        use Severity::{Green, Red, Unknown, Yellow};
        for (unit, want) in [
            (unit("active", "success", 0), (Green, "ok")),
            (unit("reloading", "success", 0), (Green, "ok")),
            (unit("failed", "exit-code", 0), (Red, "failed")),
            (unit("failed", "oom-kill", 0), (Red, "oom")),
            (unit("failed", "timeout", 0), (Red, "failed")),
            (unit("inactive", "success", 0), (Green, "intended")),
            (
                fact::Unit { enabled: "static".into(), ..unit("inactive", "success", 0) },
                (Green, "ok"),
            ),
            (unit("inactive", "signal", 0), (Red, "failed")),
            (unit("activating", "exit-code", 1), (Yellow, "moving")),
            (unit("deactivating", "success", 0), (Yellow, "moving")),
            (unit("strange", "success", 0), (Unknown, "state")),
            (
                fact::Unit { load: "not-found".into(), ..unit("inactive", "success", 0) },
                (Unknown, "not-found"),
            ),
            (
                fact::Unit { load: "masked".into(), ..unit("inactive", "success", 0) },
                (Green, "intended"),
            ),
        ] {
            let got = look(&mut named(), Millis(1), unit.clone());
            assert_eq!((got.severity, got.reason.as_str()), want, "{unit:?}");
            assert_eq!(got.intent == Intent::Deliberate, want.1 == "intended", "{unit:?}");
            assert_eq!(got.signal.to_string(), "unit mini:unit:web.service state");
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
    }

    #[test]
    fn three_restarts_within_the_window_are_red_though_it_runs() {
        let mut probe = named();
        let mut at = |mins: i64, active: &str, restarts| {
            look(&mut probe, Millis(0) + Span::mins(mins), unit(active, "success", restarts))
        };
        assert_eq!(at(0, "active", 7).severity, Severity::Green);
        assert_eq!(at(1, "active", 9).severity, Severity::Green);
        let red = at(2, "active", 10);
        assert_eq!(
            (red.severity, red.reason.as_str(), red.value),
            (Severity::Red, "restarts", Some(3.0))
        );
        assert_eq!(at(3, "activating", 11).reason.as_str(), "restarts");
        assert_eq!(at(100, "active", 11).severity, Severity::Green);
        // Started by hand: the manager counts anew.
        assert_eq!(at(101, "active", 0).severity, Severity::Green);
        assert_eq!(at(102, "active", 2).severity, Severity::Green);
        assert_eq!(at(103, "active", 3).severity, Severity::Red);
    }

    #[test]
    fn each_failed_unit_is_a_signal_that_stays_until_it_is_well() {
        let mut probe = UnitProbe::new(Settings::default(), HostName::new("mini").unwrap());
        assert_eq!(probe.wants(), BTreeSet::from([Fact::FailedUnits]));
        let failed = vec![unit("failed", "exit-code", 0)];
        let facts = Facts::from([(Fact::FailedUnits, Ok(FactValue::FailedUnits(failed)))]);
        let got = probe.judge(&facts, &NoPast, Millis(1));
        let seen: Vec<_> = got.iter().map(|r| (r.signal.to_string(), r.severity)).collect();
        let want = [
            ("unit mini failed".to_owned(), Severity::Green),
            ("unit mini:unit:web.service state".to_owned(), Severity::Red),
        ];
        assert_eq!(seen, want);
        assert_eq!(got[0].value, Some(1.0));
        assert_eq!(probe.wants(), BTreeSet::from([Fact::FailedUnits, Fact::Unit(web())]));
        let none = Ok(FactValue::FailedUnits(Vec::new()));
        let well = Ok(FactValue::Unit(unit("active", "success", 0)));
        let facts = Facts::from([(Fact::FailedUnits, none.clone()), (Fact::Unit(web()), well)]);
        let got = probe.judge(&facts, &NoPast, Millis(2));
        assert_eq!((got.len(), got[1].severity), (2, Severity::Green));
        let gone = fact::Unit { load: "not-found".into(), ..unit("inactive", "", 0) };
        let facts = Facts::from([
            (Fact::FailedUnits, none),
            (Fact::Unit(web()), Ok(FactValue::Unit(gone))),
        ]);
        assert_eq!(probe.judge(&facts, &NoPast, Millis(3)).len(), 1);
    }

    #[test]
    fn a_host_without_systemd_is_unknown() {
        let why = NoFact::Absent("no systemd".into());
        let facts =
            Facts::from([(Fact::FailedUnits, Err(why.clone())), (Fact::Unit(web()), Err(why))]);
        for mut probe in
            [named(), UnitProbe::new(Settings::default(), HostName::new("mini").unwrap())]
        {
            let got = probe.judge(&facts, &NoPast, Millis(1));
            assert_eq!(
                (got.len(), got[0].severity, got[0].reason.as_str()),
                (1, Severity::Unknown, "absent")
            );
        }
    }
}
