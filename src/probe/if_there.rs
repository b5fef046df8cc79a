//! A probe that keeps silent where its thing is not: no ZFS, no systemd, a host that nobody reaches.

use std::collections::BTreeSet;

use crate::model::change::Change;
use crate::model::fact::{Fact, Facts, NoFact};
use crate::model::guard::Known;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::probe::{HostProbe, Others, Past};

/// Who asked for the probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It comes with every host: what is not there is no finding.
    ByItself,
    /// The config names it: what is not there is unknown.
    ByName,
}

/// Whether its host may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sleeps {
    Yes,
    No,
}

/// A probe around which this is put.
pub struct IfThere {
    inner: Box<dyn HostProbe>,
    asked: Asked,
    sleeps: Sleeps,
    /// What was spoken of: it is spoken of again.
    spoken: BTreeSet<Signal>,
    absent: Option<String>,
}

impl std::fmt::Debug for IfThere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a probe asked {:?}", self.asked)
    }
}

impl IfThere {
    pub fn around(inner: Box<dyn HostProbe>, asked: Asked, sleeps: Sleeps) -> Self {
        Self { inner, asked, sleeps, spoken: BTreeSet::new(), absent: None }
    }
}

impl HostProbe for IfThere {
    fn wants(&self) -> BTreeSet<Fact> {
        let mut wanted = self.inner.wants();
        // Tells a host that did not answer from a thing that failed on it.
        wanted.insert(Fact::Uptime);
        wanted
    }

    fn judge(&mut self, facts: &Facts, past: &dyn Past, now: Millis) -> Vec<Reading> {
        let uptime = facts.get(&Fact::Uptime);
        let reached = matches!(uptime, Some(Ok(_)));
        let off = self.sleeps == Sleeps::Yes && matches!(uptime, Some(Err(NoFact::Absent(_))));
        if off {
            // It may be off: what was known of it stands, and it is not asked for.
            return Vec::new();
        }
        let mut readings = self.inner.judge(facts, past, now);
        let mut absent = self.inner.absent();
        readings.retain(|reading| {
            if reading.severity != Severity::Unknown || self.spoken.contains(&reading.signal) {
                return true;
            }
            let is_absent = self.asked == Asked::ByItself && reading.reason.as_str() == "absent";
            if is_absent {
                absent.get_or_insert_with(|| reading.words.as_str().to_owned());
            }
            // The host's own probe says that nobody reaches it.
            reached && !is_absent
        });
        self.absent = absent;
        self.spoken.extend(readings.iter().map(|reading| reading.signal.clone()));
        readings
    }

    fn absent(&self) -> Option<String> {
        self.absent.clone()
    }

    fn changes(&mut self) -> Vec<Change> {
        self.inner.changes()
    }

    fn introduce(&mut self, others: &Others) {
        self.inner.introduce(others);
    }

    fn recall(&mut self, parts: &[Signal]) {
        self.inner.recall(parts);
    }

    fn learned(&mut self) -> Vec<(Signal, Known)> {
        self.inner.learned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fact::FactValue;
    use crate::model::ids::{HostName, Word};
    use crate::model::time::Span;
    use crate::probe::ask::NoPast;
    use crate::probe::spoken::{host_signal, missing};

    /// Speaks of memory, whatever it is.
    struct Plain;
    impl HostProbe for Plain {
        fn wants(&self) -> BTreeSet<Fact> {
            BTreeSet::from([Fact::Memory])
        }
        fn judge(&mut self, facts: &Facts, _: &dyn Past, now: Millis) -> Vec<Reading> {
            let signal = host_signal("x", &HostName::of("nas"), "y");
            vec![match facts.get(&Fact::Memory) {
                Some(Ok(_)) => Reading::new(signal, now, Severity::Green, Word::of("ok"), "well"),
                other => missing(signal, now, other.and_then(|f| f.as_ref().err())),
            }]
        }
    }

    fn facts(up: Result<(), NoFact>, thing: Result<(), NoFact>) -> Facts {
        Facts::from([
            (Fact::Uptime, up.map(|()| FactValue::Uptime(Span::days(1)))),
            (Fact::Memory, thing.map(|()| FactValue::Memory(Default::default()))),
        ])
    }

    #[test]
    fn what_is_not_there_is_silent_until_it_spoke() {
        let absent = || Err(NoFact::Absent("zpool is not installed there".into()));
        let failed = || Err(NoFact::Failed("no route to host".into()));
        let mut probe = IfThere::around(Box::new(Plain), Asked::ByItself, Sleeps::No);
        let mut look = |up, thing| {
            let readings = probe.judge(&facts(up, thing), &NoPast, Millis(1));
            (readings.first().map(|r| r.severity), probe.absent())
        };
        let why = Some("zpool is not installed there".to_owned());
        assert_eq!(look(Ok(()), absent()), (None, why));
        assert_eq!(look(failed(), failed()), (None, None), "the host's own probe says it");
        assert_eq!(look(Ok(()), failed()), (Some(Severity::Unknown), None));
        assert_eq!(look(Ok(()), Ok(())), (Some(Severity::Green), None));
        assert_eq!(look(Ok(()), absent()).0, Some(Severity::Unknown), "it spoke before");
        let mut named = IfThere::around(Box::new(Plain), Asked::ByName, Sleeps::No);
        let readings = named.judge(&facts(Ok(()), absent()), &NoPast, Millis(1));
        assert_eq!(readings[0].severity, Severity::Unknown);
    }

    #[test]
    fn a_host_that_may_sleep_makes_nothing_unknown() {
        let mut probe = IfThere::around(Box::new(Plain), Asked::ByName, Sleeps::Yes);
        assert_eq!(probe.judge(&facts(Ok(()), Ok(())), &NoPast, Millis(1)).len(), 1);
        let off = || Err(NoFact::Absent("nas is off or asleep".into()));
        assert_eq!(probe.judge(&facts(off(), off()), &NoPast, Millis(2)), []);
    }
}
