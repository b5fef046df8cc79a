//! `boot`: since when the machine runs, and that it was started anew.

use std::collections::BTreeSet;

use crate::model::fact::{Boot, Fact, FactValue, Facts};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::spoken::{host_signal, missing};
use crate::probe::{HostProbe, Past};

/// Since when the machine runs, and that it was started anew.
#[derive(Debug)]
pub struct LastBoot {
    host: HostName,
    known: Option<Boot>,
}

impl LastBoot {
    pub fn new(host: HostName) -> Self {
        Self { host, known: None }
    }
}

/// What a reading has.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "id", kind: Kind::Text, doc: "the kernel's own id of this boot" },
        Gives { name: "age", kind: Kind::Span, doc: "how long ago it was" },
    ]
}

impl HostProbe for LastBoot {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Boot])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = host_signal("boot", &self.host, "last");
        vec![match facts.get(&Fact::Boot) {
            Some(Ok(FactValue::Boot(boot))) => {
                let anew = self.known.as_ref().is_some_and(|known| known.id != boot.id);
                self.known = Some(boot.clone());
                let age = Span(now.since(boot.at).0.max(0));
                let (reason, words) = match anew {
                    true => ("rebooted", format!("was started anew {age} ago")),
                    false => ("ok", format!("runs for {age}")),
                };
                let reading = Reading::new(signal, now, Severity::Green, Word::of(reason), &words);
                Reading {
                    value: Some(age.as_secs_f64()),
                    unit: Some(Unit::Seconds),
                    values: Values::from([
                        ("id".to_owned(), Value::Text(Tainted::bounded(&boot.id, 60))),
                        ("age".to_owned(), Value::Span(age)),
                    ]),
                    ..reading
                }
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
    fn a_boot_is_told_once() {
        let mut probe = LastBoot::new(HostName::of("nas"));
        let mut at = |id: &str| {
            let boot = Boot { id: id.into(), at: Millis(999_000_000) };
            look(&mut probe, Fact::Boot, FactValue::Boot(boot)).reason.to_string()
        };
        assert_eq!([at("a"), at("a"), at("b"), at("b")], ["ok", "ok", "rebooted", "ok"]);
    }
}
