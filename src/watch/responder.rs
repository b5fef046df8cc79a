//! From changes to incidents, and from incidents to runs.

pub mod alarm;
mod begin;
mod blame;
mod changes;
pub mod picture;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::model::ids::HostName;
use crate::model::incident::{Care, HoldScope, IncidentState};
use crate::model::reading::Reading;
use crate::model::severity::Severity;
use crate::model::target::Signal;
use crate::model::time::Millis;
use crate::notify::alarm::Alarm;
use crate::policy::triage::track::Track;
use crate::policy::triage::{Change, SignalState};
use crate::run::runner::Runner;
use crate::store::actions::Drill;
use crate::store::db::Db;
use crate::store::readings::Sample;
use crate::watch::handle::Handle;
use crate::watch::responder::picture::{Known, consider, resolve};
use crate::watch::ticker::{About, Batch, Changed, News};

/// Names of probes that belong to a drill begin so.
pub const DRILL: &str = "drill.";

/// Turns what the tick loop tells into incidents and runs.
#[derive(Debug)]
pub struct Responder {
    pub runner: Arc<Runner>,
    /// This machine.
    pub here: HostName,
    pub scope: HoldScope,
    /// The tick loop.
    pub watch: Handle,
    /// For when the store cannot be written.
    pub alarm: Alarm,
    /// What the config says of the probe behind each signal that changed in this life.
    pub(crate) about: BTreeMap<Signal, About>,
    /// The triage states as they were stored last, without the green ones.
    pub(crate) saved: BTreeMap<Signal, Track>,
    /// The last reading of each signal that is not green, to open an incident that a crash lost.
    pub(crate) last: BTreeMap<Signal, Reading>,
    /// When the picture changes by itself.
    pub(crate) again_at: Option<Millis>,
    /// An incident changed, and the picture was not looked at since.
    stale: bool,
}

impl Responder {
    pub fn new(
        runner: Arc<Runner>,
        here: HostName,
        scope: HoldScope,
        watch: Handle,
        alarm: Alarm,
    ) -> Self {
        Self {
            runner,
            here,
            scope,
            watch,
            alarm,
            about: BTreeMap::new(),
            saved: BTreeMap::new(),
            last: BTreeMap::new(),
            again_at: None,
            stale: false,
        }
    }

    /// Runs until the tick loop ends. What it was told last is still stored.
    pub async fn run(mut self, mut news: mpsc::UnboundedReceiver<News>) {
        let mut endings = self.runner.endings.subscribe();
        let stop = self.runner.stop.clone();
        let recalled = self.recall().await;
        self.heard(recalled).await;
        let promised = self.promise_reminder().await;
        self.heard(promised).await;
        let considered = self.consider().await;
        self.heard(considered).await;
        loop {
            let due = self.next_timer().await;
            let done = tokio::select! {
                told = news.recv() => match told {
                    Some(told) => self.take_all(told, &mut news).await,
                    None => break,
                },
                Ok(()) = endings.changed() => self.consider().await,
                () = tokio::time::sleep(due), if !stop.is_cancelled() => self.due().await,
            };
            self.heard(done).await;
        }
    }

    /// The store may be full or gone: the looks go on, and the next news tries again.
    async fn heard(&self, done: anyhow::Result<()>) {
        let Err(error) = done else { return };
        tracing::error!("could not respond: {error:#}");
        if self.runner.store.health().last_error.is_some() {
            self.alarm.unwritable(&format!("{error:#}")).await;
        }
    }

    /// What an earlier life knew of the probes behind its open incidents: whose child each is.
    async fn recall(&mut self) -> anyhow::Result<()> {
        let unresolved = self.runner.store.call(|db| db.unresolved()).await?;
        if !unresolved.is_empty() {
            let signals = unresolved.into_iter().map(|incident| incident.signal).collect();
            self.about = self.watch.about(signals).await;
        }
        Ok(())
    }

    /// Takes what was told, and all that is told by then, before it looks at the picture: reds of one look must hold
    /// each other before the first is answered.
    async fn take_all(
        &mut self,
        first: News,
        news: &mut mpsc::UnboundedReceiver<News>,
    ) -> anyhow::Result<()> {
        let mut done = self.take(first).await;
        while let Ok(more) = news.try_recv() {
            done = done.and(self.take(more).await);
        }
        if std::mem::take(&mut self.stale) {
            done = done.and(self.consider().await);
        }
        done
    }

