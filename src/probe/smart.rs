//! `smart`: what disks say of their own health. One that sleeps is left asleep.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::section::Section;
use crate::model::fact::{Drive, DriveState, Fact, FactValue, Facts, Smart};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::spoken::{Spoken, host_signal, missing, number};
use crate::probe::{HostProbe, Past};

/// What is too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Sectors that were replaced: an old disk has a few.
    pub reallocated: u64,
    /// Degrees Celsius.
    pub hot: i64,
    /// Life used, in percent.
    pub worn: u64,
    /// Devices that are not watched.
    pub ignore: BTreeSet<AbsPath>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { reallocated: 50, hot: 60, worn: 90, ignore: BTreeSet::new() }
    }
}

/// Reads `[probe.smart]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    Settings {
        reallocated: section.or("reallocated", default.reallocated),
        hot: section.or("hot", default.hot),
        worn: section.or("worn", default.worn),
        ignore: section.list_or("ignore", Vec::new()).into_iter().collect(),
    }
}

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "device", kind: Kind::Path, doc: "the disk" },
        Gives { name: "model", kind: Kind::Text, doc: "its model and serial number" },
        Gives {
            name: "errors",
            kind: Kind::Int,
            doc: "sectors that are bad or wait to be replaced",
        },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct SmartProbe {
    settings: Settings,
    host: HostName,
    spoken: Spoken,
    /// What a disk told last: it stands while it sleeps.
    known: BTreeMap<AbsPath, Smart>,
}

impl SmartProbe {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host, spoken: Spoken::default(), known: BTreeMap::new() }
    }

    fn drive(&mut self, drive: &Drive, now: Millis) -> Option<Reading> {
        let device = AbsPath::new(&drive.device).ok()?;
        if self.settings.ignore.contains(&device) {
            return None;
        }
        let told = match &drive.state {
            DriveState::Told(smart) => {
                self.known.insert(device.clone(), smart.clone());
                smart
            }
            // Nothing is known of a disk that slept at every look.
            DriveState::Asleep => self.known.get(&device)?,
            DriveState::Silent(_) => return None,
        };
        let (severity, reason, mut words) = self.settings.judge(told);
        if drive.state == DriveState::Asleep {
            words = format!("asleep; before that: {words}");
        }
        let target = Target::path(self.host.clone(), &device);
        let signal = Signal { probe: Word::of("smart"), target, aspect: Word::of("health") };
        let bad = [told.pending, told.uncorrectable, told.media_errors];
        let errors: u64 = bad.into_iter().flatten().fold(0, u64::saturating_add);
        let model = format!("{} {}", drive.model, drive.serial);
        let reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        Some(Reading {
            value: Some(number(errors)),
            unit: Some(Unit::Count),
            values: Values::from([
                ("device".to_owned(), Value::Path(device)),
                ("model".to_owned(), Value::Text(Tainted::bounded(model.trim(), 120))),
                ("errors".to_owned(), Value::Int(i64::try_from(errors).unwrap_or(i64::MAX))),
            ]),
            ..reading
        })
    }
}

impl Settings {
    /// The worst of it, and all of it in words.
    fn judge(&self, told: &Smart) -> (Severity, &'static str, String) {
        use Severity::{Green, Red, Yellow};
        let more = |n: Option<u64>, least: u64| n.filter(|n| least < *n);
        let mut found: Vec<(Severity, &'static str, String)> = Vec::new();
        if told.passed == Some(false) {
            found.push((Red, "failing", "the disk itself says that it fails: replace it".into()));
        }
        if let Some(bits) = more(told.critical_warning, 0) {
            found.push((Red, "failing", format!("critical warning {bits:#04x}: replace it")));
        }
        if let Some(left) = told.spare.filter(|left| *left < 10) {
            found.push((Red, "spare", format!("{left} % of its spare left")));
        }
        if told.self_test_failed == Some(true) {
            found.push((Red, "self-test", "its last self-test failed".into()));
        }
        for (n, reason, what) in [
            (more(told.uncorrectable, 0), "sectors", "sectors cannot be read"),
            (more(told.pending, 0), "sectors", "sectors wait to be replaced"),
            (more(told.media_errors, 0), "sectors", "errors of its medium"),
            (more(told.reallocated, self.reallocated), "sectors", "sectors were replaced"),
        ] {
            found.extend(n.map(|n| (Yellow, reason, format!("{n} {what}"))));
        }
        if let Some(worn) = told.worn.filter(|worn| self.worn <= *worn) {
            found.push((Yellow, "worn", format!("{worn} % of its life is used")));
        }
        if let Some(hot) = told.celsius.filter(|now| self.hot <= *now) {
            found.push((Yellow, "hot", format!("{hot} °C")));
        }
        let worst = found.iter().map(|(severity, ..)| *severity).max().unwrap_or(Green);
        let reason = found.iter().find(|(s, ..)| *s == worst).map_or("ok", |(_, reason, _)| reason);
        let mut words: Vec<String> = found.into_iter().map(|(.., words)| words).collect();
        if words.is_empty() {
            words.push("healthy".into());
            words.extend(told.celsius.map(|now| format!("{now} °C")));
            words.extend(told.worn.map(|worn| format!("{worn} % worn")));
            words.extend(told.hours.map(|hours| format!("{} days on", hours / 24)));
        }
        (worst, reason, words.join(", "))
    }
}

impl HostProbe for SmartProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Drives])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let access = host_signal("smart", &self.host, "access");
        let drives = match facts.get(&Fact::Drives) {
            Some(Ok(FactValue::Drives(drives))) => drives,
            other => {
                return self.spoken.blind(access, now, other.and_then(|f| f.as_ref().err()));
            }
        };
        let mut readings: Vec<Reading> =
            drives.iter().filter_map(|drive| self.drive(drive, now)).collect();
        let denied = drives.iter().find_map(|drive| match &drive.state {
            DriveState::Silent(why) if why.contains("Permission denied") => Some(why),
            DriveState::Silent(_) | DriveState::Told(_) | DriveState::Asleep => None,
        });
        if let Some(why) = denied {
            let words = format!("{why}: reading SMART takes root there");
            readings.push(Reading::unknown(access, now, Word::of("denied"), &words));
        }
        self.spoken.complete(readings, |signal| lost(signal, drives, now))
    }
}

