//! What the rest of reef asks of the loop, and what this machine's events ask of it.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clients::events::{Events, Rests, WakeReason};
use crate::clients::host::Hosts;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target, Thing};
use crate::model::time::Millis;
use crate::policy::tree::Sight;
use crate::policy::triage::SignalState;
use crate::probe::{Bell, How, Probe};
use crate::watch::grid::Grid;
use crate::watch::looks::Looks;
use crate::watch::pasts::InVain;
use crate::watch::ticker::slot::{Slot, names, rhythms};
use crate::watch::ticker::{About, Above, Command, News, Standing, Ticker, Waiting};

/// What is due together before its time is begun within this.
const SPREAD: std::time::Duration = std::time::Duration::from_secs(1);
/// Between two looks for an intruder that events ask for.
const RESTS: std::time::Duration = std::time::Duration::from_secs(20);

impl Ticker {
    pub(super) fn obey(&mut self, command: Command) {
        match command {
            Command::Look { signal, reply } => match self.probe_of(&signal) {
                Some(probe) => self.look_now(probe, Some(signal), reply),
                None => drop(reply),
            },
            Command::LookAll { reply } => {
                let all: Vec<usize> = (0..self.slots.len()).collect();
                self.begin(&all);
                let now = self.since_origin();
                for probe in &all {
                    self.grid.looked(*probe, now);
                }
                let missing: BTreeSet<usize> =
                    all.into_iter().filter(|p| self.looks.under_way(*p)).collect();
                // Where nothing is watched there is no look whose end would answer.
                match missing.is_empty() {
                    true => drop(reply.send(())),
                    false => self.all_asked.push((missing, reply)),
                }
            }
            Command::About { signals, reply } => {
                let about = |signal: Signal| Some((signal.clone(), self.about(&signal)?));
                drop(reply.send(signals.into_iter().filter_map(about).collect()));
            }
            Command::Above { signals, reply } => drop(reply.send(self.above(signals))),
            Command::Snapshot { reply } => drop(reply.send(self.snapshot())),
            Command::Absent { reply } => {
                let absent = |slot: &Slot| match (&slot.how, slot.gone) {
                    (Some(How::Host(probe)), false) => {
                        Some((slot.about.name.clone(), slot.host.clone(), probe.absent()?))
                    }
                    (Some(How::Host(_) | How::Net(_)) | None, _) => None,
                };
                drop(reply.send(self.slots.iter().filter_map(absent).collect()));
            }
            Command::Wake { probe, target } => self.wake(&probe, target.as_ref()),
            Command::Seed { triage, pasts, known } => {
                self.states.extend(triage);
                self.recall();
                if self.pasts.learn(known) == InVain::Yes {
                    // They have held their tongue so far.
                    self.wake(&Word::of("security"), None);
                }
                for (signal, hours) in pasts {
                    self.pasts.seed(&signal, hours);
                }
            }
            Command::Accept { reading } => self.accept(&reading),
            Command::Replace { probes, hosts, engine, zone } => {
                self.pasts.count_in(zone);
                if self.engine.is_some() {
                    self.engine = engine;
                }
                self.replace(probes, hosts);
            }
            Command::Add { probe } => self.add(*probe),
            Command::Remove { name } => self.remove(&name),
        }
    }

    fn look_now(
        &mut self,
        probe: usize,
        signal: Option<Signal>,
        reply: oneshot::Sender<Vec<Reading>>,
    ) {
        let begun = !self.looks.under_way(probe);
        self.waiting.push(Waiting { probe, signal, begun, reply });
        if begun {
            self.begin(&[probe]);
        }
    }

    fn probe_of(&self, signal: &Signal) -> Option<usize> {
        if let Some((_, probe, _)) = self.last.get(signal) {
            return Some(*probe);
        }
        // Never seen yet, as after a restart: the probe of that kind whose name or host fits.
        let of_kind = |slot: &&Slot| slot.kind == signal.probe && !slot.gone;
        let named = format!("{}.{}", signal.probe, signal.target.name());
        self.slots.iter().position(|s| of_kind(&s) && s.about.name == named).or_else(|| {
            self.slots.iter().position(|s| of_kind(&s) && s.host == *signal.target.on())
        })
    }

