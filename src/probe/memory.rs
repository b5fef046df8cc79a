//! `memory`: what is available, how long tasks wait for it, and swap.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::section::Section;
use crate::config::setting::Percent;
use crate::model::fact::{Fact, FactValue, Facts, Memory, NoFact, Pressure};
use crate::model::ids::HostName;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values, human_bytes};
use crate::policy::threshold::{Direction, Judged, Threshold};
use crate::probe::spoken::{Numbered, flat, host_signal, missing, percent, whole};
use crate::probe::{HostProbe, Past};

/// What is too little.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Percent available.
    pub yellow: f64,
    pub red: f64,
    /// Little memory alone is no fault: some task must have waited for it in more than this share of
    /// the last minute.
    pub pressure: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { yellow: 8.0, red: 4.0, pressure: 5.0 }
    }
}

/// Reads `[probe.memory]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let settings = Settings {
        yellow: section.or("yellow", Percent(default.yellow)).0,
        red: section.or("red", Percent(default.red)).0,
        pressure: section.or("pressure", Percent(default.pressure)).0,
    };
    if settings.yellow < settings.red {
        section.mistake("red", "lies above yellow; both are what is still available");
    }
    settings
}

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "available", kind: Kind::Bytes, doc: "what programs could still get" },
        Gives { name: "total", kind: Kind::Bytes, doc: "the machine's memory" },
        Gives { name: "available_percent", kind: Kind::Int, doc: "available of total" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct MemoryProbe {
    settings: Settings,
    host: HostName,
}

/// What is known of tasks that wait for memory.
enum Waiting<'a> {
    Known(&'a Pressure),
    /// The kernel does not tell: little memory is then yellow at most.
    Untold,
    /// It would tell, and could not be read.
    Missing(Option<&'a NoFact>),
}

impl MemoryProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host }
    }

    fn available(&self, memory: &Memory, waiting: &Waiting<'_>) -> Numbered {
        let share = percent(memory.available, memory.total);
        let Settings { yellow, red, pressure } = self.settings;
        let base = Threshold {
            yellow: Some(yellow),
            red: Some(red),
            direction: Direction::Below,
            margin: 1.0,
        }
        .judge(share);
        let (judged, more) = match waiting {
            Waiting::Known(figures) => {
                let some = hundredths(figures.memory_some_60);
                let fires = if pressure < some { base.severity } else { Severity::Green };
                let stays = if pressure / 2.0 < some { base.clears } else { Severity::Green };
                let more = format!("tasks waited {some:.1} % of the last minute");
                (Judged { severity: fires, clears: stays.max(fires) }, more)
            }
            Waiting::Untold | Waiting::Missing(_) => {
                let yellow = |s: Severity| s.min(Severity::Yellow);
                let judged =
                    Judged { severity: yellow(base.severity), clears: yellow(base.clears) };
                (judged, "how long tasks waited is not known".to_owned())
            }
        };
        Numbered {
            judged,
            reason: "low",
            value: share,
            unit: Unit::Percent,
            words: format!("{share:.0} % available, {}; {more}", human_bytes(memory.available)),
            values: values(memory),
        }
    }

    /// Swap that is used is no fault; the number is for the report.
    fn swap(memory: &Memory) -> Numbered {
        let used = memory.swap_total.saturating_sub(memory.swap_free);
        let share = percent(used, memory.swap_total);
        let words = match memory.swap_total {
            0 => "this host has no swap".to_owned(),
            total => format!("{share:.0} % of {} used", human_bytes(total)),
        };
        Numbered {
            judged: flat(Severity::Green),
            reason: "ok",
            value: share,
            unit: Unit::Percent,
            words,
            values: values(memory),
        }
    }
}

/// What every reading about memory has.
pub fn values(memory: &Memory) -> Values {
    let share = percent(memory.available, memory.total);
    BTreeMap::from([
        ("available".to_owned(), Value::Bytes(memory.available)),
        ("total".to_owned(), Value::Bytes(memory.total)),
        ("available_percent".to_owned(), whole(share)),
    ])
}

fn hundredths(n: u32) -> f64 {
    f64::from(n) / 100.0
}

