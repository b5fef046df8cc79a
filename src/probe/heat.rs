//! `heat`: the temperature that is nearest to its limit.

use std::collections::BTreeSet;

use crate::config::section::Section;
use crate::model::fact::{Fact, FactValue, Facts, NoFact, Sensor};
use crate::model::ids::HostName;
use crate::model::reading::{Reading, Unit};
use crate::model::taint::Tainted;
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::spoken::{Numbered, host_signal, missing};
use crate::probe::{HostProbe, Past};

/// When a machine is hot, in degrees Celsius, where its chips do not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub yellow: f64,
    pub red: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { yellow: 85.0, red: 95.0 }
    }
}

/// Reads `[probe.heat]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let settings = Settings {
        yellow: section.or("yellow", default.yellow),
        red: section.or("red", default.red),
    };
    if !(0.0 < settings.yellow && settings.yellow <= settings.red && settings.red.is_finite()) {
        section.mistake("red", "both are degrees Celsius, and red does not lie below yellow");
    }
    settings
}

/// The sensor that is nearest to its limit.
#[derive(Debug)]
pub struct Heat {
    settings: Settings,
    host: HostName,
}

impl Heat {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host }
    }

    fn sensor(&self, sensor: &Sensor) -> (f64, Numbered) {
        let degrees = |thousandths: i64| {
            #[expect(clippy::cast_precision_loss, reason = "temperatures are small")]
            let degrees = thousandths as f64 / 1_000.0;
            degrees
        };
        let now = degrees(sensor.now);
        // A chip knows what it stands; some call warm what is usual, so its lower limit alone is none.
        let red = sensor.critical.map_or(self.settings.red, degrees);
        let yellow = match sensor.critical {
            Some(critical) => degrees(critical) - 5.0,
            None => self.settings.yellow,
        };
        let threshold = Threshold {
            yellow: Some(yellow),
            red: Some(red),
            direction: Direction::Above,
            margin: 5.0,
        };
        let name = format!("{} {}", sensor.chip, sensor.label);
        let numbered = Numbered {
            judged: threshold.judge(now),
            reason: "hot",
            value: now,
            unit: Unit::Count,
            words: format!("{now:.0} °C at {}, {red:.0} at most", name.trim()),
            values: Values::from([(
                "sensor".to_owned(),
                Value::Text(Tainted::bounded(name.trim(), 120)),
            )]),
        };
        (red - now, numbered)
    }
}

/// What a reading has.
pub fn gives() -> Vec<Gives> {
    vec![Gives { name: "sensor", kind: Kind::Text, doc: "the sensor nearest to its limit" }]
}

impl HostProbe for Heat {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Sensors])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = host_signal("heat", &self.host, "temperature");
        let sensors = match facts.get(&Fact::Sensors) {
            Some(Ok(FactValue::Sensors(sensors))) => sensors,
            other => return vec![missing(signal, now, other.and_then(|f| f.as_ref().err()))],
        };
        // A sensor that is not connected tells something impossible.
        let sane = sensors.iter().filter(|s| (1..150_000).contains(&s.now));
        let nearest = sane.map(|s| self.sensor(s)).min_by(|a, b| a.0.total_cmp(&b.0));
        let none = || missing(signal.clone(), now, Some(&NoFact::Absent("no temperatures".into())));
        vec![nearest.map_or_else(none, |(_, judged)| judged.reading(signal.clone(), now))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;
    use crate::probe::ask::NoPast;
    use Severity::{Green, Red, Unknown, Yellow};

    fn look(probe: &mut dyn HostProbe, fact: Fact, value: FactValue) -> Reading {
        probe.judge(&Facts::from([(fact, Ok(value))]), &NoPast, Millis(1_000_000_000)).remove(0)
    }

    #[test]
    fn the_sensor_nearest_to_its_limit_counts() {
        let sensor = |label: &str, now, critical| Sensor {
            chip: "k10temp".into(),
            label: label.into(),
            now,
            high: Some(50_000),
            critical,
        };
        for (sensors, want, part) in [
            (
                vec![sensor("a", 60_000, Some(100_000)), sensor("b", 80_000, Some(84_000))],
                Yellow,
                "b,",
            ),
            (vec![sensor("a", 60_000, None), sensor("b", 96_000, None)], Red, "b,"),
            (vec![sensor("a", 60_000, None), sensor("off", 255_000, None)], Green, "a,"),
            (vec![sensor("off", -128_000, None)], Unknown, ""),
        ] {
            let mut probe = Heat::new(Settings::default(), HostName::of("nas"));
            let got = look(&mut probe, Fact::Sensors, FactValue::Sensors(sensors));
            assert_eq!(got.severity, want, "{got:?}");
            assert!(got.words.as_str().contains(part), "{got:?}");
        }
    }
}
