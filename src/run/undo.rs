//! Undo: the call that the preview computed, run as a plan of its own through the same gate.

use std::sync::Arc;

use crate::gate::rules::Rules;
use crate::gate::{settle, undoing};
use crate::model::approval::ApprovalState;
use crate::model::ids::{ActionId, RunId, StepName};
use crate::model::message::{Message, Urgency};
use crate::model::plan::{Ending, OnFailure, Origin, Plan, Step, Verify};
use crate::model::run::{RunEvent, RunState};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::model::told::Told;
use crate::model::tool::Undo;
use crate::run::runner::{Runner, Start};
use crate::store::actions::ActionRow;
use crate::store::db::Db;

impl Runner {
    /// Begins the undo of an action for whoever asked for it, and answers its run.
    pub async fn undo(self: &Arc<Self>, action: ActionId, origin: Origin) -> anyhow::Result<RunId> {
        let (row, step) = self.taking_back(action).await?.map_err(|why| anyhow::anyhow!(why))?;
        let told = Told {
            incident: row.incident,
            reason: format!("undo of {action}"),
            undoes: Some(action),
            ..Told::default()
        };
        let why = format!("{action} was undone; no probe speaks of that");
        self.alone(origin, step, why, told).await
    }

    /// Carries out what an earlier plan promised for later; `undoes` is the action that is taken back by it, if one is.
    pub async fn promised(
        self: &Arc<Self>,
        step: Step,
        why: &str,
        undoes: Option<ActionId>,
    ) -> anyhow::Result<RunId> {
        let told = Told { reason: why.to_owned(), undoes, ..Told::default() };
        let unverified = "a promise was kept; no probe speaks of that".to_owned();
        self.alone(Origin::Timer, step, unverified, told).await
    }

    /// Begins a run of one step that no probe speaks of.
    async fn alone(
        self: &Arc<Self>,
        origin: Origin,
        step: Step,
        unverified: String,
        told: Told,
    ) -> anyhow::Result<RunId> {
        let start = Start::by(origin, Some(step.call.target.clone()));
        let run = self.create(&start).await?;
        self.gate.tell(run, told);
        let event = self.submit(of_one(run, start.origin.clone(), step, unverified)).await?;
        self.step(run, RunState::Inquiring { round: 0 }, event).await?;
        self.go_on(run, start);
        Ok(run)
    }

    /// The inquiry of an undo that a plan asked for.
    pub(crate) async fn undoing(&self, run: RunId, action: ActionId) -> anyhow::Result<RunEvent> {
        match self.taking_back(action).await? {
            Ok((_, step)) => {
                let why = format!("{action} was undone; no probe speaks of that");
                self.submit(of_one(run, Origin::Undo(action), step, why)).await
            }
            Err(why) => Ok(RunEvent::End(Ending::Escalated(why))),
        }
    }

    /// Carries undos that began with an ending, one after the other.
    pub(crate) fn carry_undos(self: &Arc<Self>, undos: Vec<(RunId, ActionId)>) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            for (run, action) in undos {
                let start = Start::by(Origin::Undo(action), None);
                if let Err(error) = Box::pin(this.carry(run, &start)).await {
                    tracing::error!(%run, "the undo of {action} could not be carried on: {error:#}");
                }
            }
        });
    }

    /// The step that undoes an action, as things are now; or why it cannot be undone.
    async fn taking_back(
        &self,
        action: ActionId,
    ) -> anyhow::Result<Result<(ActionRow, Step), String>> {
        let now = self.clock.now();
        let looking = move |db: &mut Db| {
            let Some(row) = db.action(action)? else { return Ok(None) };
            let not = undoing::no_more(db, &row, now)?;
            Ok(Some((row, not)))
        };
        let (row, call) = match self.store.call(looking).await? {
            None => {
                return Ok(Err(format!(
                    "there is no action {action}; `reef audit list` shows them"
                )));
            }
            Some((_, Some(why))) => return Ok(Err(why)),
            Some((row, None)) => match row.step.undo.clone() {
                Undo::By(call) => (row, call),
                Undo::Impossible(why) => {
                    return Ok(Err(format!("{action} cannot be undone: {why}")));
                }
            },
        };
        let name = StepName::new("undo").map_err(|e| anyhow::anyhow!("{e}"))?;
        let step = self.gate.preview(&name, &call).await;
        Ok(step.map(|step| (row, step)).map_err(|e| format!("the undo cannot be done: {e}")))
    }
}

