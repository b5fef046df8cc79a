//! The fire drill: a harmless, labelled fault goes the whole way on the running daemon.
//!
//! Planted, detected by a probe, answered by a runbook, judged, recorded, done, proven by the probe
//! that fired, undone, removed. Typing the command is the approval of exactly that; it passes under
//! every leash, and not under a pause.

mod plant;

pub(crate) use plant::remove;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::time::Instant;

use crate::gate::facts::PAUSED;
use crate::gate::settle::{self, Became};
use crate::model::audit::AuditKind;
use crate::model::ids::{HostName, RunId, RunbookName, Word};
use crate::model::incident::Incident;
use crate::model::plan::{Ending, Origin};
use crate::model::run::RunState;
use crate::model::severity::Severity;
use crate::model::target::{AbsPath, Signal, Target};
use crate::model::time::{Millis, Span};
use crate::operator::order::Refusal;
use crate::operator::view::{self, DrillStep, DrillTimes, DrillView};
use crate::operator::{Operator, refuse};
use crate::probe::folder;
use crate::probe::{How, Probe};
use crate::run::ending::Proof;
use crate::run::runner::Looker;
use crate::runbook::{Mistake, Runbook, parse};
use crate::store::actions::{ActionRow, Drill};
use crate::store::audit::AuditFilter;
use crate::watch::responder::DRILL;
use crate::watch::ticker::Command;

/// The name of the drill's probe and, behind the dot, of its runbook's subject.
const PROBE: &str = "scratch";
/// A drill that was cut off longer ago has been swept by an earlier start.
const LOOKS_BACK: Span = Span::days(90);
/// How long any one link of the way may take.
const LINK: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A drill so far.
#[derive(Debug)]
pub struct DrillState {
    began: Instant,
    view: DrillView,
}

/// The drill's built-in runbook, bound to its scratch folder.
pub fn runbook(scratch: &AbsPath, host: &HostName) -> Result<Runbook, Vec<Mistake>> {
    let text = include_str!("runbook.md")
        .replace("{{scratch}}", scratch.as_str())
        .replace("{{host}}", host.as_str());
    let name = RunbookName::new("drill")
        .map_err(|e| vec![Mistake { line: 1, what: e.to_string(), hint: None }])?;
    parse(name, &text)
}

impl Operator {
    /// Begins a drill in a task of its own; [`Operator::drill_progress`] tells how it goes.
    pub(crate) async fn begin_drill(self: &Arc<Self>) -> Result<DrillView, Refusal> {
        let mut drill = self.drill.lock().await;
        if drill.as_ref().is_some_and(|d| d.view.state == view::DrillState::Running) {
            return refuse("a drill is running already; wait for its end");
        }
        if self.store().call(|db| db.flag(PAUSED)).await?.is_some() {
            return refuse(
                "reef is paused, and a drill acts as everything else does; `reef resume` first",
            );
        }
        let view = DrillView { steps: vec![], state: view::DrillState::Running, times: None };
        *drill = Some(DrillState { began: Instant::now(), view: view.clone() });
        drop(drill);
        let this = Arc::clone(self);
        self.runner.tasks.spawn(async move {
            let passed = this.go_the_way().await;
            // Whatever happened, nothing of it stays.
            this.watch.send(Command::Remove { name: format!("{DRILL}{PROBE}") }).await;
            let removed = this.clean_up().await;
            let mut drill = this.drill.lock().await;
            let Some(drill) = drill.as_mut() else { return };
            match (passed, removed) {
                (Ok(times), Ok(())) => {
                    drill.say("removed", "the scratch folder and its probe");
                    drill.view.times = Some(times);
                    drill.view.state = view::DrillState::Passed;
                }
                (Err(error), _) | (Ok(_), Err(error)) => {
                    drill.say("failed", &format!("{error:#}"));
                    drill.view.state = view::DrillState::Failed;
                }
            }
        });
        Ok(view)
    }

    /// Removes what is left of a drill in whose middle reef ended: its runs, its incident, its folder. Called once, before
    /// runs are carried on.
    pub(crate) async fn sweep_drill(&self) -> anyhow::Result<()> {
        let runs = self.store().call(|db| db.unended_runs()).await?;
        let cut_off = "reef ended in the middle of the drill";
        for run in runs.into_iter().filter(|run| run.origin == Origin::Drill) {
            let ending = Ending::NothingToDo(cut_off.into());
            self.runner.end(run.id, None, ending, Proof::AsSaid).await?;
        }
        let now = self.now();
        self.store()
            .call(move |db| {
                db.atomically(|db| {
                    for row in db.actions_since(now - LOOKS_BACK)? {
                        if row.drill == Drill::Yes && settle::is_unknown(&row) {
                            let note = "its scratch folder is removed whole, whatever it did there";
                            settle::settle(db, row.id, Became::Ran, note, "reef", now)?
                                .map_err(|not| anyhow::anyhow!(not.0))?;
                        }
                    }
                    Ok(())
                })
            })
            .await?;
        self.clean_up().await
    }

