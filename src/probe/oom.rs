//! `memory`, aspect `oom`: processes that the kernel killed for want of memory since the last look.
//!
//! One look fires it, and it clears after two looks without a new kill: a kill is an event, and the
//! third of three looks would have nothing to see.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::host::pids::unit_of_path;
use crate::model::fact::{Fact, FactValue, Facts, OomKills};
use crate::model::ids::HostName;
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Target, Thing};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::spoken::{Numbered, flat, host_signal, missing, number};
use crate::probe::{HostProbe, Past, memory};

/// Looks to fire.
pub const FIRE_AFTER: u32 = 1;

/// Looks without a new kill to clear.
pub const CLEAR_AFTER: u32 = 2;

/// What a reading has beside what the memory probe gives. `unit` and `cgroup` are there when the kernel
/// told where.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "count", kind: Kind::Int, doc: "kills since the last look" },
        Gives { name: "unit", kind: Kind::Target, doc: "the unit that lost a process" },
        Gives { name: "cgroup", kind: Kind::Text, doc: "the cgroup that lost a process" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Oom {
    host: HostName,
    before: Option<OomKills>,
}

impl Oom {
    pub fn new(host: HostName) -> Self {
        Self { host, before: None }
    }

    fn judged(&self, kills: &OomKills) -> Numbered {
        // What was killed before the first look is past. A count that fell is that of a new boot.
        let before = match &self.before {
            Some(before) if before.host <= kills.host => before.clone(),
            Some(_) => OomKills::default(),
            None => kills.clone(),
        };
        let new = kills.host - before.host;
        let mut values: Values = BTreeMap::from([("count".to_owned(), int(new))]);
        let mut words = match new {
            0 => format!("none new, {} since boot", kills.host),
            n => format!("{n} killed for want of memory"),
        };
        let grown = kills.cgroups.iter().map(|(cgroup, n)| {
            (n.saturating_sub(before.cgroups.get(cgroup).copied().unwrap_or(0)), cgroup)
        });
        // A parent counts its children's kills in version 2: of equals the innermost is meant.
        let most = grown.filter(|(n, _)| 0 < *n).max_by_key(|(n, cgroup)| (*n, cgroup.len()));
        if let Some((_, cgroup)) = most.filter(|_| 0 < new) {
            words.push_str(&format!(", in {cgroup}"));
            values.insert("cgroup".to_owned(), Value::Text(Tainted::bounded(cgroup, 300)));
            let unit = unit_of_path(cgroup)
                .and_then(|unit| Target::new(self.host.clone(), Thing::Unit, unit.as_str()).ok());
            if let Some(unit) = unit {
                values.insert("unit".to_owned(), Value::Target(unit));
            }
        }
        let severity = if new == 0 { Severity::Green } else { Severity::Red };
        Numbered {
            judged: flat(severity),
            reason: "oom",
            value: number(new),
            unit: Unit::Count,
            words,
            values,
        }
    }
}

fn int(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

impl HostProbe for Oom {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::OomKills, Fact::Memory])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let signal = host_signal("memory", &self.host, "oom");
        vec![match facts.get(&Fact::OomKills) {
            Some(Ok(FactValue::OomKills(kills))) => {
                let mut reading = self.judged(kills).reading(signal, now);
                self.before = Some(kills.clone());
                // What a runbook asks of memory it may ask here as well.
                if let Some(Ok(FactValue::Memory(memory))) = facts.get(&Fact::Memory) {
                    reading.values.extend(memory::values(memory));
                }
                reading
            }
            other => missing(signal, now, other.and_then(|f| f.as_ref().err())),
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::past::NoPast;

    fn look(probe: &mut Oom, host: u64, cgroups: &[(&str, u64)]) -> Reading {
        let cgroups = cgroups.iter().map(|(c, n)| ((*c).to_owned(), *n)).collect();
        let kills = FactValue::OomKills(OomKills { host, cgroups });
        probe.judge(&Facts::from([(Fact::OomKills, Ok(kills))]), &NoPast, Millis(1)).remove(0)
    }

    #[test]
    fn only_new_kills_count_and_the_unit_is_named() {
        let mut probe = Oom::new(HostName::new("mini").unwrap());
        assert_eq!(look(&mut probe, 7, &[("/old", 7)]).severity, Severity::Green);
        let red = look(
            &mut probe,
            9,
            &[("/old", 7), ("/system.slice", 2), ("/system.slice/db.service", 2)],
        );
        assert_eq!(
            (red.severity, red.reason.as_str(), red.value),
            (Severity::Red, "oom", Some(2.0))
        );
        assert_eq!(red.values["unit"].to_string(), "mini:unit:db.service");
        assert!(gives().iter().all(|g| red.values[g.name].fits(&g.kind)));
        assert_eq!(look(&mut probe, 9, &[("/old", 7)]).severity, Severity::Green);
        // Its cgroup is gone already, or the kernel killed for the whole host.
        let red = look(&mut probe, 10, &[("/old", 7)]);
        assert!(red.severity == Severity::Red && !red.values.contains_key("unit"));
        let rebooted = look(&mut probe, 1, &[("/lxc/x", 1)]);
        assert_eq!((rebooted.severity, rebooted.value), (Severity::Red, Some(1.0)));
        assert_eq!(rebooted.values["cgroup"].to_string(), "/lxc/x");
    }

    #[test]
    fn a_look_that_saw_nothing_does_not_swallow_a_kill() {
        let mut probe = Oom::new(HostName::new("mini").unwrap());
        look(&mut probe, 1, &[]);
        let blind = probe.judge(&Facts::new(), &NoPast, Millis(1)).remove(0);
        assert_eq!(blind.severity, Severity::Unknown);
        assert_eq!(look(&mut probe, 2, &[]).severity, Severity::Red);
    }
}
