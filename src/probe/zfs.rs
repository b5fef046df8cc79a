//! `zfs`: the health of every ZFS pool. How full it is, `disk` says.

use std::collections::BTreeSet;

use crate::model::fact::{Fact, FactValue, Facts, Pool};
use crate::model::ids::{HostName, Word};
use crate::model::reading::{Reading, Unit};
use crate::model::severity::Severity;
use crate::model::taint::Tainted;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::model::tool::Gives;
use crate::model::value::{Kind, Value, Values};
use crate::probe::spoken::{Spoken, host_signal, missing, number};
use crate::probe::{HostProbe, Past};

/// What a reading has, for runbooks.
pub fn gives() -> Vec<Gives> {
    vec![
        Gives { name: "pool", kind: Kind::Text, doc: "the pool" },
        Gives { name: "health", kind: Kind::Text, doc: "as ZFS names it: DEGRADED" },
        Gives { name: "ill", kind: Kind::Text, doc: "its parts that are not well" },
    ]
}

/// The probe.
#[derive(Debug)]
pub struct Zfs {
    host: HostName,
    spoken: Spoken,
}

impl Zfs {
    pub fn new(host: HostName) -> Self {
        Self { host, spoken: Spoken::default() }
    }

    fn pool(&self, pool: &Pool, now: Millis) -> Option<Reading> {
        let target = Target::new(self.host.clone(), Thing::Check, &pool.name).ok()?;
        let signal = Signal { probe: Word::of("zfs"), target, aspect: Word::of("health") };
        let (severity, reason, words) = judge(pool);
        let text = |text: &str| Value::Text(Tainted::bounded(text, 300));
        let reading = Reading::new(signal, now, severity, Word::of(reason), &words);
        Some(Reading {
            value: Some(number(pool.errors)),
            unit: Some(Unit::Count),
            values: Values::from([
                ("pool".to_owned(), text(&pool.name)),
                ("health".to_owned(), text(&pool.health)),
                ("ill".to_owned(), text(&pool.ill.join(", "))),
            ]),
            ..reading
        })
    }
}

fn judge(pool: &Pool) -> (Severity, &'static str, String) {
    let Pool { health, ill, errors, data_errors, scan, status, .. } = pool;
    let parts = if ill.is_empty() { String::new() } else { format!(": {}", ill.join(", ")) };
    let resilvers = scan.starts_with("resilver in progress");
    match health.as_str() {
        _ if !data_errors.is_empty() => {
            (Severity::Red, "data", format!("files are damaged: {data_errors}"))
        }
        "ONLINE" if 0 < *errors => {
            let words = format!("{errors} read, write or checksum errors; see zpool status");
            (Severity::Yellow, "errors", words)
        }
        "ONLINE" => (Severity::Green, "ok", format!("well; {}", short(scan))),
        "DEGRADED" if resilvers => {
            (Severity::Yellow, "resilver", format!("resilvers{parts}; {}", short(scan)))
        }
        "DEGRADED" => (Severity::Red, "degraded", format!("has lost its redundancy{parts}")),
        _ => (Severity::Red, "failed", format!("is {health}{parts}; {}", short(status))),
    }
}

fn short(text: &str) -> String {
    match text.is_empty() {
        true => "no scrub yet".to_owned(),
        false => text.chars().take(120).collect(),
    }
}

impl HostProbe for Zfs {
    fn wants(&self) -> BTreeSet<Fact> {
        BTreeSet::from([Fact::Pools])
    }

    fn judge(&mut self, facts: &Facts, _past: &dyn Past, now: Millis) -> Vec<Reading> {
        let pools = match facts.get(&Fact::Pools) {
            Some(Ok(FactValue::Pools(pools))) => pools,
            other => {
                let stand_in = host_signal("zfs", &self.host, "health");
                return self.spoken.blind(stand_in, now, other.and_then(|f| f.as_ref().err()));
            }
        };
        let readings = pools.iter().filter_map(|pool| self.pool(pool, now)).collect();
        self.spoken.complete(readings, |signal| {
            if signal.target.thing() == Thing::Host {
                let words = format!("{} pools can be looked at again", pools.len());
                let ok = Word::of("ok");
                return Some(Reading::new(signal.clone(), now, Severity::Green, ok, &words));
            }
            let gone = missing(signal.clone(), now, None);
            let words =
                Tainted::new("the pool is no longer imported; if that is meant, reload reef");
            Some(Reading { words, ..gone })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::NoPast;

    #[test]
    fn pools_are_judged_and_one_that_goes_is_missed() {
        use Severity::{Green, Red, Unknown, Yellow};
        let pool =
            |health: &str| Pool { name: "tank".into(), health: health.into(), ..Pool::default() };
        let resilver = "resilver in progress since Sun Oct  8".to_owned();
        let mut probe = Zfs::new(HostName::of("nas"));
        let mut look = |pools| {
            let facts = Facts::from([(Fact::Pools, Ok(FactValue::Pools(pools)))]);
            let reading = probe.judge(&facts, &NoPast, Millis(1)).remove(0);
            assert_eq!(reading.signal.to_string(), "zfs nas:check:tank health");
            (reading.severity, reading.reason.to_string())
        };
        for (pool, want) in [
            (pool("ONLINE"), (Green, "ok")),
            (Pool { errors: 3, ..pool("ONLINE") }, (Yellow, "errors")),
            (pool("DEGRADED"), (Red, "degraded")),
            (Pool { scan: resilver, ..pool("DEGRADED") }, (Yellow, "resilver")),
            (pool("SUSPENDED"), (Red, "failed")),
            (Pool { data_errors: "2 data errors".into(), ..pool("ONLINE") }, (Red, "data")),
        ] {
            assert_eq!(look(vec![pool.clone()]), (want.0, want.1.to_owned()), "{pool:?}");
        }
        assert_eq!(look(vec![]).0, Unknown);
    }
}