/// A plan of one step that nothing proves but its own end.
fn of_one(run: RunId, origin: Origin, step: Step, unverified: String) -> Plan {
    Plan {
        run,
        round: 0,
        origin,
        runbook: None,
        steps: vec![step],
        verify: Verify::Not(unverified),
        on_failure: OnFailure::Stop,
    }
}

/// Begins a run for each undo of what a failed plan did, where the plan wants that: newest first, never of an unknown
/// step. Within the commit that ends the failed run, so that no crash loses an undo.
pub(crate) fn begin(
    db: &mut Db,
    run: RunId,
    plan: Option<&Plan>,
    ending: &Ending,
    now: Millis,
) -> anyhow::Result<Vec<(RunId, ActionId)>> {
    let wanted = plan.is_some_and(|plan| plan.on_failure == OnFailure::Undo);
    let (true, Ending::NotFixed(_)) = (wanted, ending) else { return Ok(Vec::new()) };
    let mut asked: Vec<Undo> = Vec::new();
    let mut begun = Vec::new();
    // What cannot be undone stays as it is: the others still are undone.
    let undone = |row: &ActionRow| !settle::is_unknown(row) && matches!(row.step.undo, Undo::By(_));
    for row in db.actions_of(run)?.into_iter().rev().filter(undone) {
        // One snapshot may be the undo of several steps.
        if asked.contains(&row.step.undo) {
            continue;
        }
        asked.push(row.step.undo.clone());
        begun.push((db.new_run(&Origin::Undo(row.id), None, None, now)?, row.id));
    }
    Ok(begun)
}

/// How an undo that a plan asked for ended.
pub(crate) struct Undone<'a> {
    pub action: ActionId,
    pub run: RunId,
    pub ending: &'a Ending,
    /// What each action that did not end well said.
    pub troubles: Vec<String>,
    pub now: Millis,
}

/// Tells the human how an undo ended that nobody sat and waited for: one calm message where it is done, a page where it is
/// not. What a human refused needs no words.
pub(crate) fn tell(db: &mut Db, rules: &Rules, undone: &Undone<'_>) -> anyhow::Result<()> {
    let Undone { action, run, ending, troubles, now } = undone;
    let Some(row) = db.action(*action)? else { return Ok(()) };
    if db.approvals_of(*run)?.iter().any(|a| matches!(a.state, ApprovalState::Denied { .. })) {
        return Ok(());
    }
    let unknown = db.actions_of(*run)?.into_iter().find(settle::is_unknown).map(|row| row.id);
    let done = matches!(ending, Ending::Fixed(_) | Ending::NotVerified(_));
    let (urgency, severity, word, mut lines) = match unknown {
        None if done => {
            let did = format!(
                "What {action} did is undone, as its runbook wants where it does not help."
            );
            (Urgency::Message, Severity::Yellow, "undone", vec![did])
        }
        None => {
            let still = format!(
                "What {action} did stands: `reef audit show {action}` says what that is, `reef undo {action}` tries again."
            );
            (Urgency::Page, Severity::Red, "not undone", vec![ending.words().to_owned(), still])
        }
        Some(id) => {
            let known = format!(
                "Nobody knows whether what {action} did still stands: look at it, then `reef settle {id} ran|did-not-run`."
            );
            (Urgency::Page, Severity::Red, "perhaps not undone", vec![known])
        }
    };
    lines.extend_from_slice(troubles);
    let message = Message {
        urgency,
        title: format!("{word}: {}", row.step.call),
        body: lines.join("\n"),
        severity,
        incident: row.incident,
        approval: None,
        key: format!("undo of {action} {run}"),
    };
    db.enqueue(&message, &rules.notify, *now).map(drop)
}