impl HostProbe for MemoryProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Memory, Fact::Pressure])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = |aspect| host_signal("memory", &self.host, aspect);
        let waiting = match facts.get(&Fact::Pressure) {
            Some(Ok(FactValue::Pressure(figures))) => Waiting::Known(figures),
            Some(Err(NoFact::Absent(_))) => Waiting::Untold,
            other => Waiting::Missing(other.and_then(|f| f.as_ref().err())),
        };
        let mut readings = match facts.get(&Fact::Memory) {
            Some(Ok(FactValue::Memory(memory))) => vec![
                self.available(memory, &waiting).reading(signal("available"), now),
                Self::swap(memory).reading(signal("swap"), now),
            ],
            other => {
                let why = other.and_then(|f| f.as_ref().err());
                vec![missing(signal("available"), now, why), missing(signal("swap"), now, why)]
            }
        };
        match waiting {
            Waiting::Known(figures) => {
                let share = hundredths(figures.memory_some_60);
                let full = hundredths(figures.memory_full_10);
                let numbered = Numbered {
                    judged: flat(Severity::Green),
                    reason: "ok",
                    value: share,
                    unit: Unit::Percent,
                    words: format!("some task waited {share:.1} %, all {full:.1} %"),
                    values: BTreeMap::new(),
                };
                readings.push(numbered.reading(signal("pressure"), now));
            }
            // A kernel without it would have an unknown signal for ever; `available` says it.
            Waiting::Untold => {}
            Waiting::Missing(why) => readings.push(missing(signal("pressure"), now, why)),
        }
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::past::NoPast;

    fn look(available: u64, pressure: Option<Result<u32, NoFact>>) -> Vec<Reading> {
        let memory = Memory { total: 1_000, available, swap_total: 100, swap_free: 5 };
        let mut facts = Facts::from([(Fact::Memory, Ok(FactValue::Memory(memory)))]);
        if let Some(pressure) = pressure {
            let pressure = pressure.map(|some| {
                FactValue::Pressure(Pressure { memory_some_60: some, ..Pressure::default() })
            });
            facts.insert(Fact::Pressure, pressure);
        }
        let mut probe = MemoryProbe::new(Settings::default(), HostName::new("mini").unwrap());
        probe.judge(&facts, &NoPast, Millis(1))
    }

    #[test]
    fn little_memory_is_a_fault_only_where_tasks_wait_for_it() {
        use Severity::{Green, Red, Yellow};
        let absent = || Some(Err(NoFact::Absent("no PSI".into())));
        for (available, pressure, want) in [
            (500, Some(Ok(9_000)), (Green, Green)),
            (79, Some(Ok(501)), (Yellow, Yellow)),
            (79, Some(Ok(499)), (Green, Yellow)),
            (79, Some(Ok(200)), (Green, Green)),
            (39, Some(Ok(501)), (Red, Red)),
            (39, Some(Ok(0)), (Green, Green)),
            (85, Some(Ok(501)), (Green, Yellow)),
            (45, Some(Ok(501)), (Yellow, Red)),
            (39, absent(), (Yellow, Yellow)),
            (500, absent(), (Green, Green)),
        ] {
            let got = look(available, pressure.clone()).remove(0);
            assert_eq!((got.severity, got.clears), want, "{available} {pressure:?}");
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
    }

    #[test]
    fn swap_and_pressure_are_reported_and_judge_nothing() {
        let got = look(500, Some(Ok(9_000)));
        let seen: Vec<_> =
            got.iter().map(|r| (r.signal.aspect.as_str(), r.severity, r.value)).collect();
        assert_eq!(seen[1], ("swap", Severity::Green, Some(95.0)));
        assert_eq!(seen[2], ("pressure", Severity::Green, Some(90.0)));
        assert_eq!(look(500, Some(Err(NoFact::Absent("no PSI".into())))).len(), 2);
        let failed = look(500, Some(Err(NoFact::Failed("broken".into()))));
        assert_eq!(failed[2].severity, Severity::Unknown);
    }

    #[test]
    fn without_figures_all_is_unknown() {
        let mut probe = MemoryProbe::new(Settings::default(), HostName::new("mini").unwrap());
        let got = probe.judge(&Facts::new(), &NoPast, Millis(1));
        assert_eq!(got.len(), 3);
        assert!(got.iter().all(|r| r.severity == Severity::Unknown));
    }
}