    fn wake(&mut self, probe: &Word, target: Option<&Target>) {
        self.pulse.add(&self.pulse.events, 1);
        let fits = |slot: &Slot| {
            slot.kind == *probe
                && !slot.gone
                && target.is_none_or(|t| {
                    slot.host == *t.on() && (t.thing() == Thing::Host || names(slot, t))
                })
        };
        let due: Vec<usize> = (0..self.slots.len()).filter(|i| fits(&self.slots[*i])).collect();
        self.begin(&due);
    }

    /// Walks up from these signals. A ring ends where it was begun.
    fn above(&self, signals: Vec<Signal>) -> BTreeMap<Signal, Above> {
        let mut found: BTreeMap<Signal, Above> = BTreeMap::new();
        let mut next = signals;
        while let Some(signal) = next.pop() {
            let Some(about) = self.about(&signal) else { continue };
            for one in about.above() {
                let Some(of_it) = self.about(one) else { continue };
                if found.contains_key(one) {
                    continue;
                }
                let state = self.states.get(one).map(|track| &track.state);
                let above = Above {
                    severity: state.map_or(Severity::Unknown, SignalState::severity),
                    undecided: state.is_some_and(SignalState::is_undecided),
                    sight: match state.is_none_or(SignalState::is_unseen) {
                        true => Sight::Blind,
                        false => Sight::Seen,
                    },
                    about: of_it,
                };
                found.insert(one.clone(), above);
                next.push(one.clone());
            }
        }
        found
    }

    /// What the config and its last look say of the probe behind a signal.
    fn about(&self, signal: &Signal) -> Option<About> {
        let about = self.slots.get(self.probe_of(signal)?)?.about.clone();
        Some(match self.last.get(signal) {
            Some((reading, ..)) => about.for_reading(reading),
            None => about,
        })
    }

    fn snapshot(&self) -> Vec<Standing> {
        let standing = |(reading, probe, since): &(Reading, usize, Millis)| {
            let slot = self.slots.get(*probe)?;
            let state = self.states.get(&reading.signal).map(|track| track.state.clone());
            let state = state.unwrap_or_default();
            Some(Standing {
                reading: reading.clone(),
                state,
                about: slot.about.clone().for_reading(reading),
                since: *since,
            })
        };
        self.last.values().filter_map(standing).collect()
    }

    fn replace(&mut self, probes: Vec<Probe>, hosts: Hosts) {
        // Each host has a probe called `disk`.
        let called = |s: &Slot| (s.about.name.clone(), s.host.clone());
        let names: Vec<(String, HostName)> = self.slots.iter().map(called).collect();
        // Looks under way end into the void: their indices mean nothing any more.
        self.looks = Looks::default();
        self.waiting.clear();
        self.soon.clear();
        self.all_asked.clear();
        self.grid = Grid::new(&rhythms(&probes));
        self.origin = Instant::now();
        let slots = probes.into_iter().map(|probe| Slot::new(probe, self.grace)).collect();
        for slot in std::mem::replace(&mut self.slots, slots) {
            self.leaving.add(slot.how);
        }
        self.hosts = hosts;
        let known = &self.hosts;
        self.power.keep(|host| known.contains_key(host));
        let of: BTreeMap<(String, HostName), usize> =
            self.slots.iter().enumerate().map(|(i, s)| (called(s), i)).collect();
        self.last.retain(|_, (_, probe, _)| match names.get(*probe).and_then(|n| of.get(n)) {
            Some(now) => {
                *probe = *now;
                true
            }
            None => false,
        });
        self.listen();
        let last = &self.last;
        let gone: Vec<Signal> =
            self.states.keys().filter(|s| !last.contains_key(s)).cloned().collect();
        self.tell(News::Gone(gone));
        let last = &self.last;
        self.states.retain(|signal, _| last.contains_key(signal));
        self.recall();
    }

