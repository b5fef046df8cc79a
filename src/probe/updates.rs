//! `updates`: packages that wait, and whether a reboot does. Never above green: they wait for a human who
//! reads the report.

use std::collections::BTreeSet;

use crate::model::fact::{Fact, FactValue, Facts, Updates};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::spoken::{host_signal, missing};
use crate::probe::{HostProbe, Past};

/// Packages that wait, and whether a reboot does.
#[derive(Debug)]
pub struct Waiting {
    host: HostName,
}

impl Waiting {
    pub fn new(host: HostName) -> Self {
        Self { host }
    }
}

/// What a reading has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "pending", kind: Kind::Int, doc: "packages that wait" },
        Gives { name: "security", kind: Kind::Int, doc: "those among them that close holes" },
        Gives { name: "reboot", kind: Kind::Text, doc: "`wanted` where one is" },
    ]
}

fn updates(told: &Updates) -> (f64, String, Values) {
    let (pending, security) = (told.pending.unwrap_or(0), told.security.unwrap_or(0));
    let mut words = match (pending, security) {
        (0, _) => "no package waits".to_owned(),
        (n, 0) => format!("{n} packages wait"),
        (n, holes) => format!("{n} packages wait, {holes} of them close holes"),
    };
    if told.pending.is_none() {
        words = "no package manager was asked".to_owned();
    }
    if let Some(packages) = &told.reboot {
        let names: Vec<&str> = packages.iter().take(3).map(String::as_str).collect();
        let why =
            if names.is_empty() { String::new() } else { format!(" for {}", names.join(", ")) };
        words.push_str(&format!("; a reboot is wanted{why}"));
    }
    let reboot = if told.reboot.is_some() { "wanted" } else { "no" };
    let values = Values::from([
        ("pending".to_owned(), Value::Int(i64::from(pending))),
        ("security".to_owned(), Value::Int(i64::from(security))),
        ("reboot".to_owned(), Value::Text(Tainted::new(reboot))),
    ]);
    (f64::from(pending), words, values)
}

impl HostProbe for Waiting {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Updates])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = host_signal("updates", &self.host, "pending");
        vec![match facts.get(&Fact::Updates) {
            Some(Ok(FactValue::Updates(told))) => {
                let (value, words, values) = updates(told);
                let ok = Reading::new(signal, now, Severity::Green, Word::of("ok"), &words);
                Reading { value: Some(value), unit: Some(Unit::Count), values, ..ok }
            }
            other => missing(signal, now, other.and_then(|f| f.as_ref().err())),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::NoPast;

    fn look(probe: &mut dyn HostProbe, fact: Fact, value: FactValue) -> Reading {
        probe.judge(&Facts::from([(fact, Ok(value))]), &NoPast, Millis(1_000_000_000)).remove(0)
    }

    #[test]
    fn updates_are_never_above_green() {
        let told = Updates {
            pending: Some(12),
            security: Some(3),
            reboot: Some(vec!["linux-image-amd64".into()]),
        };
        let got =
            look(&mut Waiting::new(HostName::of("nas")), Fact::Updates, FactValue::Updates(told));
        assert_eq!(got.severity, Severity::Green);
        let words =
            "12 packages wait, 3 of them close holes; a reboot is wanted for linux-image-amd64";
        assert_eq!(got.words.as_str(), words);
        assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
    }
}
