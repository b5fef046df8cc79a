//! `cpu`: load per core against its own past, and context switches. Never red by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::section::Section;
use crate::model::fact::{Cpu, Fact, FactValue, Facts};
use crate::model::ids::HostName;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::baseline::Usual;
use crate::policy::threshold::Judged;
use crate::probe::spoken::{Numbered, flat, host_signal, missing, number, percent, whole};
use crate::probe::{HostProbe, Past};

/// More than the greatest load that this time has had, by so much.
const SEEN: f64 = 1.3;

/// What is a spike.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Load of five minutes per core, above which it may be one ...
    pub yellow: f64,
    /// ... if it is this many times what it is at this hour of the week.
    pub times: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { yellow: 1.5, times: 3.0 }
    }
}

/// Reads `[probe.cpu]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let settings = Settings {
        yellow: section.or("yellow", default.yellow),
        times: section.or("times", default.times),
    };
    for (key, n) in [("yellow", settings.yellow), ("times", settings.times)] {
        if !(0.0 < n && n.is_finite()) {
            section.mistake(key, "must be a number above 0");
        }
    }
    settings
}

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "cores", kind: Kind::Int, doc: "cores of the machine" },
        Gives { name: "busy_percent", kind: Kind::Int, doc: "of all cores, since the last look" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct CpuProbe {
    settings: Settings,
    host: HostName,
    before: Option<(Cpu, Millis)>,
}

impl CpuProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host, before: None }
    }

    fn load(&self, cpu: &Cpu, usual: Option<Usual>) -> Numbered {
        let load = cpu.load_5 / f64::from(cpu.cores.max(1));
        let Settings { yellow, times } = self.settings;
        // An idle machine's past of 0.01 must not turn every load into a spike: `yellow` holds as well.
        let beyond = |slack: f64| {
            usual.is_some_and(|usual| {
                // A scrub that ran last Sunday, or last night's first backup, is no news either.
                let level = yellow.max(usual.median * times).max(usual.seen * SEEN);
                level * slack < load
            })
        };
        let severity = |is: bool| if is { Severity::Yellow } else { Severity::Green };
        let judged = Judged { severity: severity(beyond(1.0)), clears: severity(beyond(0.8)) };
        let busy = match &self.before {
            Some((before, _)) if before.total_ticks < cpu.total_ticks => percent(
                cpu.busy_ticks.saturating_sub(before.busy_ticks),
                cpu.total_ticks - before.total_ticks,
            ),
            // Since boot, at the first look.
            Some(_) | None => percent(cpu.busy_ticks, cpu.total_ticks),
        };
        let usual = match usual {
            Some(usual) => format!("usually {:.2}", usual.median),
            None => "what is usual is not known yet".to_owned(),
        };
        Numbered {
            judged,
            reason: "load",
            value: load,
            unit: Unit::Ratio,
            words: format!("load {load:.2} a core, {usual}; {busy:.0} % busy"),
            values: BTreeMap::from([
                ("cores".to_owned(), Value::Int(i64::from(cpu.cores))),
                ("busy_percent".to_owned(), whole(busy)),
            ]),
        }
    }

    /// Context switches a second since the last look, for the report.
    fn switches(&self, cpu: &Cpu, now: Millis) -> Option<f64> {
        let (before, at) = self.before.as_ref()?;
        let over = now.since(*at).as_secs_f64();
        (0.0 < over).then(|| number(cpu.switches.saturating_sub(before.switches)) / over)
    }
}

impl HostProbe for CpuProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Cpu])
    }

    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let load = host_signal("cpu", &self.host, "load");
        let switches = host_signal("cpu", &self.host, "switches");
        let cpu = match facts.get(&Fact::Cpu) {
            Some(Ok(FactValue::Cpu(cpu))) => *cpu,
            other => {
                let why = other.and_then(|f| f.as_ref().err());
                return vec![missing(load, now, why), missing(switches, now, why)];
            }
        };
        let usual = past.usual(&load, now);
        let mut readings = vec![self.load(&cpu, usual).reading(load, now)];
        // A rate takes two looks; nothing is said of it at the first.
        if let Some(rate) = self.switches(&cpu, now) {
            let numbered = Numbered {
                judged: flat(Severity::Green),
                reason: "ok",
                value: rate,
                unit: Unit::Rate,
                words: format!("{rate:.0} context switches a second"),
                values: BTreeMap::new(),
            };
            readings.push(numbered.reading(switches, now));
        }
        self.before = Some((cpu, now));
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::target::Signal;
    use crate::probe::past::NoPast;

    struct Usual(Option<f64>, Option<f64>);
    impl Past for Usual {
        fn same_hour(&self, _: &Signal, _: Millis) -> Option<f64> {
            self.0
        }
        fn median(&self, _: &Signal, _: Millis) -> Option<f64> {
            self.1
        }
        fn growth_per_day(&self, _: &Signal, _: Millis) -> Option<f64> {
            None
        }
    }

    fn probe() -> CpuProbe {
        CpuProbe::new(Settings::default(), HostName::new("mini").unwrap())
    }

    fn facts(load_5: f64, switches: u64) -> Facts {
        let cpu =
            Cpu { cores: 4, load_5, switches, busy_ticks: 25, total_ticks: 100, ..Cpu::default() };
        Facts::from([(Fact::Cpu, Ok(FactValue::Cpu(cpu)))])
    }

    #[test]
    fn load_is_judged_against_its_own_past() {
        use Severity::{Green, Yellow};
        for (load_5, usual, want) in [
            (40.0, Usual(None, None), (Green, Green)),
            (8.0, Usual(None, Some(0.1)), (Yellow, Yellow)),
            (8.0, Usual(Some(1.9), Some(0.1)), (Green, Green)),
            (8.0, Usual(Some(0.7), None), (Green, Yellow)),
            (5.0, Usual(None, Some(0.1)), (Green, Yellow)),
            (4.0, Usual(None, Some(0.1)), (Green, Green)),
            (900.0, Usual(Some(0.1), None), (Yellow, Yellow)),
        ] {
            let got = probe().judge(&facts(load_5, 1), &usual, Millis(1)).remove(0);
            assert_eq!((got.severity, got.clears), want, "{load_5}: {}", got.words);
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
    }

    #[test]
    fn switches_are_a_rate_from_the_second_look_on() {
        let mut probe = probe();
        assert_eq!(probe.judge(&facts(1.0, 1_000), &NoPast, Millis(0)).len(), 1);
        let got = probe.judge(&facts(1.0, 6_000), &NoPast, Millis(10_000));
        assert_eq!((got[1].severity, got[1].value), (Severity::Green, Some(500.0)));
        let blind = probe.judge(&Facts::new(), &NoPast, Millis(20_000));
        assert!(blind.len() == 2 && blind.iter().all(|r| r.severity == Severity::Unknown));
    }
}
