//! The tick loop: one thread that wakes on the grid, looks, and tells what changed.

mod commands;
mod leave;
mod slot;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clients::events::{Events, WakeReason};
use crate::clients::host::Hosts;
use crate::clock::Clock;
use crate::clock::zone::Zone;
use crate::model;
use crate::model::guard::Known;
use crate::model::ids::{HostName, Word};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::{Signal, Target};
use crate::model::time::{Millis, Span};
use crate::policy::tree::Sight;
use crate::policy::triage::track::Track;
use crate::policy::triage::{Change, SignalState};
use crate::probe::{How, Past, Probe};
use crate::watch::grid::{Due, Grid};
use crate::watch::looks::{Cut, Done, Finished, Looks, PassedOver, Wanted};
use crate::watch::pasts::SharedPasts;
use crate::watch::power::{self, Power};
use crate::watch::pulse::Pulse;
use crate::watch::ticker::leave::Leaving;
use crate::watch::ticker::slot::{Slot, rhythms};

/// Readings go to the store in batches of this age: history is flushed lazily.
const FLUSH_EVERY: Span = Span::secs(30);
/// A look may be this much over its timeout before the loop counts as stuck.
const OVERDUE_GRACE: Span = Span::secs(10);

/// How many bells may ring at once; what rings beyond waits for its own time.
const RINGING: usize = 64;

/// What the loop tells the rest of reef.
#[derive(Debug)]
pub enum News {
    /// A signal changed for good: after its looks in a row, with hysteresis.
    Changed(Box<Changed>),
    /// History, in batches.
    Readings(Batch),
    /// What is known from now on of signals, and is nothing new.
    Learned(Vec<(Signal, Known)>),
    /// What looks saw changed on the estate.
    Recorded(Vec<model::change::Change>),
    /// Signals that nothing watches any more, after a reload.
    Gone(Vec<Signal>),
    /// The counters of triage, to be stored so that a restart starts nothing over.
    Triage(BTreeMap<Signal, Track>),
}

/// The readings since the last batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Of each reading what history keeps: whole, a thousand probes would hold megabytes here.
    pub samples: Vec<(Signal, Millis, Severity, Option<f64>)>,
    /// Those that say more than that: what is not green, and certificates, whose dates are reminded of.
    pub whole: Vec<Reading>,
}

impl Batch {
    fn add(&mut self, reading: &Reading) {
        self.samples.push((reading.signal.clone(), reading.at, reading.severity, reading.value));
        if reading.severity != Severity::Green || reading.signal.probe.as_str() == "tls" {
            self.whole.push(reading.clone());
        }
    }
}

/// A change of a signal, with what the config says about its probe.
#[derive(Debug, Clone)]
pub struct Changed {
    pub change: Change,
    pub reading: Reading,
    pub about: About,
}

/// What the config says of the probe behind a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// As in config and output: `http.jellyfin`.
    pub name: String,
    pub every: Span,
    pub parent: Option<Signal>,
    /// What it needs beside its parent.
    pub depends_on: Vec<Signal>,
    pub wakes: bool,
    /// For how long it may be red before that pages.
    pub tolerance: Option<Span>,
    /// The same for single things that it speaks of, by their names.
    pub tolerances: BTreeMap<String, Span>,
}

impl About {
    /// Everything whose red explains it.
    pub fn above(&self) -> impl Iterator<Item = &Signal> {
        self.parent.iter().chain(&self.depends_on)
    }
}

/// How something stands that other signals hang on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Above {
    /// Confirmed.
    pub severity: Severity,
    /// Bad at its last looks, and not yet often enough to say.
    pub undecided: bool,
    pub sight: Sight,
    pub about: About,
}