    pub(crate) async fn drill_progress(&self) -> Result<DrillView, Refusal> {
        match self.drill.lock().await.as_ref() {
            Some(drill) => Ok(drill.view.clone()),
            None => refuse("there was no drill yet; `reef drill` begins one"),
        }
    }

    async fn say(&self, word: &str, words: impl AsRef<str>) {
        if let Some(drill) = self.drill.lock().await.as_mut() {
            drill.say(word, words.as_ref());
        }
    }

    async fn go_the_way(self: &Arc<Self>) -> anyhow::Result<DrillTimes> {
        let before = self.store().call(|db| db.head()).await?.map_or(0, |head| head.seq);
        let (scratch, now) = (self.scratch.clone(), self.now());
        let (ground, planted) = {
            let scratch = scratch.clone();
            blocking(move || Ok((plant::plant(&scratch, now)?, plant::digests(&scratch)?))).await?
        };
        let ground = match ground {
            plant::Ground::Volume => "on a volume of 11 MiB".to_owned(),
            plant::Ground::Folder(why) => format!("in a folder ({why})"),
        };
        self.say(
            "planted",
            format!(
                "{} old logs in {scratch}, over their budget of {}, {ground}",
                plant::FILES,
                human(plant::BUDGET)
            ),
        )
        .await;
        let planted_at = Instant::now();
        self.watch.send(Command::Add { probe: Box::new(self.drill_probe()) }).await;

        let incident = self.drill_incident(now).await?;
        let red_at = Instant::now();
        self.say("red", format!("{}: {}", incident.signal, incident.reading.words.first_line()))
            .await;
        let action = self.drill_action(&incident).await?;
        let acted_at = Instant::now();
        self.proven(&incident).await?;
        let verified_at = Instant::now();
        self.say("verified", "the probe that fired is green").await;

        self.undone(&incident.signal, &action, &planted).await?;
        let undone_at = Instant::now();
        let (first, last) = self.drill_records(before).await?;
        Ok(DrillTimes {
            detect: Span::from(red_at - planted_at),
            act: Span::from(acted_at - red_at),
            verify: Span::from(verified_at - acted_at),
            undo: Span::from(undone_at - verified_at),
            audit: (first, last),
        })
    }

    /// A folder against its budget, looked at every second: two looks in a row count.
    fn drill_probe(&self) -> Probe {
        let every = Span::secs(1);
        let settings = folder::Settings::new(self.scratch.clone(), plant::BUDGET);
        Probe {
            kind: Word::of("disk"),
            name: format!("{DRILL}{PROBE}"),
            host: self.here.clone(),
            every,
            timeout: Span::secs(10),
            fire_after: 2,
            clear_after: 1,
            wakes: false,
            parent: None,
            care: crate::probe::care::Care::default(),
            served_by: None,
            how: How::Host(Box::new(folder::Folder::new(settings, self.here.clone()))),
        }
    }

    async fn drill_incident(&self, since: Millis) -> anyhow::Result<Incident> {
        let target = Target::path(self.here.clone(), &self.scratch);
        self.until("no incident was opened: the probe or triage failed", || {
            let target = target.clone();
            async move {
                // A fast machine has it fixed and resolved before anybody looks.
                let seen = self.store().call(move |db| db.incidents(since, 100)).await?;
                Ok(seen.into_iter().find(|i| {
                    i.signal.target == target && since <= i.opened_at && i.severity == Severity::Red
                }))
            }
        })
        .await
    }

    async fn drill_action(&self, incident: &Incident) -> anyhow::Result<ActionRow> {
        let id = incident.id;
        let run = self
            .until("no run was begun for the incident", || async move {
                Ok(self.store().call(move |db| db.runs_of(id)).await?.into_iter().next())
            })
            .await?
            .id;
        let action = self
            .until("the gate let nothing through", || async move { self.dispatched(run).await })
            .await?;
        self.say("plan", format!("runbook drill: {}", crate::gate::words::step(&action.step)))
            .await;
        self.say("gate", format!("allow · record {} on disk before the effect", action.id)).await;
        let action = self
            .until("the action did not end", || async move {
                let rows = self.store().call(move |db| db.actions_of(run)).await?;
                Ok(rows.into_iter().find(|row| row.closed.is_some()))
            })
            .await?;
        let filter = AuditFilter {
            action: Some(action.id),
            kind: Some(AuditKind::Closed),
            limit: 1,
            ..AuditFilter::default()
        };
        let closed = self.store().call(move |db| db.audit_list(&filter)).await?;
        let payload = closed.first().and_then(|record| record.payload.as_ref());
        let outcome = action.closed.as_ref().map_or("", |(_, word)| word.as_str());
        if outcome != "done" {
            let why = payload.and_then(|p| p.errors.clone()).unwrap_or_else(|| outcome.to_owned());
            bail!("the action {} ended: {outcome}: {why}", action.id);
        }
        let words = payload.and_then(|p| p.output_excerpt.clone());
        self.say("ran", words.unwrap_or_else(|| "done".into())).await;
        Ok(action)
    }

