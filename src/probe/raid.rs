//! `raid`: arrays of Linux' software RAID.

use std::collections::BTreeSet;

use crate::model::fact::{Array, Fact, FactValue, Facts};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::spoken::{Spoken, host_signal, missing};
use crate::probe::{HostProbe, Past};

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "device", kind: Kind::Path, doc: "the array" },
        Gives { name: "missing", kind: Kind::Int, doc: "members that there should be and are not" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Raid {
    host: HostName,
    spoken: Spoken,
}

impl Raid {
    pub fn new(host: HostName) -> Self {
        Self { host, spoken: Spoken::default() }
    }

    fn array(&self, array: &Array, now: Millis) -> Option<Reading> {
        let device = AbsPath::new(&format!("/dev/{}", array.name)).ok()?;
        let target = Target::path(self.host.clone(), &device);
        let signal = Signal { probe: Word::of("raid"), target, aspect: Word::of("health") };
        let short = array.wanted.saturating_sub(array.in_use);
        let (severity, reason, words) = judge(array, short);
        let reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        Some(Reading {
            value: Some(f64::from(short)),
            unit: Some(Unit::Count),
            values: Values::from([
                ("device".to_owned(), Value::Path(device)),
                ("missing".to_owned(), Value::Int(i64::from(short))),
            ]),
            ..reading
        })
    }
}

fn judge(array: &Array, short: u32) -> (Severity, &'static str, String) {
    let Array { level, active, wanted, in_use, failed, doing, .. } = array;
    let goes_on = if doing.is_empty() { String::new() } else { format!("; {doing}") };
    let broken =
        if failed.is_empty() { String::new() } else { format!("; failed: {}", failed.join(", ")) };
    if !active {
        return (Severity::Yellow, "inactive", "is not running: its members were found".into());
    }
    if 0 < short && (doing.starts_with("recovery") || doing.starts_with("reshape")) {
        let words = format!("{level} with {in_use} of {wanted} members{goes_on}{broken}");
        return (Severity::Yellow, "recovery", words);
    }
    if 0 < short {
        let words =
            format!("{level} with {in_use} of {wanted} members: the next may be the last{broken}");
        return (Severity::Red, "degraded", words);
    }
    if !failed.is_empty() {
        return (
            Severity::Yellow,
            "failed",
            format!("{level}{broken}: take it out and replace it"),
        );
    }
    (Severity::Green, "ok", format!("{level}, all {wanted} members{goes_on}"))
}

impl HostProbe for Raid {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Arrays])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let arrays = match facts.get(&Fact::Arrays) {
            Some(Ok(FactValue::Arrays(arrays))) => arrays,
            other => {
                let stand_in = host_signal("raid", &self.host, "health");
                return self.spoken.blind(stand_in, now, other.and_then(|f| f.as_ref().err()));
            }
        };
        let readings = arrays.iter().filter_map(|array| self.array(array, now)).collect();
        self.spoken.complete(readings, |signal| {
            if signal.target.thing() == Thing::Host {
                let words = format!("{} arrays can be looked at again", arrays.len());
                let ok = Word::of("ok");
                return Some(Reading::new(signal.clone(), now, Severity::Green, ok, &words));
            }
            let gone = missing(signal.clone(), now, None);
            let words = Tainted::new("the array is gone; if that is meant, reload reef");
            Some(Reading { words, ..gone })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_judged() {
        use Severity::{Green, Red, Yellow};
        let well = Array {
            name: "md0".into(),
            level: "raid1".into(),
            active: true,
            wanted: 2,
            in_use: 2,
            ..Array::default()
        };
        for (array, want) in [
            (well.clone(), (Green, "ok")),
            (Array { doing: "check 3.0 %".into(), ..well.clone() }, (Green, "ok")),
            (Array { in_use: 1, ..well.clone() }, (Red, "degraded")),
            (
                Array { in_use: 1, doing: "recovery 12.6 %".into(), ..well.clone() },
                (Yellow, "recovery"),
            ),
            (
                Array { in_use: 1, doing: "resync pending".into(), ..well.clone() },
                (Red, "degraded"),
            ),
            (Array { failed: vec!["sdb1".into()], ..well.clone() }, (Yellow, "failed")),
            (Array { active: false, ..well.clone() }, (Yellow, "inactive")),
        ] {
            let got = Raid::new(HostName::of("nas")).array(&array, Millis(1)).unwrap();
            assert_eq!((got.severity, got.reason.as_str()), want, "{array:?}");
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
    }
}
