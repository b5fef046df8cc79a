//! `host`: whether a remote host can be reached at all; the parent of everything on it.

use std::collections::BTreeSet;

use crate::model::fact::{Fact, FactValue, Facts, NoFact};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::tool::Gives;
use crate::probe::ask::{Common, Draft, Named, host_signal};
use crate::probe::if_there::Sleeps;
use crate::probe::{HostProbe, How, Past};

/// Green where a collection came back with the time since boot.
#[derive(Debug)]
pub struct ReachProbe {
    host: HostName,
    sleeps: Sleeps,
}

impl ReachProbe {
    pub fn new(host: HostName, sleeps: Sleeps) -> Self {
        Self { host, sleeps }
    }
}

impl HostProbe for ReachProbe {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Uptime])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let of = |severity, reason, words: &str| {
            Reading::new(host_signal(&self.host), now, severity, Word::of(reason), words)
        };
        let reading = match facts.get(&Fact::Uptime) {
            Some(Ok(FactValue::Uptime(up))) => {
                let mut reading = of(Severity::Green, "ok", &format!("up for {up}"));
                reading.value = Some(up.as_secs_f64());
                reading.unit = Some(Unit::Seconds);
                reading
            }
            // The link answers each fact with why it is missing: the host did not answer.
            Some(Err(NoFact::Failed(why))) => of(Severity::Red, "unreachable", why),
            // That it is off is known, and meant.
            Some(Err(NoFact::Absent(why))) if self.sleeps == Sleeps::Yes => {
                of(Severity::Green, "asleep", why)
            }
            Some(Err(NoFact::Absent(why))) => of(Severity::Unknown, "absent", why),
            Some(Ok(_)) | None => of(Severity::Unknown, "absent", "the host was not asked"),
        };
        vec![reading]
    }
}

/// What a reading of it has beyond its number.
pub fn gives() -> Vec<Gives> {
    Vec::new()
}

/// The probe that every remote host has.
pub fn of_host(host: &HostName, parent: Option<String>, sleeps: Sleeps) -> Draft {
    let how = How::Host(Box::new(ReachProbe::new(host.clone(), sleeps)));
    // Three looks a minute apart would be three minutes: a reboot of a small machine.
    let common = Common { fire_after: 5, ..Common::with(Span::mins(1), Span::secs(20)) };
    let probe = common.probe(Word::of("host"), "host".into(), host.clone(), how);
    Draft { probe, main: host_signal(host), parent, endpoint: None, named: Named::Yes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::NoPast;

    #[test]
    fn only_an_answer_is_green() {
        let up = || Ok(FactValue::Uptime(Span::days(3)));
        let off = || Some(Err(NoFact::Absent("nas is off or asleep".into())));
        let facts: Facts = off().into_iter().map(|fact| (Fact::Uptime, fact)).collect();
        let mut sleeper = ReachProbe::new(HostName::of("nas"), Sleeps::Yes);
        assert_eq!(sleeper.judge(&facts, &NoPast, Millis(1))[0].severity, Severity::Green);
        for (fact, want) in [
            (Some(up()), Severity::Green),
            (Some(Err(NoFact::Failed("no route to host".into()))), Severity::Red),
            (Some(Err(NoFact::Absent("not yet".into()))), Severity::Unknown),
            (None, Severity::Unknown),
        ] {
            let facts: Facts = fact.into_iter().map(|fact| (Fact::Uptime, fact)).collect();
            let mut probe = ReachProbe::new(HostName::new("nas").unwrap(), Sleeps::No);
            let readings = probe.judge(&facts, &NoPast, Millis(1));
            assert_eq!(readings.len(), 1);
            assert_eq!(readings[0].severity, want, "{facts:?}");
        }
    }
}
