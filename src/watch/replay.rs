//! The past once more: facts and readings of other times through the probes, baselines, triage and the tree
//! as they are now. Nothing is looked at, stored, told or done.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::zone::Zone;
use crate::model::fact::{Fact, Facts};
use crate::model::ids::HostName;
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::{Millis, Span};
use crate::policy::tree::{Attention, Sight, Standing, explained_by};
use crate::policy::triage::track::Track;
use crate::policy::triage::{Change, Tuning};
use crate::probe::past::Pasts;
use crate::probe::{How, Probe};
use crate::watch::scene::cause;

/// An incident that would have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub signal: Signal,
    /// The worst that it was.
    pub severity: Severity,
    pub opened_at: Millis,
    pub red_at: Option<Millis>,
    pub resolved_at: Option<Millis>,
    /// What the reading said that opened it.
    pub words: String,
    /// Looks in a row that were not green until it opened.
    pub looks: u32,
    /// The red that explained it: no message.
    pub explained_by: Option<Signal>,
}

/// How patient triage is with a signal, and whose child it is.
#[derive(Debug, Clone)]
pub struct Manner {
    pub tuning: Tuning,
    pub parent: Option<Signal>,
    pub depends_on: Vec<Signal>,
}

/// The replay under way.
#[derive(Debug, Default)]
pub struct Replay {
    probes: Vec<Slot>,
    pasts: Pasts,
    signals: BTreeMap<Signal, One>,
    told: Vec<Told>,
    /// The incidents that stand, by signal: their place in `told`.
    open: BTreeMap<Signal, usize>,
    readings: u64,
}

#[derive(Debug)]
struct Slot {
    probe: Probe,
    manner: Manner,
    next_at: Millis,
}

#[derive(Debug, Default)]
struct One {
    track: Track,
    bad: u32,
    parent: Option<Signal>,
    depends_on: Vec<Signal>,
}

impl Replay {
    /// Counts the hours of a day as the operator's wall does.
    pub fn count_in(&mut self, zone: Zone) {
        self.pasts.count_in(zone);
    }

    /// Watches with a probe over facts. One that reaches over the network would look at today, and is
    /// passed over.
    pub fn watch(&mut self, probe: Probe) {
        if let How::Host(_) = probe.how {
            let manner = Manner::of(&probe);
            self.probes.push(Slot { probe, manner, next_at: Millis(i64::MIN) });
        }
    }

    /// The facts of each host that are due now.
    pub fn due(&self, now: Millis) -> BTreeMap<HostName, BTreeSet<Fact>> {
        let mut due: BTreeMap<HostName, BTreeSet<Fact>> = BTreeMap::new();
        for slot in self.probes.iter().filter(|slot| slot.next_at <= now) {
            if let How::Host(probe) = &slot.probe.how {
                due.entry(slot.probe.host.clone()).or_default().append(&mut probe.wants());
            }
        }
        due
    }

    /// Gives the due probes of a host their facts.
    pub fn look(&mut self, host: &HostName, facts: &Facts, now: Millis) {
        let mut readings = Vec::new();
        for slot in &mut self.probes {
            let due = slot.next_at <= now && slot.probe.host == *host;
            if let (true, How::Host(probe)) = (due, &mut slot.probe.how) {
                slot.next_at = now + slot.probe.every;
                let of_it = probe.judge(facts, &self.pasts, now);
                readings.push((slot.manner.clone(), of_it));
            }
        }
        for (manner, of_it) in readings {
            self.take(of_it, &manner);
        }
    }