    fn recall(&mut self) {
        for slot in &mut self.slots {
            slot.recall(&self.states);
        }
    }

    /// What a human acknowledged is known from now on, and looked at anew.
    fn accept(&mut self, reading: &Reading) {
        let what = reading.what();
        if !what.is_empty() {
            let known = self.pasts.accept(&reading.signal, &what);
            self.tell(News::Learned(vec![(reading.signal.clone(), known)]));
        }
        let (reply, _) = oneshot::channel();
        if let Some(probe) = self.probe_of(&reading.signal) {
            self.look_now(probe, None, reply);
        }
    }

    /// What could not be green while this was not is due now: nobody waits for the next look to learn that all is well
    /// again. Spread over a second, those of one host together.
    pub(super) fn children_of(&mut self, parent: &Signal) {
        let ill = |(reading, probe, _): &(Reading, usize, Millis)| {
            if reading.severity == Severity::Green {
                return None;
            }
            let slot = self.slots.get(*probe).filter(|slot| !slot.gone)?;
            let of_it = reading.parent.as_ref().or(slot.about.parent.as_ref());
            let hangs = of_it == Some(parent) || slot.about.depends_on.contains(parent);
            hangs.then_some(*probe)
        };
        let mut due: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for probe in self.last.values().filter_map(ill) {
            let Some(slot) = self.slots.get(probe) else { continue };
            let together = match slot.how {
                Some(How::Host(_)) => slot.host.to_string(),
                Some(How::Net(_)) | None => slot.about.name.clone(),
            };
            due.entry(together).or_default().insert(probe);
        }
        let (now, groups) = (Instant::now(), due.len().max(1));
        for (n, probes) in due.into_values().enumerate() {
            let at = now + SPREAD.mul_f64(n as f64 / groups as f64);
            self.soon.extend(probes.into_iter().map(|probe| (at, probe)));
        }
    }

    pub(super) fn begin_soon(&mut self) {
        let now = Instant::now();
        let (due, later) =
            std::mem::take(&mut self.soon).into_iter().partition(|(at, _)| *at <= now);
        self.soon = later;
        let due: Vec<(Instant, usize)> = due;
        let due: Vec<usize> = due.into_iter().map(|(_, probe)| probe).collect();
        self.begin(&due);
    }

    fn add(&mut self, probe: Probe) {
        let every = probe.every;
        self.slots.push(Slot::new(probe, self.grace));
        let added = self.slots.len() - 1;
        let at = self.since_origin();
        self.grid.add(every, at);
        self.begin(&[added]);
    }

    fn remove(&mut self, name: &str) {
        for (probe, slot) in self.slots.iter_mut().enumerate() {
            if slot.about.name == name {
                slot.gone = true;
                let gone = |by: usize| by == probe;
                let states = &mut self.states;
                self.last.retain(|signal, (_, by, _)| {
                    if gone(*by) {
                        states.remove(signal);
                    }
                    !gone(*by)
                });
                self.grid.remove(probe);
            }
        }
    }

    /// Forgets signals whose thing is gone.
    pub(super) fn forget(&mut self, signals: &[Signal]) {
        if signals.is_empty() {
            return;
        }
        for signal in signals {
            self.last.remove(signal);
            self.states.remove(signal);
        }
        self.tell(News::Gone(signals.to_vec()));
    }

    /// A network probe asks for a look before its time.
    pub(super) fn rung(&mut self, name: &str) {
        self.pulse.add(&self.pulse.events, 1);
        let rings = |slot: &Slot| slot.about.name == name && !slot.gone;
        let due: Vec<usize> = (0..self.slots.len()).filter(|i| rings(&self.slots[*i])).collect();
        self.begin(&due);
    }

