//! Undo: the call that the preview computed, run as a plan of its own through the same gate.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::gate::undoing;
use crate::model::ids::{ActionId, RunId, StepName};
use crate::model::plan::{OnFailure, Origin, Plan, Step, Verify};
use crate::model::run::{RunEvent, RunState};
use crate::model::told::Told;
use crate::model::tool::Undo;
use crate::run::runner::{Awake, Runner, Start};
use crate::store::db::Db;

impl Runner {
    /// Begins the undo of an action. `origin` says whose: a human's command still asks, a plan whose
    /// digest had the undo in it does not.
    pub async fn undo(self: &Arc<Self>, action: ActionId, origin: Origin) -> anyhow::Result<RunId> {
        let now = self.clock.now();
        let looking = move |db: &mut Db| {
            let Some(row) = db.action(action)? else { return Ok(None) };
            let not = undoing::no_more(db, &row, now)?;
            Ok(Some((row, not)))
        };
        let (row, not) = self.store.call(looking).await?.ok_or_else(|| {
            anyhow::anyhow!("there is no action {action}; `reef audit list` shows them")
        })?;
        if let Some(why) = not {
            anyhow::bail!("{why}");
        }
        let call = match row.step.undo {
            Undo::By(call) => call,
            Undo::Impossible(why) => anyhow::bail!("{action} cannot be undone: {why}"),
        };
        let name = StepName::new("undo").map_err(|e| anyhow::anyhow!("{e}"))?;
        let step = self
            .gate
            .preview(&name, &call)
            .await
            .map_err(|e| anyhow::anyhow!("the undo cannot be done: {e}"))?;
        let start = Start {
            origin,
            incident: None,
            runbook: None,
            on: Some(call.target),
            params: BTreeMap::new(),
            awake: Awake::Unknown,
        };
        let run = self.create(&start).await?;
        let plan = Plan {
            run,
            round: 0,
            origin: start.origin.clone(),
            runbook: None,
            steps: vec![step],
            verify: Verify::Not(format!("{action} was undone; no probe speaks of that")),
            on_failure: OnFailure::Stop,
        };
        let told = Told {
            incident: row.incident,
            reason: format!("undo of {action}"),
            undoes: Some(action),
            ..Told::default()
        };
        self.gate.tell(run, told);
        let event = self.submit(plan).await?;
        self.enter(run, event).await?;
        self.go_on(run, start);
        Ok(run)
    }

    /// Carries out what an earlier plan promised for later; `undoes` is the action that is taken back by it, if one is.
    pub async fn promised(
        self: &Arc<Self>,
        step: Step,
        why: &str,
        undoes: Option<ActionId>,
    ) -> anyhow::Result<RunId> {
        let on = Some(step.call.target.clone());
        let start = Start {
            origin: Origin::Timer,
            incident: None,
            runbook: None,
            on,
            params: BTreeMap::new(),
            awake: Awake::Unknown,
        };
        let run = self.create(&start).await?;
        let plan = Plan {
            run,
            round: 0,
            origin: Origin::Timer,
            runbook: None,
            steps: vec![step],
            verify: Verify::Not("a promise was kept; no probe speaks of that".into()),
            on_failure: OnFailure::Stop,
        };
        self.gate.tell(run, Told { reason: why.to_owned(), undoes, ..Told::default() });
        let event = self.submit(plan).await?;
        self.enter(run, event).await?;
        self.go_on(run, start);
        Ok(run)
    }

    /// Moves a run that was just created out of its inquiry.
    pub(crate) async fn enter(self: &Arc<Self>, run: RunId, event: RunEvent) -> anyhow::Result<()> {
        self.step(run, RunState::Inquiring { round: 0 }, event).await
    }
}
