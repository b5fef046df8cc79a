//! One probe as the tick loop keeps it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::model::ids::{HostName, Word};
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::policy::triage::Tuning;
use crate::policy::triage::track::Track;
use crate::probe::{How, Probe};
use crate::watch::grid::Rhythm;
use crate::watch::ticker::About;

pub(super) struct Slot {
    pub(super) about: About,
    pub(super) kind: Word,
    pub(super) host: HostName,
    pub(super) timeout: Span,
    pub(super) tuning: Tuning,
    /// `None` while a network look is under way.
    pub(super) how: Option<How>,
    /// Removed while it was away.
    pub(super) gone: bool,
    /// How many signals its last look spoke of.
    pub(super) told: usize,
    /// Until when no event wakes it, where events may not wake it each time.
    pub(super) rests_until: Option<Instant>,
    /// Whether it was told what a former life, or a former config, knew of its parts.
    recalled: Recalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recalled {
    NotYet,
    Yes,
}

impl Slot {
    pub(super) fn new(probe: Probe, (grace_from, grace_until): (Millis, Millis)) -> Self {
        Self {
            about: About {
                name: probe.name,
                every: probe.every,
                parent: probe.parent,
                depends_on: probe.care.depends_on,
                wakes: probe.wakes,
                tolerance: probe.care.tolerance,
                tolerances: probe.care.tolerances,
            },
            kind: probe.kind,
            host: probe.host,
            timeout: probe.timeout,
            tuning: Tuning {
                fire_after: probe.fire_after,
                often: probe.care.fire_of.beside(probe.fire_after),
                clear_after: probe.clear_after,
                every: probe.every,
                grace_from,
                grace_until,
            },
            how: Some(probe.how),
            gone: false,
            told: 0,
            rests_until: None,
            recalled: Recalled::NotYet,
        }
    }

    /// Tells a probe once which of its parts were spoken of before it was made: one that is gone meanwhile is
    /// gone for it too. One that is away is told when it is back.
    pub(super) fn recall(&mut self, states: &BTreeMap<Signal, Track>) {
        let (Recalled::NotYet, Some(how)) = (self.recalled, &mut self.how) else { return };
        let (kind, host) = (&self.kind, &self.host);
        let of_it = |signal: &&Signal| signal.probe == *kind && signal.target.on() == host;
        let parts: Vec<Signal> = states.keys().filter(of_it).cloned().collect();
        if !parts.is_empty() {
            match how {
                How::Net(probe) => probe.recall(&parts),
                How::Host(probe) => probe.recall(&parts),
            }
            self.recalled = Recalled::Yes;
        }
    }
}

pub(super) fn names(slot: &Slot, target: &Target) -> bool {
    slot.about.name == slot.kind.as_str() || slot.about.name.ends_with(target.name())
}

pub(super) fn rhythms(probes: &[Probe]) -> Vec<Rhythm> {
    let key = |probe: &Probe| match probe.how {
        How::Host(_) => probe.host.to_string(),
        How::Net(_) => probe.name.clone(),
    };
    probes.iter().map(|probe| Rhythm { every: probe.every, key: key(probe) }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::reading::Reading;
    use crate::model::severity::Severity;
    use crate::model::target::Signal;

    #[test]
    fn one_thing_may_be_down_for_longer_than_the_others() {
        let about = About {
            name: "docker".into(),
            every: Span::mins(1),
            parent: None,
            depends_on: Vec::new(),
            wakes: false,
            tolerance: Some(Span::mins(10)),
            tolerances: BTreeMap::from([("jellyfin".to_owned(), Span::hours(1))]),
        };
        for (container, want) in [("jellyfin", Span::hours(1)), ("db", Span::mins(10))] {
            let target: Target = format!("mini:container:{container}").parse().unwrap();
            let signal = Signal { probe: Word::of("docker"), target, aspect: Word::of("state") };
            let red =
                Reading::new(signal, Millis(0), Severity::Red, Word::of("exited"), "it ended");
            assert_eq!(about.clone().for_reading(&red).tolerance, Some(want), "{container}");
        }
    }
}
