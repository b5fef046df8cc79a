//! `folder`: a folder against a budget. It speaks as a volume does, so that the same runbook answers.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::setting::Bytes;
use crate::model::fact::{Fact, FactValue, Facts};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::taint::Tainted;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Value, human_bytes};
use crate::policy::threshold::{Direction, Threshold};
use crate::probe::ask::{Ask, Common, Draft, Named};
use crate::probe::spoken::{Numbered, missing, percent, whole};
use crate::probe::{HostProbe, How, Past, disk};

/// A folder that may grow to its budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub path: AbsPath,
    pub budget: u64,
    /// Percent of the budget.
    pub levels: disk::Levels,
    pub margin: f64,
}

impl Settings {
    /// The levels of a volume.
    pub fn new(path: AbsPath, budget: u64) -> Self {
        let disk::Settings { levels, margin, .. } = disk::Settings::default();
        Self { path, budget, levels, margin }
    }
}

/// Reads `folder.NAME = { path = "/srv/photos", budget = "200 GiB" }`.
pub fn configure(ask: &mut Ask<'_>) -> Vec<Draft> {
    let host = ask.host();
    let common = ask.common(Common::with(Span::mins(5), Span::secs(30)), &host);
    let path: Option<AbsPath> = ask.main("path");
    let Some(budget) = ask.opt::<Bytes>("budget") else {
        ask.mistake("budget", "is missing: write { path = \"/srv/x\", budget = \"50 GiB\" }");
        return Vec::new();
    };
    let Some(path) = path else { return Vec::new() };
    if budget.0 == 0 {
        ask.mistake("budget", "is nothing: any file would be over it");
        return Vec::new();
    }
    let probe = Folder::new(Settings::new(path, budget.0), host.clone());
    let (name, main, parent) =
        (format!("folder.{}", ask.name), probe.signal(), common.parent.clone());
    let probe = common.probe(Word::of("disk"), name, host, How::Host(Box::new(probe)));
    vec![Draft { probe, main, parent, endpoint: None, named: Named::Yes }]
}

/// As the disk's: the kind in its readings is `disk`.
pub fn gives() -> Vec<Gives> {
    disk::gives()
}

/// The probe.
#[derive(Debug)]
pub struct Folder {
    settings: Settings,
    host: HostName,
}

impl Folder {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host }
    }

    /// What it speaks of: `disk HOST:PATH bytes`.
    pub fn signal(&self) -> Signal {
        let target = Target::path(self.host.clone(), &self.settings.path);
        Signal { probe: Word::of("disk"), target, aspect: Word::of("bytes") }
    }

    fn judged(&self, bytes: u64, files: u64) -> Numbered {
        let Settings { path, budget, levels, margin } = &self.settings;
        let used = percent(bytes, *budget);
        let threshold = Threshold {
            yellow: Some(levels.yellow),
            red: Some(levels.red),
            direction: Direction::Above,
            margin: *margin,
        };
        let budgeted = human_bytes(*budget);
        let counted = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        Numbered {
            judged: threshold.judge(used),
            reason: "bytes",
            value: used,
            unit: Unit::Percent,
            words: format!("{used:.0} % of {budgeted}, {} in {counted}", human_bytes(bytes)),
            values: BTreeMap::from([
                ("path".to_owned(), Value::Path(path.clone())),
                ("free".to_owned(), Value::Bytes(budget.saturating_sub(bytes))),
                ("total".to_owned(), Value::Bytes(*budget)),
                ("used_percent".to_owned(), whole(used)),
                ("source".to_owned(), Value::Text(Tainted::new("a folder with a budget"))),
            ]),
        }
    }
}

impl HostProbe for Folder {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Folder(self.settings.path.clone())])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        vec![match facts.get(&Fact::Folder(self.settings.path.clone())) {
            Some(Ok(FactValue::Folder { bytes, files })) => {
                self.judged(*bytes, *files).reading(self.signal(), now)
            }
            other => missing(self.signal(), now, other.and_then(|f| f.as_ref().err())),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::NoFact;
    use crate::model::severity::Severity;
    use crate::probe::past::NoPast;

    #[test]
    fn a_folder_is_judged_against_its_budget() {
        let path = AbsPath::new("/srv/drill").unwrap();
        let fact = Fact::Folder(path.clone());
        let mut probe = Folder::new(Settings::new(path, 100), HostName::new("mini").unwrap());
        let had = |bytes| Ok(FactValue::Folder { bytes, files: 3 });
        for (found, want) in [
            (Some(had(0)), (Severity::Green, "ok")),
            (Some(had(86)), (Severity::Yellow, "bytes")),
            (Some(had(128)), (Severity::Red, "bytes")),
            (Some(Err(NoFact::Failed("no such folder".into()))), (Severity::Unknown, "failed")),
            (None, (Severity::Unknown, "failed")),
        ] {
            let facts: Facts = found.into_iter().map(|f| (fact.clone(), f)).collect();
            let got = probe.judge(&facts, &NoPast, Millis(1)).remove(0);
            assert_eq!((got.severity, got.reason.as_str()), want);
            assert_eq!(got.signal.to_string(), "disk mini:/srv/drill bytes");
            let full = want.0 != Severity::Unknown;
            assert!(!full || gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
    }
}