    async fn dispatched(&self, run: RunId) -> anyhow::Result<Option<ActionRow>> {
        let (rows, row) =
            self.store().call(move |db| Ok((db.actions_of(run)?, db.run(run)?))).await?;
        if let (true, Some(RunState::Ended(ending))) = (rows.is_empty(), row.map(|r| r.state)) {
            bail!("the run ended without acting: {}: {}", ending.word(), ending.words());
        }
        Ok(rows.into_iter().next())
    }

    async fn proven(&self, incident: &Incident) -> anyhow::Result<()> {
        let id = incident.id;
        let ending = self
            .until("the proof did not end", || async move {
                let runs = self.store().call(move |db| db.runs_of(id)).await?;
                Ok(runs.into_iter().find_map(|run| match run.state {
                    RunState::Ended(ending) => Some(ending),
                    RunState::Inquiring { .. }
                    | RunState::Waiting { .. }
                    | RunState::Acting { .. }
                    | RunState::Verifying { .. } => None,
                }))
            })
            .await?;
        match ending {
            Ending::Fixed(_) => Ok(()),
            Ending::NotFixed(_)
            | Ending::NotVerified(_)
            | Ending::NothingToDo(_)
            | Ending::Observed(_)
            | Ending::Escalated(_) => bail!("the run ended: {}: {}", ending.word(), ending.words()),
        }
    }

    /// Undoes the action through the gate, and holds every byte against what was planted.
    async fn undone(
        self: &Arc<Self>,
        signal: &Signal,
        action: &ActionRow,
        planted: &std::collections::BTreeMap<String, crate::model::digest::Digest>,
    ) -> anyhow::Result<()> {
        let run =
            self.runner.undo(action.id, Origin::Drill).await.context("the undo could not begin")?;
        self.until("the undo did not end", || async move {
            let row = self.store().call(move |db| db.run(run)).await?;
            Ok(row.filter(|row| matches!(row.state, RunState::Ended(_))))
        })
        .await?;
        let red = self.watch.look(signal).await.map_err(|why| anyhow::anyhow!(why))?;
        self.watch.send(Command::Remove { name: format!("{DRILL}{PROBE}") }).await;
        let scratch = self.scratch.clone();
        let after = blocking(move || plant::digests(&scratch)).await?;
        if after != *planted {
            bail!("after the undo the files are not what they were");
        }
        if red.severity != Severity::Red {
            bail!("after the undo the probe should be red again, but it is {}", red.severity);
        }
        self.say(
            "undone",
            format!("{} files byte-identical, the probe is red again", after.len() - 1),
        )
        .await;
        Ok(())
    }

    /// The records that the drill left, and that the chain holds with them.
    async fn drill_records(&self, before: i64) -> anyhow::Result<(i64, i64)> {
        let (head, report) =
            self.store().call(|db| Ok((db.head()?, db.verify_chain(&[])?))).await?;
        if let Some(broken) = report.broken {
            bail!("the audit chain is broken at record {}: {}", broken.seq, broken.why);
        }
        Ok((before + 1, head.map_or(0, |h| h.seq)))
    }

    async fn clean_up(&self) -> anyhow::Result<()> {
        let target = Target::path(self.here.clone(), &self.scratch);
        let (now, rules) = (self.now(), self.gate().rules());
        self.store()
            .call(move |db| {
                db.atomically(|db| {
                    for incident in db
                        .unresolved()?
                        .into_iter()
                        .filter(|i| i.drill && i.signal.target == target)
                    {
                        crate::watch::responder::picture::resolve(db, &rules, incident, now)?;
                    }
                    Ok(())
                })
            })
            .await?;
        let scratch = self.scratch.clone();
        blocking(move || remove(scratch.as_path())).await
    }

    /// Polls until there is something, or says which link failed.
    async fn until<T, F>(&self, failed: &str, mut poll: impl FnMut() -> F) -> anyhow::Result<T>
    where
        F: Future<Output = anyhow::Result<Option<T>>>,
    {
        let deadline = Instant::now() + LINK;
        loop {
            if let Some(found) = poll().await? {
                return Ok(found);
            }
            if deadline < Instant::now() {
                let paused = self.store().call(|db| db.flag(PAUSED)).await?;
                let hint = if paused.is_some() { " (reef is paused: `reef resume`)" } else { "" };
                bail!("{failed}{hint}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl DrillState {
    fn say(&mut self, word: &str, words: &str) {
        let after = Span::from(self.began.elapsed());
        self.view.steps.push(DrillStep { after, word: word.to_owned(), words: words.to_owned() });
    }
}

fn human(bytes: u64) -> String {
    crate::model::value::human_bytes(bytes)
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(f).await.context("the drill's file work broke")?
}