/// What the rest of reef asks of the loop.
#[derive(Debug)]
pub enum Command {
    /// Look at this signal now; the answer is fresh: the look began after the command.
    Look {
        signal: Signal,
        reply: oneshot::Sender<Vec<Reading>>,
    },
    /// Look at everything of a host, or at everything, now.
    LookAll {
        reply: oneshot::Sender<()>,
    },
    /// What the config says of the probes behind these signals, seen yet or not.
    About {
        signals: Vec<Signal>,
        reply: oneshot::Sender<BTreeMap<Signal, About>>,
    },
    /// Everything that these signals hang on, directly or further up, as it stands.
    Above {
        signals: Vec<Signal>,
        reply: oneshot::Sender<BTreeMap<Signal, Above>>,
    },
    /// The last reading of every signal, with its standing.
    Snapshot {
        reply: oneshot::Sender<Vec<Standing>>,
    },
    /// What could not be looked at because it is not there: probe, host and why.
    Absent {
        reply: oneshot::Sender<Vec<(String, HostName, String)>>,
    },
    /// Something announced itself: make the probes of this target's kind due now.
    Wake {
        probe: Word,
        target: Option<Target>,
    },
    /// What a former life of this daemon knew.
    Seed {
        triage: BTreeMap<Signal, Track>,
        pasts: Vec<(Signal, Vec<(Millis, f64)>)>,
        known: BTreeMap<Signal, Known>,
    },
    /// A human knows what this reading tells: it is nothing new any more.
    Accept {
        reading: Box<Reading>,
    },
    /// New probes after a reload; counters and pasts stay.
    Replace {
        probes: Vec<Probe>,
        hosts: Hosts,
        /// Where this machine's container engine is now.
        engine: Option<PathBuf>,
        /// The operator's.
        zone: Zone,
    },
    /// Watch one more for a while: a drill's scratch folder. Its signals are forgotten on `Remove`.
    Add {
        probe: Box<Probe>,
    },
    Remove {
        name: String,
    },
}

/// How a signal stands.
#[derive(Debug, Clone)]
pub struct Standing {
    pub reading: Reading,
    pub state: SignalState,
    pub about: About,
    /// Since when its severity is what it is.
    pub since: Millis,
}

/// The world of the loop.
pub struct Ticker {
    slots: Vec<Slot>,
    /// When this life began, and until when it is patient.
    grace: (Millis, Millis),
    hosts: Hosts,
    grid: Grid,
    /// The grid's zero.
    origin: Instant,
    looks: Looks,
    pasts: Arc<SharedPasts>,
    power: Power,
    clock: Arc<dyn Clock>,
    pulse: Arc<Pulse>,
    news: mpsc::UnboundedSender<News>,
    states: BTreeMap<Signal, Track>,
    last: BTreeMap<Signal, (Reading, usize, Millis)>,
    batch: Batch,
    flushed_at: Instant,
    /// This machine, where its events wake probes.
    listens_on: Option<HostName>,
    /// Where this machine's container engine is.
    engine: Option<PathBuf>,
    events: Option<Events>,
    /// Network probes ring here when something announced itself to them.
    bells: (mpsc::Sender<Arc<str>>, mpsc::Receiver<Arc<str>>),
    /// Probes that are due before their time, each at an instant.
    soon: Vec<(Instant, usize)>,
    /// Who waits until these probes have looked.
    all_asked: Vec<(BTreeSet<usize>, oneshot::Sender<()>)>,
    /// Who waits for a fresh look at a probe, and whether that look has begun.
    waiting: Vec<Waiting>,
    leaving: Leaving,
}

struct Waiting {
    probe: usize,
    signal: Option<Signal>,
    begun: bool,
    reply: oneshot::Sender<Vec<Reading>>,
}

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ticker of {} probes", self.slots.len())
    }
}

impl Ticker {
    /// Takes the probes as configured. Nothing is looked at before [`Ticker::run`].
    ///
    /// Until `grace_until` a signal that was not green since the start fires nothing: a machine that
    /// just booted is still starting its services.
    pub fn new(
        probes: Vec<Probe>,
        hosts: Hosts,
        grace_until: Millis,
        clock: Arc<dyn Clock>,
        pulse: Arc<Pulse>,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        let grid = Grid::new(&rhythms(&probes));
        let now = Instant::now();
        let grace = (clock.now(), grace_until);
        Self {
            slots: probes.into_iter().map(|probe| Slot::new(probe, grace)).collect(),
            grace,
            hosts,
            grid,
            origin: now,
            looks: Looks::default(),
            pasts: Arc::new(SharedPasts::default()),
            power: Power::default(),
            clock,
            pulse,
            news,
            states: BTreeMap::new(),
            last: BTreeMap::new(),
            batch: Batch::default(),
            flushed_at: now,
            listens_on: None,
            engine: None,
            events: None,
            bells: mpsc::channel(RINGING),
            soon: Vec::new(),
            all_asked: Vec::new(),
            waiting: Vec::new(),
            leaving: Leaving::default(),
        }
    }

