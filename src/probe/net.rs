//! `net`: errors and drops of every network interface that carries something.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::section::Section;
use crate::config::setting::Percent;
use crate::model::fact::{Fact, FactValue, Facts, Interface};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value};
use crate::policy::threshold::Judged;
use crate::probe::spoken::{Numbered, Spoken, host_signal, number, percent};
use crate::probe::{HostProbe, Past};

/// Interfaces of containers and virtual machines, which come and go with them.
const VIRTUAL: [&str; 12] =
    ["veth", "tap", "vnet", "cali", "cni", "flannel", "lxc", "fwbr", "fwln", "fwpr", "br-", "ifb"];

/// What is too much.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Errors and drops a second ...
    pub rate: f64,
    /// ... that are also more than this share of the packets, in percent.
    pub share: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { rate: 1.0, share: 0.1 }
    }
}

/// Reads `[probe.net]`.
pub fn configure(section: &mut Section) -> Settings {
    let default = Settings::default();
    let settings = Settings {
        rate: section.or("rate", default.rate),
        share: section.or("share", Percent(default.share)).0,
    };
    if !(0.0 <= settings.rate && settings.rate.is_finite()) {
        section.mistake("rate", "must be 0 or more a second");
    }
    settings
}

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "interface", kind: Kind::Target, doc: "the interface" },
        Gives { name: "errors", kind: Kind::Int, doc: "errors since the last look" },
        Gives { name: "drops", kind: Kind::Int, doc: "dropped packets since the last look" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Net {
    settings: Settings,
    host: HostName,
    spoken: Spoken,
    before: BTreeMap<String, Interface>,
    looked_at: Option<Millis>,
}

impl Net {
    pub fn new(settings: Settings, host: HostName) -> Self {
        Self { settings, host, spoken: Spoken::default(), before: BTreeMap::new(), looked_at: None }
    }

    fn reading(&self, now: &Interface, at: Millis) -> Option<Reading> {
        let target = Target::new(self.host.clone(), Thing::Interface, &now.name).ok()?;
        let signal =
            Signal { probe: Word::of("net"), target: target.clone(), aspect: Word::of("errors") };
        let over = self.looked_at.map(|then| at.since(then).as_secs_f64()).filter(|s| 0.0 < *s);
        let (Some(before), Some(over)) = (self.before.get(&now.name), over) else {
            let words = format!("{} packets so far; rates take a second look", now.packets);
            return Some(Reading::new(signal, at, Severity::Green, Word::of("ok"), &words));
        };
        // Counters start anew when an interface does.
        let new = |now: u64, before: u64| if before <= now { now - before } else { now };
        let errors = new(now.errors, before.errors);
        let drops = new(now.drops, before.drops);
        let lost = errors.saturating_add(drops);
        let rate = number(lost) / over;
        let share = percent(lost, new(now.packets, before.packets).max(lost));
        let Settings { rate: most, share: most_share } = self.settings;
        let beyond = |slack: f64| most * slack < rate && most_share * slack < share;
        let severity = |is: bool| if is { Severity::Yellow } else { Severity::Green };
        let numbered = Numbered {
            judged: Judged { severity: severity(beyond(1.0)), clears: severity(beyond(0.5)) },
            reason: if drops < errors { "errors" } else { "drops" },
            value: rate,
            unit: Unit::Rate,
            words: format!("{rate:.1} errors and drops a second, {share:.2} % of packets"),
            values: BTreeMap::from([
                ("interface".to_owned(), Value::Target(target)),
                ("errors".to_owned(), Value::Int(i64::try_from(errors).unwrap_or(i64::MAX))),
                ("drops".to_owned(), Value::Int(i64::try_from(drops).unwrap_or(i64::MAX))),
            ]),
        };
        Some(numbered.reading(signal, at))
    }
}

fn counts(interface: &Interface) -> bool {
    0 < interface.packets && !VIRTUAL.iter().any(|v| interface.name.starts_with(v))
}

impl HostProbe for Net {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Interfaces])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let stand_in = host_signal("net", &self.host, "errors");
        let interfaces = match facts.get(&Fact::Interfaces) {
            Some(Ok(FactValue::Interfaces(interfaces))) => interfaces,
            other => {
                let why = other.and_then(|f| f.as_ref().err());
                return self.spoken.blind(stand_in, now, why);
            }
        };
        let readings: Vec<Reading> =
            interfaces.iter().filter(|i| counts(i)).filter_map(|i| self.reading(i, now)).collect();
        self.before = interfaces.iter().map(|i| (i.name.clone(), i.clone())).collect();
        self.looked_at = Some(now);
        self.spoken.complete(readings, |signal| {
            let (severity, reason, words) = if signal.target.thing() == Thing::Host {
                (Severity::Green, "ok", "interfaces can be looked at again")
            } else {
                let words = "the interface is gone, or has carried nothing since it came back";
                (Severity::Unknown, "gone", words)
            };
            Some(Reading::new(signal.clone(), now, severity, Word::of(reason), words))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::past::NoPast;

    fn interface(name: &str, packets: u64, errors: u64, drops: u64) -> Interface {
        Interface { name: name.into(), packets, errors, drops }
    }

    fn look(probe: &mut Net, at: i64, interfaces: &[Interface]) -> Vec<Reading> {
        let facts =
            Facts::from([(Fact::Interfaces, Ok(FactValue::Interfaces(interfaces.to_vec())))]);
        probe.judge(&facts, &NoPast, Millis(at * 1_000))
    }

    fn probe() -> Net {
        Net::new(Settings::default(), HostName::new("mini").unwrap())
    }

    #[test]
    fn errors_are_judged_by_rate_and_share() {
        use Severity::{Green, Yellow};
        for (packets, errors, drops, want, reason) in [
            (10_000, 0, 0, (Green, Green), "ok"),
            (10_000, 100, 20, (Yellow, Yellow), "errors"),
            (10_000, 0, 50, (Green, Yellow), "ok"),
            (10_000, 0, 20, (Green, Green), "ok"),
            (10_000, 0, 61, (Yellow, Yellow), "drops"),
            (10_000_000, 100, 20, (Green, Green), "ok"),
            (0, 100, 0, (Yellow, Yellow), "errors"),
        ] {
            let mut probe = probe();
            look(&mut probe, 0, &[interface("eth0", 1_000, 5, 5)]);
            let after = interface("eth0", 1_000 + packets, 5 + errors, 5 + drops);
            let got = look(&mut probe, 60, &[after]).remove(0);
            assert_eq!((got.severity, got.clears), want, "{}", got.words);
            assert_eq!(got.reason.as_str(), reason);
            assert!(gives().iter().all(|g| got.values[g.name].fits(&g.kind)));
        }
    }

    #[test]
    fn only_interfaces_that_carry_something_count() {
        let all = [
            interface("lo", 5, 0, 0),
            interface("eth0", 9, 0, 0),
            interface("eth1", 0, 0, 0),
            interface("veth12ab", 9, 0, 0),
        ];
        let mut probe = probe();
        let got = look(&mut probe, 0, &all);
        let names: Vec<_> = got.iter().map(|r| r.signal.target.to_string()).collect();
        assert_eq!(names, ["mini:net:lo", "mini:net:eth0"]);
        let gone = look(&mut probe, 60, &all[..1]);
        assert_eq!((gone[1].severity, gone[1].reason.as_str()), (Severity::Unknown, "gone"));
        let blind = probe.judge(&Facts::new(), &NoPast, Millis(1));
        assert!(blind.len() == 2 && blind.iter().all(|r| r.severity == Severity::Unknown));
    }
}