    /// Opens the event sources for what the probes of this machine want.
    pub(super) fn listen(&mut self) {
        for slot in &mut self.slots {
            if let Some(How::Net(probe)) = &mut slot.how {
                probe.listen(Bell::new(&slot.about.name, self.bells.0.clone()));
            }
        }
        let Some(here) = &self.listens_on else { return };
        let mut wanted = BTreeSet::new();
        for slot in self.slots.iter().filter(|slot| slot.host == *here && !slot.gone) {
            if let Some(How::Host(probe)) = &slot.how {
                wanted.append(&mut probe.wants());
            }
        }
        match self.events.take().map_or_else(|| Events::new(Rests::default()), Ok) {
            Ok(mut events) => {
                if let Some(engine) = &self.engine {
                    events.engine_at(engine.clone());
                }
                events.watch(&wanted);
                self.events = Some(events);
            }
            // The polls see everything too, only later.
            Err(error) => tracing::warn!("events cannot be listened to: {error}"),
        }
    }

    /// An event is no reading: it makes the probes that want its fact due now.
    pub(super) fn woken(&mut self, reason: &WakeReason) {
        self.pulse.add(&self.pulse.events, 1);
        let fact = reason.fact();
        let wants = |slot: &Slot| match &slot.how {
            Some(How::Host(probe)) => {
                self.listens_on.as_ref() == Some(&slot.host) && probe.wants().contains(&fact)
            }
            Some(How::Net(_)) | None => false,
        };
        let due: Vec<usize> = (0..self.slots.len())
            .filter(|i| !self.slots[*i].gone && wants(&self.slots[*i]))
            .collect();
        let now = Instant::now();
        let (again, due): (Vec<usize>, Vec<usize>) =
            due.into_iter().partition(|probe| self.looks.under_way(*probe));
        let due: Vec<usize> = due.into_iter().filter(|p| self.has_rested(*p, now)).collect();
        self.begin(&due);
        // It happened while they look, and may have come too late for that.
        for probe in again {
            if !self.waiting.iter().any(|waiting| waiting.probe == probe && !waiting.begun) {
                let (reply, _) = oneshot::channel();
                self.look_now(probe, None, reply);
            }
        }
    }