    /// Wakes probes of this machine when a process ends or a log grows, before their time.
    #[must_use]
    pub fn listening_on(mut self, here: HostName) -> Self {
        self.listens_on = Some(here);
        self
    }

    /// And when its container engine at this socket says that something happened.
    #[must_use]
    pub fn with_engine(mut self, socket: PathBuf) -> Self {
        self.engine = Some(socket);
        self
    }

    /// Counts the hours of a day as the operator's wall does.
    #[must_use]
    pub fn counting_in(self, zone: Zone) -> Self {
        self.pasts.count_in(zone);
        self
    }

    /// Runs until told to stop, then hands over what was not yet stored.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
        self.listen();
        loop {
            let next = self
                .grid
                .next_deadline()
                .map(|at| self.origin + std::time::Duration::from_millis(at));
            let soon = self.soon.iter().map(|(at, _)| *at).min();
            self.beat(next);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Before the looks that ended: thousands of them would keep a human waiting, and commands are few.
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                finished = self.looks.finished() => self.finish(finished),
                reason = next_event(&mut self.events) => self.woken(&reason),
                Some(name) = self.bells.1.recv() => self.rung(&name),
                () = wait_until(next) => self.tick(),
                () = wait_until(soon) => self.begin_soon(),
            }
        }
        self.flush();
        for slot in &mut self.slots {
            self.leaving.add(slot.how.take());
        }
        self.leaving.all().await;
    }

    fn beat(&self, next: Option<Instant>) {
        if self.looks.overdue(OVERDUE_GRACE) {
            return;
        }
        let now = self.clock.now();
        let wait = next
            .map_or(Span::mins(1), |at| Span::from(at.saturating_duration_since(Instant::now())));
        self.pulse.beat(now, now + wait);
    }

    fn since_origin(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn tick(&mut self) {
        let at = self.since_origin();
        let planned = self.grid.next_deadline().unwrap_or(at);
        let Due { probes: due, skipped } = self.grid.take_due(at);
        if planned + self.grid.slot() < at {
            self.pulse.add(&self.pulse.late, due.len());
        }
        // Only the grid's own looks can be missed: who asks in between gets the one under way.
        let missed = self.begin(&due).iter().filter(|one| self.misses(one)).count();
        self.pulse.add(&self.pulse.missed, missed.saturating_add(skipped));
        if FLUSH_EVERY.duration() <= self.flushed_at.elapsed() {
            self.flush();
        }
    }

    /// Whether a look that is due does not happen. One that somebody asked for a moment ago, and that is
    /// still under way, is as good as the one that is due.
    fn misses(&self, one: &PassedOver) -> bool {
        let every = self.slots.get(one.probe).map_or(Span(0), |slot| slot.about.every);
        one.under_way.is_none_or(|span| every.0 / 2 <= span.0)
    }

    /// Begins looks; gives those that were passed over because their last one is still under way.
    fn begin(&mut self, due: &[usize]) -> Vec<PassedOver> {
        let now = self.clock.now();
        let due: BTreeSet<usize> = due.iter().copied().collect();
        let mut wanted = Vec::with_capacity(due.len());
        for (probe, slot) in self.slots.iter_mut().enumerate() {
            if due.contains(&probe) && !slot.gone {
                wanted.push(Wanted {
                    probe,
                    host: &slot.host,
                    timeout: slot.timeout,
                    how: &mut slot.how,
                });
            }
        }
        self.pulse.add(&self.pulse.looks, wanted.len());
        let past: Arc<dyn Past> = Arc::clone(&self.pasts) as Arc<dyn Past>;
        self.looks.begin(wanted, &self.hosts, &past, now)
    }

    fn finish(&mut self, finished: Finished) {
        let now = self.clock.now();
        if finished.cut == Cut::Yes {
            self.pulse.add(&self.pulse.timed_out, 1);
        }
        match finished.done {
            Done::Facts { probes, facts } => {
                let here = probes.first().and_then(|p| self.slots.get(*p)).map(|slot| &slot.host);
                if here == self.listens_on.as_ref()
                    && let Some(events) = &mut self.events
                {
                    events.follow(&facts);
                }
                if let Some(host) = here {
                    let (slots, last) = (self.slots.iter().filter(|s| !s.gone), &self.last);
                    let parents = || {
                        power::parents(slots.filter_map(|s| s.about.parent.as_ref()), |signal| {
                            let (reading, _, since) = last.get(signal)?;
                            (reading.severity == Severity::Green).then_some(*since)
                        })
                    };
                    self.power.heard(host, &facts, parents, now);
                }
                for probe in probes {
                    let pasts = Arc::clone(&self.pasts);
                    let (readings, changes, learned) =
                        match self.slots.get_mut(probe).and_then(|slot| slot.how.as_mut()) {
                            Some(How::Host(host)) => {
                                (host.judge(&facts, &*pasts, now), host.changes(), host.learned())
                            }
                            Some(How::Net(_)) | None => Default::default(),
                        };
                    self.learn(learned);
                    self.record(changes);
                    self.retire(probe, &readings);
                    self.looked(probe, readings);
                }
            }
            Done::Net { probe, mut how, readings } => {
                self.record(how.changes());
                let retired = how.retired();
                if let Some(slot) = self.slots.get_mut(probe) {
                    slot.how = Some(How::Net(how));
                    slot.recall(&self.states);
                }
                self.looked(probe, readings);
                self.forget(&retired);
            }
            Done::Broken { probes, why } => {
                self.pulse.add(&self.pulse.broken, probes.len());
                for probe in probes {
                    let readings = self.broken(probe, &why, now);
                    self.looked(probe, readings);
                }
            }
        }
    }

    fn learn(&self, learned: Vec<(Signal, Known)>) {
        if !learned.is_empty() {
            self.pasts.learn(learned.clone());
            self.tell(News::Learned(learned));
        }
    }

    /// At once, not with the next flush: an incident that the change explains opens within seconds.
    fn record(&mut self, changes: Vec<model::change::Change>) {
        if !changes.is_empty() {
            self.tell(News::Recorded(changes));
        }
    }

    /// Everything that this probe ever spoke of is unknown now.
    fn broken(&self, probe: usize, why: &str, now: Millis) -> Vec<Reading> {
        let words = format!("the probe broke, which is a defect in reef: {why}");
        let of_probe = self.last.values().filter(|(_, by, _)| *by == probe);
        of_probe
            .map(|(r, ..)| Reading::unknown(r.signal.clone(), now, Word::of("broken"), &words))
            .collect()
    }

    fn looked(&mut self, probe: usize, readings: Vec<Reading>) {
        self.pulse.add(&self.pulse.readings, readings.len());
        let gone = self.slots.get(probe).is_none_or(|slot| slot.gone);
        if !gone {
            for reading in &readings {
                self.triage(probe, reading);
            }
        }
        self.answer(probe, &readings);
        if gone {
            return;
        }
        for reading in readings {
            self.batch.add(&reading);
            self.stand(probe, reading);
        }
    }

    /// Remembers the last reading of a signal, and since when it is as severe.
    fn stand(&mut self, probe: usize, reading: Reading) {
        match self.last.get_mut(&reading.signal) {
            Some((last, by, since)) => {
                if last.severity != reading.severity {
                    *since = reading.at;
                }
                *last = reading;
                *by = probe;
            }
            None => {
                let at = reading.at;
                self.last.insert(reading.signal.clone(), (reading, probe, at));
            }
        }
    }

    /// Forgets the green signals that a host probe speaks of no more: what they were about was removed.
    fn retire(&mut self, probe: usize, readings: &[Reading]) {
        let Some(slot) = self.slots.get_mut(probe) else { return };
        let fewer = readings.len() < slot.told;
        slot.told = readings.len();
        if !fewer || readings.is_empty() {
            return;
        }
        let told: BTreeSet<&Signal> = readings.iter().map(|r| &r.signal).collect();
        let state = |signal| self.states.get(signal).map(|track| &track.state);
        let is_green = |signal| matches!(state(signal), Some(SignalState::Green { .. }));
        let of_it = self.last.iter().filter(|(_, (_, by, _))| *by == probe);
        let gone: Vec<Signal> = of_it
            .map(|(signal, _)| signal)
            .filter(|signal| !told.contains(signal) && is_green(signal))
            .cloned()
            .collect();
        for signal in &gone {
            self.last.remove(signal);
            self.states.remove(signal);
        }
        if !gone.is_empty() {
            self.tell(News::Gone(gone));
        }
    }

    fn triage(&mut self, probe: usize, reading: &Reading) {
        let Some(slot) = self.slots.get(probe) else { return };
        if reading.severity == Severity::Unknown {
            self.pulse.add(&self.pulse.unknown, 1);
        }
        self.pasts.note(reading);
        let tuning = self.power.patience(slot.tuning, reading.at);
        // In place: of a thousand signals each is here every few seconds.
        let mut fresh = Track::default();
        let known = self.states.get_mut(&reading.signal);
        let seen_before = known.is_some();
        let track = known.unwrap_or(&mut fresh);
        // One that was never seen holds nobody up.
        let was_ill = track.state != SignalState::New && track.state.severity() != Severity::Green;
        let (state, change) = std::mem::take(track).look(reading, &tuning, reading.at);
        let recovered = was_ill && state.state.severity() == Severity::Green;
        *track = state;
        if !seen_before {
            self.states.insert(reading.signal.clone(), fresh);
        }
        if let Some(change) = change {
            let about = slot.about.clone().for_reading(reading);
            let changed = Changed { change, reading: reading.clone(), about };
            self.tell(News::Changed(Box::new(changed)));
        }
        if recovered {
            self.children_of(&reading.signal);
        }
    }

    /// Hands fresh readings to those who asked, and begins the looks that had to wait for this one.
    fn answer(&mut self, probe: usize, readings: &[Reading]) {
        for (missing, reply) in std::mem::take(&mut self.all_asked) {
            let mut missing = missing;
            missing.remove(&probe);
            match missing.is_empty() {
                true => drop(reply.send(())),
                false => self.all_asked.push((missing, reply)),
            }
        }
        let mut again = false;
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.probe != probe {
                self.waiting.push(waiting);
            } else if waiting.begun {
                let wanted = |r: &&Reading| waiting.signal.as_ref().is_none_or(|s| *s == r.signal);
                // Nobody listens any more: the run that asked has ended.
                drop(waiting.reply.send(readings.iter().filter(wanted).cloned().collect()));
            } else {
                again = true;
                self.waiting.push(Waiting { begun: true, ..waiting });
            }
        }
        if again {
            self.begin(&[probe]);
        }
    }

    fn flush(&mut self) {
        self.flushed_at = Instant::now();
        self.pasts.forget(self.clock.now());
        let batch = std::mem::take(&mut self.batch);
        if !batch.samples.is_empty() {
            self.tell(News::Readings(batch));
        }
        self.tell(News::Triage(self.states.clone()));
    }

    fn tell(&self, news: News) {
        if self.news.send(news).is_err() {
            tracing::debug!("nobody listens to the tick loop any more: reef is shutting down");
        }
    }
}

impl About {
    /// As it is for one reading: with the parent that the look itself found, where it found one, and the
    /// tolerance of the thing it is about.
    fn for_reading(self, reading: &Reading) -> Self {
        let own = self.tolerances.get(reading.signal.target.name()).copied();
        let parent = reading.parent.clone().or(self.parent);
        Self { parent, tolerance: own.or(self.tolerance), ..self }
    }
}

async fn next_event(events: &mut Option<Events>) -> WakeReason {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