    /// Takes readings in, as the tick loop does.
    pub fn take(&mut self, readings: Vec<Reading>, manner: &Manner) {
        for reading in readings {
            self.readings += 1;
            self.pasts.note(&reading);
            let one = self.signals.entry(reading.signal.clone()).or_default();
            one.parent.clone_from(&manner.parent);
            one.depends_on.clone_from(&manner.depends_on);
            one.bad = match reading.severity {
                Severity::Green => 0,
                Severity::Unknown => one.bad,
                Severity::Yellow | Severity::Red => one.bad + 1,
            };
            let track = std::mem::take(&mut one.track);
            let (track, change) = track.look(&reading, &manner.tuning, reading.at);
            let bad = one.bad;
            one.track = track;
            if let Some(change) = change {
                self.changed(&change, &reading, bad);
            }
        }
    }

    fn changed(&mut self, change: &Change, reading: &Reading, looks: u32) {
        let at = reading.at;
        let severity = match change {
            Change::Noted | Change::Returned => return,
            Change::Opened { severity } => *severity,
            Change::Blind { .. } => Severity::Yellow,
            Change::Worsened => {
                if let Some(told) =
                    self.open.get(&reading.signal).and_then(|i| self.told.get_mut(*i))
                {
                    told.severity = Severity::Red;
                    told.red_at = told.red_at.or(Some(at));
                    reading.words.first_line().clone_into(&mut told.words);
                }
                return;
            }
            Change::Eased => return,
            Change::Resolved | Change::Stopped => {
                let told = self.open.remove(&reading.signal);
                if let Some(told) = told.and_then(|i| self.told.get_mut(i)) {
                    told.resolved_at = Some(at);
                }
                return;
            }
        };
        let signal = reading.signal.clone();
        self.open.insert(signal.clone(), self.told.len());
        self.told.push(Told {
            signal: signal.clone(),
            severity,
            opened_at: at,
            red_at: (severity == Severity::Red).then_some(at),
            resolved_at: None,
            words: reading.words.first_line().to_owned(),
            looks,
            explained_by: None,
        });
        let all = self.standings();
        let by = all.iter().find(|s| s.signal == signal).and_then(|one| explained_by(one, &all));
        if let Some(told) = self.told.last_mut() {
            told.explained_by = by;
        }
    }

    /// The open incidents as the tree sees them.
    fn standings(&self) -> Vec<Standing> {
        let standing = |(signal, told): (&Signal, &usize)| {
            let (told, one) = (self.told.get(*told)?, self.signals.get(signal)?);
            Some(Standing {
                signal: signal.clone(),
                severity: one.track.state.severity(),
                sight: Sight::Seen,
                red_at: one.track.state.red_at(),
                attention: Attention::New,
                cause: cause(signal),
                parent: one.parent.clone(),
                depends_on: one.depends_on.clone(),
                drill: false,
            })
            .filter(|_| told.resolved_at.is_none())
        };
        self.open.iter().filter_map(standing).collect()
    }

    /// What would have been told so far, oldest first, the explained with it.
    pub fn told(&self) -> &[Told] {
        &self.told
    }

    pub fn pasts(&self) -> &Pasts {
        &self.pasts
    }

    /// Signals that spoke.
    pub fn signals(&self) -> impl Iterator<Item = &Signal> {
        self.signals.keys()
    }

    pub fn readings(&self) -> u64 {
        self.readings
    }
}

impl Manner {
    /// A probe's own, without any grace.
    pub fn of(probe: &Probe) -> Self {
        let tuning = Tuning {
            fire_after: probe.fire_after,
            often: probe.care.fire_of.beside(probe.fire_after),
            clear_after: probe.clear_after,
            every: probe.every,
            ..Tuning::default()
        };
        let depends_on = probe.care.depends_on.clone();
        Self { tuning, parent: probe.parent.clone(), depends_on }
    }

    /// Three looks to fire, two to clear.
    pub fn usual(parent: Option<Signal>) -> Self {
        Self { tuning: Tuning::default(), parent, depends_on: Vec::new() }
    }
}

impl Told {
    /// How long it stood; until `now` where it still does.
    pub fn lasted(&self, now: Millis) -> Span {
        self.resolved_at.unwrap_or(now).since(self.opened_at)
    }
}