    async fn take(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            News::Changed(changed) => self.changed(*changed).await,
            News::Readings(batch) => {
                self.remind(&batch.whole).await?;
                self.evidence(&batch.whole).await?;
                self.keep(batch).await
            }
            News::Recorded(changes) => {
                let store = self.runner.store.readings();
                store.call(move |readings| readings.add_changes(&changes)).await
            }
            News::Learned(known) => self.runner.store.call(move |db| db.save_known(&known)).await,
            News::Triage(states) => self.reconcile(states).await,
            News::Gone(signals) => self.forget(&signals).await,
        }
    }

    /// History. Losing a batch loses a minute of it and nothing else.
    async fn keep(&mut self, batch: Batch) -> anyhow::Result<()> {
        let Batch { samples, whole } = batch;
        for reading in whole {
            if reading.severity != Severity::Green {
                self.last.insert(reading.signal.clone(), reading);
            }
        }
        for (signal, at, severity, _) in &samples {
            let known = self.last.get(signal);
            if *severity == Severity::Green && known.is_some_and(|last| last.at <= *at) {
                self.last.remove(signal);
            }
        }
        let now = self.runner.clock.now();
        self.runner
            .store
            .readings()
            .call(move |store| {
                store.intern_all(samples.iter().map(|(signal, ..)| signal))?;
                let mut rows = Vec::with_capacity(samples.len());
                for (signal, at, severity, value) in samples {
                    rows.push(Sample { signal: store.intern(&signal)?, at, severity, value });
                }
                store.add(&rows)?;
                store.maintain(now)
            })
            .await
    }

    async fn changed(&mut self, changed: Changed) -> anyhow::Result<()> {
        let Changed { change, reading, about } = changed;
        tracing::info!(signal = %reading.signal, severity = %reading.severity, "{}: {}", change.as_str(), reading.words.first_line());
        self.about.insert(reading.signal.clone(), about);
        match change {
            Change::Noted => return Ok(()),
            Change::Opened { severity } => {
                let reading = self.with_change(reading).await;
                self.open(reading, severity).await?;
            }
            Change::Blind { .. } => self.open(reading, Severity::Yellow).await?,
            Change::Worsened => {
                let reading = self.with_change(reading).await;
                self.moved(&reading, Severity::Red).await?;
            }
            Change::Eased => self.moved(&reading, Severity::Yellow).await?,
            Change::Resolved => self.resolve(&reading.signal).await?,
            Change::Stopped => {
                self.resolve(&reading.signal).await?;
                self.switched(&reading, "stopped on purpose: left alone").await?;
            }
            Change::Returned => self.switched(&reading, "runs again").await?,
        }
        self.stale = true;
        Ok(())
    }

    async fn open(&mut self, reading: Reading, severity: Severity) -> anyhow::Result<()> {
        let now = self.runner.clock.now();
        let about = self.about.get(&reading.signal);
        let drill = match about {
            Some(about) if about.name.starts_with(DRILL) => Drill::Yes,
            Some(_) | None => Drill::No,
        };
        let care = about.map_or_else(Care::default, |about| Care {
            tolerance: about.tolerance,
            wakes: about.wakes,
            ..Care::default()
        });
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    if let Some(incident) = db.incident_of(&reading.signal)? {
                        return alarm::again(db, incident);
                    }
                    let mut incident = db.open_incident(&reading, drill, now)?;
                    incident.severity = severity;
                    incident.care = care;
                    incident.red_at = (severity == Severity::Red).then_some(now);
                    db.save_incident(&incident)
                })
            })
            .await
    }

    async fn moved(&self, reading: &Reading, severity: Severity) -> anyhow::Result<()> {
        let (reading, now) = (reading.clone(), self.runner.clock.now());
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    let Some(mut incident) = db.incident_of(&reading.signal)? else {
                        return Ok(());
                    };
                    if severity == Severity::Red && incident.severity != Severity::Red {
                        incident.red_at = Some(now);
                        // What was left alone or told calmly as a yellow is looked at anew as a red.
                        if let IncidentState::Escalated { .. } = incident.state
                            && incident.acknowledged_at.is_none()
                        {
                            incident.state = IncidentState::Open;
                            incident.attempts = 0;
                        }
                    }
                    incident.severity = severity;
                    incident.reading = reading;
                    db.add_incident_reading(incident.id, &incident.reading)?;
                    db.save_incident(&incident)
                })
            })
            .await
    }

    /// The end of an incident, told where its beginning was.
    pub(crate) async fn resolve(&mut self, signal: &Signal) -> anyhow::Result<()> {
        let (signal, now, rules) =
            (signal.clone(), self.runner.clock.now(), self.runner.gate.rules());
        let over = self
            .runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    let Some(incident) = db.incident_of(&signal)? else { return Ok(None) };
                    let id = incident.id;
                    match incident.waits_for_a_human() {
                        true => alarm::healed(db, incident, now).map(|()| None),
                        false => resolve(db, &rules, incident, now).map(|()| Some(id)),
                    }
                })
            })
            .await?;
        if let Some(id) = over {
            self.runner.compare(id);
        }
        // A run that waits for a human looks whether there is still something to do.
        self.runner.answers.send_modify(|n| *n += 1);
        Ok(())
    }

    /// Looks at all unresolved incidents together: what explains what, whether to hold, what to begin.
    pub(crate) async fn consider(&mut self) -> anyhow::Result<()> {
        let (now, rules, scope) = (self.runner.clock.now(), self.runner.gate.rules(), self.scope);
        let hanging: Vec<Signal> = self
            .about
            .iter()
            .filter(|(_, about)| about.above().next().is_some())
            .map(|(signal, _)| signal.clone())
            .collect();
        let above = match hanging.is_empty() {
            true => BTreeMap::new(),
            false => self.watch.above(hanging).await,
        };
        let known = Known { about: self.about.clone(), above };
        let points = self.runner.gate.points();
        let considering = move |db: &mut Db| {
            db.atomically(|db| consider(db, &rules, scope, &known, points.as_ref(), now))
        };
        let considered = self.runner.store.call(considering).await?;
        self.again_at = considered.again_at;
        for signal in considered.look_at {
            self.watch.nudge(signal).await;
        }
        for incident in considered.begin {
            self.begin(incident).await?;
        }
        Ok(())
    }

    /// What nothing watches any more has no incident: it could never resolve by itself.
    async fn forget(&mut self, signals: &[Signal]) -> anyhow::Result<()> {
        for signal in signals {
            self.resolve(signal).await?;
            self.last.remove(signal);
        }
        self.consider().await
    }

    /// Puts right what a crash tore apart: an incident whose signal is green, a signal that is bad
    /// without an incident. Then stores the counters that changed.
    async fn reconcile(&mut self, states: BTreeMap<Signal, Track>) -> anyhow::Result<()> {
        let unresolved = self.runner.store.call(|db| db.unresolved()).await?;
        for incident in &unresolved {
            if let Some(SignalState::Green { green_at }) =
                states.get(&incident.signal).map(|track| &track.state)
                && incident.opened_at < *green_at
            {
                self.resolve(&incident.signal).await?;
            }
        }
        let known: BTreeSet<&Signal> = unresolved.iter().map(|i| &i.signal).collect();
        let mut lost = Vec::new();
        for (signal, track) in &states {
            if let (SignalState::Open { severity, .. }, false) =
                (&track.state, known.contains(signal))
                && let Some(reading) = self.last.get(signal)
            {
                lost.push((reading.clone(), *severity));
            }
        }
        let found_lost = !lost.is_empty();
        for (reading, severity) in lost {
            self.open(reading, severity).await?;
        }
        if found_lost {
            self.consider().await?;
        }
        self.save_triage(states).await
    }

    /// Green is what a signal is without a row; only what changed since the last time is written.
    async fn save_triage(&mut self, states: BTreeMap<Signal, Track>) -> anyhow::Result<()> {
        let bad: BTreeMap<Signal, Track> =
            states.into_iter().filter(|(_, track)| !track.is_plain()).collect();
        let mut rows = BTreeMap::new();
        for (signal, state) in &bad {
            if self.saved.get(signal) != Some(state) {
                rows.insert(signal.clone(), serde_json::to_value(state)?);
            }
        }
        for signal in self.saved.keys().filter(|signal| !bad.contains_key(signal)) {
            rows.insert(signal.clone(), serde_json::Value::Null);
        }
        if !rows.is_empty() {
            self.runner.store.call(move |db| db.save_triage(&rows)).await?;
            self.saved = bad;
        }
        Ok(())
    }
}
