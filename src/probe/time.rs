//! `time`: whether the clock is right, and kept so.

use std::collections::BTreeSet;

use crate::config::section::Section;
use crate::model::fact::{Fact, FactValue, Facts, NoFact, TimeSync};
use crate::model::ids::HostName;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::spoken::{Numbered, flat, host_signal, missing};
use crate::probe::{HostProbe, Past};

/// When a clock is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub yellow: Span,
    pub red: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { yellow: Span::secs(1), red: Span::secs(30) }
    }
}

/// A clock held against reef's own over a network may seem to be off by as much.
const SLACK: f64 = 5.0;

/// Reads `[probe.time]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let (yellow, red) = (section.or("yellow", default.yellow), section.or("red", default.red));
    if red < yellow {
        section.mistake("red", "lies below yellow");
    }
    Settings { yellow, red }
}

/// Whether the clock is right.
#[derive(Debug)]
pub struct Time {
    settings: Settings,
    host: HostName,
}

impl Time {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host }
    }

    fn judged(&self, told: &TimeSync) -> Option<Numbered> {
        let Settings { yellow, red } = self.settings;
        let (yellow, red) = (yellow.as_secs_f64(), red.as_secs_f64());
        let apart = told.against_reef.map(f64::abs).filter(|apart| SLACK < *apart);
        let own = told.offset.map(f64::abs);
        if told.synced.is_none() && told.against_reef.is_none() {
            return None;
        }
        let off = own.into_iter().chain(apart).fold(0.0, f64::max);
        let threshold = Threshold {
            yellow: Some(yellow),
            red: Some(red),
            direction: Direction::Above,
            margin: yellow / 5.0,
        };
        let mut judged = threshold.judge(off);
        let mut reason = "offset";
        let by = if told.by.is_empty() { "nothing" } else { told.by.as_str() };
        let mut words = match (own, apart) {
            (_, Some(apart)) => format!("is {apart:.0} s off reef's own clock"),
            (Some(own), None) => format!("{own:.6} s off by {by}"),
            (None, None) if told.synced.is_none() => "agrees with reef's own clock".to_owned(),
            (None, None) => format!("kept in time by {by}"),
        };
        if told.synced == Some(false) && judged.severity == Severity::Green {
            judged = flat(Severity::Yellow);
            reason = "unsynced";
            words = format!("nothing keeps the clock in time, by {by}");
        }
        let milliseconds = (off * 1_000.0).clamp(0.0, 1e15);
        #[expect(clippy::cast_possible_truncation, reason = "clamped")]
        let offset = Span(milliseconds as i64);
        let values = Values::from([("offset".to_owned(), Value::Span(offset))]);
        Some(Numbered { judged, reason, value: off, unit: Unit::Seconds, words, values })
    }
}

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![Gives { name: "offset", kind: Kind::Span, doc: "by how much the clock is off" }]
}

impl HostProbe for Time {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::TimeSync])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = host_signal("time", &self.host, "clock");
        vec![match facts.get(&Fact::TimeSync) {
            Some(Ok(FactValue::TimeSync(told))) => match self.judged(told) {
                Some(judged) => judged.reading(signal, now),
                None => {
                    let why =
                        NoFact::Absent("nothing tells whether the clock is kept in time".into());
                    missing(signal, now, Some(&why))
                }
            },
            other => missing(signal, now, other.and_then(|f| f.as_ref().err())),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::NoPast;
    use Severity::{Green, Red, Unknown, Yellow};

    fn look(probe: &mut dyn HostProbe, fact: Fact, value: FactValue) -> Reading {
        probe.judge(&Facts::from([(fact, Ok(value))]), &NoPast, Millis(1_000_000_000)).remove(0)
    }

    #[test]
    fn a_clock_is_judged_by_its_service_and_by_reefs_own() {
        let told = |synced, offset, against_reef| TimeSync {
            synced,
            offset,
            against_reef,
            by: "chrony".into(),
        };
        for (told, want) in [
            (told(Some(true), Some(0.000_1), Some(1.0)), (Green, "ok")),
            (told(Some(true), Some(-2.5), None), (Yellow, "offset")),
            (told(Some(true), Some(31.0), None), (Red, "offset")),
            (told(Some(false), None, None), (Yellow, "unsynced")),
            (told(Some(true), None, Some(-90.0)), (Red, "offset")),
            (told(None, None, Some(3.0)), (Green, "ok")),
            (told(None, None, None), (Unknown, "absent")),
        ] {
            let mut probe = Time::new(Settings::default(), HostName::of("nas"));
            let got = look(&mut probe, Fact::TimeSync, FactValue::TimeSync(told.clone()));
            assert_eq!((got.severity, got.reason.as_str()), want, "{told:?}");
        }
    }
}