    /// Whether a probe may be woken now. One that asks programs for who came in is woken at once, and after that only
    /// so often: what happens meanwhile wakes it when it has rested.
    fn has_rested(&mut self, probe: usize, now: Instant) -> bool {
        let Some(slot) = self.slots.get_mut(probe) else { return false };
        if slot.kind.as_str() != "security" {
            return true;
        }
        match slot.rests_until.filter(|until| now < *until) {
            Some(until) => {
                if !self.soon.iter().any(|(_, one)| *one == probe) {
                    self.soon.push((until, probe));
                    slot.rests_until = Some(until + RESTS);
                }
                false
            }
            None => {
                slot.rests_until = Some(now + RESTS);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use tokio::sync::mpsc;

    use super::*;
    use crate::clock::SystemClock;
    use crate::clock::zone::Zone;
    use crate::model::fact::{Fact, Facts};
    use crate::model::time::Span;
    use crate::probe::ask::Common;
    use crate::probe::{HostProbe, Past};
    use crate::watch::pulse::Pulse;

    #[tokio::test]
    async fn a_reload_listens_where_the_engine_is_now() {
        let (news, _told) = mpsc::unbounded_channel();
        let pulse = Arc::new(Pulse::default());
        let clock = Arc::new(SystemClock);
        let new = || {
            let (news, pulse) = (news.clone(), Arc::clone(&pulse));
            Ticker::new(Vec::new(), Hosts::new(), Millis(0), Arc::clone(&clock) as _, pulse, news)
        };
        let replace = |at: &str| Command::Replace {
            probes: Vec::new(),
            hosts: Hosts::new(),
            engine: Some(PathBuf::from(at)),
            zone: Zone::UTC,
        };
        let mut ticker = new().with_engine(PathBuf::from("/run/docker.sock"));
        ticker.obey(replace("/run/podman.sock"));
        assert_eq!(ticker.engine.as_deref(), Some(std::path::Path::new("/run/podman.sock")));
        // Who listened to none does not begin to.
        let mut deaf = new();
        deaf.obey(replace("/run/podman.sock"));
        assert_eq!(deaf.engine, None);
    }

    #[tokio::test]
    async fn a_reload_takes_no_hosts_probe_for_anothers_of_the_same_name() {
        let hosts = ["mini", "nas", "pi"].map(HostName::of);
        let probes = |all: &[HostName]| -> Vec<Probe> {
            let common = Common::with(Span::mins(5), Span::secs(20));
            let one = |host: &HostName| {
                let how = How::Host(Box::new(Wants(Fact::Volumes)) as Box<dyn HostProbe>);
                common.probe(Word::of("disk"), "disk".to_owned(), host.clone(), how)
            };
            all.iter().map(one).collect()
        };
        let (news, _told) = mpsc::unbounded_channel();
        let (clock, pulse) = (Arc::new(SystemClock), Arc::new(Pulse::default()));
        let mut ticker = Ticker::new(probes(&hosts), Hosts::new(), Millis(0), clock, pulse, news);
        let signal = |host: &HostName| Signal {
            probe: Word::of("disk"),
            target: Target::host(host.clone()),
            aspect: Word::of("bytes"),
        };
        for (n, host) in hosts.iter().enumerate() {
            let green =
                Reading::new(signal(host), Millis(1), Severity::Green, Word::of("ok"), "fine");
            ticker.looked(n, vec![green]);
        }
        ticker.replace(probes(&hosts[1..]), Hosts::new());
        let at = |host: &HostName| ticker.last.get(&signal(host)).map(|(_, probe, _)| *probe);
        assert_eq!(hosts.each_ref().map(at), [None, Some(0), Some(1)]);
    }

    struct Wants(Fact);

    impl HostProbe for Wants {
        fn wants(&self) -> BTreeSet<Fact> {
            BTreeSet::from([self.0.clone()])
        }

        fn judge(&mut self, _: &Facts, _: &dyn Past, _: Millis) -> Vec<Reading> {
            Vec::new()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_to_a_container_wakes_who_looks_for_an_intruder() {
        let here = HostName::of("mini");
        let probe = |kind: &'static str, fact| {
            let how = How::Host(Box::new(Wants(fact)) as Box<dyn HostProbe>);
            let common = Common::with(Span::mins(5), Span::secs(20));
            common.probe(Word::of(kind), kind.to_owned(), here.clone(), how)
        };
        let probes = vec![
            probe("docker", Fact::Containers),
            probe("security", Fact::Containers),
            probe("memory", Fact::Memory),
        ];
        let (news, _told) = mpsc::unbounded_channel();
        let (clock, pulse) = (Arc::new(SystemClock), Arc::new(Pulse::default()));
        let ticker = Ticker::new(probes, Hosts::new(), Millis(0), clock, pulse, news);
        let mut ticker = ticker.listening_on(here.clone());
        ticker.woken(&WakeReason::ContainersChanged);
        assert_eq!([0, 1, 2].map(|one| ticker.looks.under_way(one)), [true, true, false]);
        // What happens while it looks may have come too late for that look: it looks once more.
        ticker.woken(&WakeReason::ContainersChanged);
        ticker.woken(&WakeReason::ContainersChanged);
        let again = |ticker: &Ticker| ticker.waiting.iter().filter(|w| w.probe == 1).count();
        assert_eq!(again(&ticker), 1);
        while ticker.looks.under_way(1) && again(&ticker) == 1 {
            let finished = ticker.looks.finished().await;
            ticker.finish(finished);
        }
        // Of a host where containers come and go all the time, who came in is not asked for each time.
        while ticker.looks.under_way(1) {
            let finished = ticker.looks.finished().await;
            ticker.finish(finished);
        }
        ticker.woken(&WakeReason::ContainersChanged);
        assert_eq!([0, 1].map(|one| ticker.looks.under_way(one)), [true, false]);
        tokio::time::advance(RESTS).await;
        ticker.begin_soon();
        assert!(ticker.looks.under_way(1));
    }
}