/// What is said of a disk that is no longer told of.
fn lost(signal: &Signal, drives: &[Drive], now: Millis) -> Option<Reading> {
    let Some(device) = signal.target.as_path() else {
        let words = format!("{} disks can be asked", drives.len());
        return Some(Reading::new(signal.clone(), now, Severity::Green, Word::of("ok"), &words));
    };
    let silent = drives.iter().find(|drive| drive.device == device.as_str());
    match silent.map(|drive| &drive.state) {
        Some(DriveState::Silent(why)) => {
            Some(Reading::unknown(signal.clone(), now, Word::of("silent"), why))
        }
        Some(_) | None => Some(missing(signal.clone(), now, None)).map(|reading| Reading {
            words: Tainted::new("the disk is gone; if that is meant, reload reef"),
            ..reading
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::NoPast;

    fn look(probe: &mut SmartProbe, state: DriveState) -> Vec<(String, Severity, String)> {
        let drive =
            Drive { device: "/dev/sda".into(), model: "WD".into(), state, ..Drive::default() };
        let facts = Facts::from([(Fact::Drives, Ok(FactValue::Drives(vec![drive])))]);
        let readings = probe.judge(&facts, &NoPast, Millis(1));
        readings.iter().map(|r| (r.signal.to_string(), r.severity, r.reason.to_string())).collect()
    }

    fn probe() -> SmartProbe {
        SmartProbe::new(Settings::default(), HostName::of("mini"))
    }

    #[test]
    fn what_a_disk_tells_is_judged() {
        use Severity::{Green, Red, Yellow};
        let well = Smart { passed: Some(true), reallocated: Some(16), ..Smart::default() };
        for (smart, want) in [
            (well.clone(), (Green, "ok")),
            (Smart { passed: Some(false), ..well.clone() }, (Red, "failing")),
            (Smart { pending: Some(8), ..well.clone() }, (Yellow, "sectors")),
            (Smart { reallocated: Some(51), ..well.clone() }, (Yellow, "sectors")),
            (
                Smart { self_test_failed: Some(true), pending: Some(8), ..well.clone() },
                (Red, "self-test"),
            ),
            (Smart { critical_warning: Some(4), ..well.clone() }, (Red, "failing")),
            (Smart { spare: Some(9), ..well.clone() }, (Red, "spare")),
            (Smart { worn: Some(90), ..well.clone() }, (Yellow, "worn")),
            (Smart { celsius: Some(60), ..well.clone() }, (Yellow, "hot")),
        ] {
            let got = look(&mut probe(), DriveState::Told(smart.clone()));
            let want = [("smart mini:/dev/sda health".to_owned(), want.0, want.1.to_owned())];
            assert_eq!(got, want, "{smart:?}");
        }
    }

    #[test]
    fn a_sleeping_disk_keeps_its_verdict_and_a_denied_one_is_no_healthy_one() {
        let mut probe = probe();
        assert_eq!(look(&mut probe, DriveState::Asleep), []);
        let bad = Smart { pending: Some(1), ..Smart::default() };
        look(&mut probe, DriveState::Told(bad));
        assert_eq!(look(&mut probe, DriveState::Asleep)[0].1, Severity::Yellow);
        let got = look(&mut probe, DriveState::Silent("open: Permission denied".into()));
        assert!(got.iter().all(|(_, severity, _)| *severity == Severity::Unknown), "{got:?}");
        assert_eq!(got.len(), 2);
        let none = look(&mut self::probe(), DriveState::Silent("it tells no SMART".into()));
        assert_eq!(none, [], "a stick without SMART is no finding");
    }
}
