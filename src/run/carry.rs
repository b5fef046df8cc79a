//! One run from where it stands to its ending.

use std::sync::Arc;

use crate::gate::crash::Point;
use crate::model::approval::{Approval, ApprovalState};
use crate::model::ids::RunId;
use crate::model::plan::{Ending, Origin, Plan, Verdict};
use crate::model::run::{Green, RunEvent, RunState};
use crate::model::time::Millis;
use crate::model::tool::Replicas;
use crate::run::announce::ask_later;
use crate::run::inquire::Inquired;
use crate::run::runner::{Awake, Runner, Start};
use crate::store::db::Db;

impl Runner {
    /// Carries a run until it ends or reef stops; what it reached is stored either way.
    pub(crate) async fn carry(self: &Arc<Self>, run: RunId, start: &Start) -> anyhow::Result<()> {
        loop {
            let Some(row) = self.store.call(move |db| db.run(run)).await? else {
                anyhow::bail!("the store has no run {run}");
            };
            // In memory from here on, whichever life told it.
            self.gate.told(run).await?;
            let event = match &row.state {
                RunState::Ended(_) => return Ok(()),
                RunState::Inquiring { round } => match start.origin {
                    Origin::Undo(action) => self.undoing(run, action).await?,
                    Origin::Incident(_)
                    | Origin::Proposal(_)
                    | Origin::Operator { .. }
                    | Origin::Drill
                    | Origin::Timer => self.inquiring(run, *round, start).await?,
                },
                RunState::Waiting { plan, until } => {
                    match self.waiting(plan, *until, start).await? {
                        Some(event) => event,
                        None => return Ok(()),
                    }
                }
                RunState::Acting { plan, step } => match self.acting(plan, *step, start).await? {
                    Some(event) => event,
                    None => return Ok(()),
                },
                RunState::Verifying { plan, .. } => match self.verify(plan, &row.state).await {
                    Some(green) => RunEvent::Looked { green },
                    None => return Ok(()),
                },
            };
            self.step(run, row.state, event).await?;
        }
    }

    /// Takes one step of the state machine and stores it, with what an ending brings along.
    pub(crate) async fn step(
        self: &Arc<Self>,
        run: RunId,
        state: RunState,
        event: RunEvent,
    ) -> anyhow::Result<()> {
        let now = self.clock.now();
        let plan = state.plan().cloned();
        let plan_was_stored = plan.is_some();
        let failed_look = matches!(event, RunEvent::Looked { green: Green::No });
        let next = state.next(event, now)?;
        match next {
            RunState::Ended(ending) => {
                let proof = if failed_look {
                    crate::run::ending::Proof::Failed
                } else {
                    crate::run::ending::Proof::AsSaid
                };
                let undos = self.end(run, plan, ending, proof).await?;
                // Who waits for what this run held comes after its undo, whose own end tells them.
                match undos.is_empty() {
                    true => self.endings.send_modify(|n| *n += 1),
                    false => self.carry_undos(undos),
                }
                Ok(())
            }
            next @ (RunState::Inquiring { .. }
            | RunState::Waiting { .. }
            | RunState::Acting { .. }
            | RunState::Verifying { .. }) => {
                let intent = !plan_was_stored && next.plan().is_some();
                if intent {
                    self.gate.reached(Point::BeforeIntent);
                }
                let points = self.gate.points();
                // What the plan's records will say is stored with it: a later life acts on both.
                let told = if intent { Some(self.gate.told(run).await?) } else { None };
                let saving = move |db: &mut Db| {
                    db.atomically(|db| {
                        db.save_run(run, &next, now)?;
                        if let Some(told) = &told {
                            db.keep_told(run, told)?;
                            points.reached(Point::IntentInserted);
                        }
                        Ok(())
                    })
                };
                self.gate.commit(run, saving).await?;
                if intent {
                    self.gate.reached(Point::IntentCommitted);
                }
                Ok(())
            }
        }
    }

    async fn inquiring(
        self: &Arc<Self>,
        run: RunId,
        round: u32,
        start: &Start,
    ) -> anyhow::Result<RunEvent> {
        let inquired = self.inquire(run, round, start).await?;
        Ok(match inquired {
            Inquired::Plan(plan) => {
                if let Some(ending) = self.not_now(&plan).await? {
                    return Ok(RunEvent::End(ending));
                }
                let quiet = self.gate.rules().telling.quiet(self.clock.now()).is_some();
                if quiet
                    && let Verdict::Ask { .. } = self.gate.verdict(&plan).await?
                    && let Some(ending) = self.for_the_morning(start).await?
                {
                    return Ok(RunEvent::End(ending));
                }
                let would = plan.as_ref().clone();
                let event = self.submit(*plan).await?;
                if let RunEvent::Asked { .. } | RunEvent::End(Ending::Observed(_)) = &event
                    && let Err(error) = self.keep_shadow(&would).await
                {
                    // What would have been done is only for comparing: the run goes on without.
                    tracing::warn!(%run, "{error:#}");
                }
                event
            }
            Inquired::Question { question, choices } => {
                if let Some(ending) = self.for_the_morning(start).await? {
                    return Ok(RunEvent::End(ending));
                }
                let plan = choices.iter().find_map(|c| c.plan.clone());
                let standing = plan.unwrap_or_else(|| self.empty_plan(run, round, start));
                let asked = self.gate.ask(&standing, question, choices).await?;
                match asked {
                    Ok(approval) => RunEvent::Asked { plan: standing, until: approval.expires_at },
                    Err(why) => RunEvent::End(Ending::Observed(why)),
                }
            }
            Inquired::Ended(ending) => RunEvent::End(ending),
        })
    }

    /// In quiet hours a question is held, not its plan: the run ends, and a new one plans and asks in the morning.
    pub(crate) async fn for_the_morning(&self, start: &Start) -> anyhow::Result<Option<Ending>> {
        let Origin::Incident(id) = start.origin else { return Ok(None) };
        if start.awake == Awake::Yes {
            return Ok(None);
        }
        let (now, rules) = (self.clock.now(), self.gate.rules());
        let zone = rules.telling.zone;
        let until =
            self.store.call(move |db| db.atomically(|db| ask_later(db, &rules, id, now))).await?;
        Ok(until.map(|until| {
            let when = zone.hm(until);
            Ending::Escalated(format!(
                "a question for the morning: planned and asked anew at {when}"
            ))
        }))
    }

    pub(crate) async fn submit(&self, plan: Plan) -> anyhow::Result<RunEvent> {
        use crate::gate::Submitted;
        Ok(match self.gate.submit(&plan).await? {
            Submitted::Allowed => RunEvent::Allowed { plan },
            Submitted::Asked(approval) => RunEvent::Asked { plan, until: approval.expires_at },
            Submitted::Observed(words) => RunEvent::End(Ending::Observed(words)),
            Submitted::Forbidden(why) => {
                RunEvent::End(Ending::Escalated(format!("not allowed: {why}")))
            }
        })
    }

    /// Waits for the human; `None` when reef stops meanwhile.
    async fn waiting(
        &self,
        plan: &Plan,
        until: Millis,
        start: &Start,
    ) -> anyhow::Result<Option<RunEvent>> {
        let run = plan.run;
        let mut answers = self.answers.subscribe();
        loop {
            let now = self.clock.now();
            self.gate.expire().await?;
            let Some(approval) = self
                .store
                .call(move |db| Ok(db.approvals_of(run)?.into_iter().max_by_key(|a| a.id)))
                .await?
            else {
                return Ok(Some(RunEvent::End(Ending::Escalated(
                    "its question is gone from the store".into(),
                ))));
            };
            if let Some(event) = self.answered(&approval, plan, start).await? {
                return Ok(Some(event));
            }
            let over = match self.moot(plan).await? {
                Some(over) => Some(over),
                None => self.another_book(plan).map(Ending::Escalated),
            };
            if let Some(over) = over {
                self.gate.void(approval.id, over.words()).await?;
                return Ok(Some(RunEvent::End(over)));
            }
            let left = until.since(now).duration();
            tokio::select! {
                _ = answers.changed() => {}
                _ = tokio::time::sleep(left.min(std::time::Duration::from_secs(60))) => {}
                () = self.stop.cancelled() => return Ok(None),
            }
        }
    }

    async fn answered(
        &self,
        approval: &Approval,
        waiting: &Plan,
        start: &Start,
    ) -> anyhow::Result<Option<RunEvent>> {
        Ok(Some(match &approval.state {
            ApprovalState::Pending => return Ok(None),
            ApprovalState::Approved { choice, by, .. } => {
                let picked = approval.choices.get(*choice);
                match picked.and_then(|c| c.plan.clone()) {
                    Some(plan) => self.judged_again(approval, plan, start).await?,
                    None => {
                        let said = picked.map_or("", |c| c.say.as_str());
                        RunEvent::End(Ending::Escalated(format!("{by} answered: {said}")))
                    }
                }
            }
            ApprovalState::Denied { by, .. } => {
                // Whoever said no knows it already: no message.
                let no = Ending::NothingToDo(format!("denied by {by}"));
                self.given_up(waiting, no).await?
            }
            ApprovalState::Expired { .. } => {
                let no = Ending::Escalated(format!(
                    "{} expired unanswered, which means no; `reef approvals renew {0}` plans afresh and asks again",
                    approval.id
                ));
                self.given_up(waiting, no).await?
            }
            ApprovalState::Void { why, .. } => {
                let no = Ending::Escalated(format!("the question became void: {why}"));
                self.given_up(waiting, no).await?
            }
            // A life before this one used it: what it dispatched is in the audit log.
            ApprovalState::Used { .. } => RunEvent::Allowed { plan: waiting.clone() },
        }))
    }

    /// On a yes the world is looked at again: the plan must still fit within what was approved.
    async fn judged_again(
        &self,
        approval: &Approval,
        plan: Plan,
        start: &Start,
    ) -> anyhow::Result<RunEvent> {
        if let Some(over) = self.moot(&plan).await? {
            self.gate.void(approval.id, over.words()).await?;
            return Ok(RunEvent::End(over));
        }
        let stale = match self.stale(&plan).await? {
            Some(why) => Some(why),
            // What its own first steps changed would be planned otherwise by now.
            None if self.has_begun(&plan).await? => None,
            None => self.no_longer_planned(&plan, start).await?,
        };
        if let Some(why) = stale {
            self.gate.void(approval.id, &why).await?;
            let void = Ending::Escalated(format!(
                "approved, but void by now: {why}; `reef approvals renew {}` plans afresh and asks again",
                approval.id
            ));
            return self.given_up(&plan, void).await;
        }
        Ok(RunEvent::Allowed { plan })
    }

    async fn has_begun(&self, plan: &Plan) -> anyhow::Result<bool> {
        let run = plan.run;
        Ok(!self.store.call(move |db| db.actions_of(run)).await?.is_empty())
    }

    /// The plan got no yes. Where a part of it was done before it was asked about, it is half done: that is no ending
    /// of which nothing more is to be said.
    async fn given_up(&self, plan: &Plan, ending: Ending) -> anyhow::Result<RunEvent> {
        Ok(RunEvent::End(match self.has_begun(plan).await? {
            true => Ending::NotFixed(format!("stopped in its middle: {}", ending.words())),
            false => ending,
        }))
    }

    /// Why a plan that was approved may no longer run: another runbook, a larger effect.
    async fn stale(&self, plan: &Plan) -> anyhow::Result<Option<String>> {
        if let Some(why) = self.another_book(plan) {
            return Ok(Some(why));
        }
        for step in &plan.steps {
            match self.gate.preview(&step.name, &step.call).await {
                Ok(now)
                    if step.effect.max_items < now.effect.max_items
                        || step.effect.max_bytes < now.effect.max_bytes =>
                {
                    return Ok(Some(format!(
                        "{} would now {}, which is more than was approved",
                        step.name, now.effect.words
                    )));
                }
                Ok(now) if now.replicas.is_some_and(Replicas::takes_the_last) => {
                    return Ok(Some(format!(
                        "{} would take the last healthy replica by now",
                        step.name
                    )));
                }
                Ok(now) if now.tier != step.tier => {
                    return Ok(Some(format!("{} has another tier now", step.name)));
                }
                Ok(_) => {}
                Err(error) => {
                    return Ok(Some(format!(
                        "{} cannot be previewed any more: {error}",
                        step.name
                    )));
                }
            }
        }
        Ok(None)
    }

    /// A plan waits for an answer to what its runbook said then: with another runbook it is void.
    fn another_book(&self, plan: &Plan) -> Option<String> {
        let reference = plan.runbook.as_ref()?;
        match self.book(&reference.name) {
            Ok(book) if book.digest == reference.digest => None,
            Ok(_) => Some(format!("the runbook {} was changed meanwhile", reference.name)),
            Err(_) => Some(format!("the runbook {} was removed meanwhile", reference.name)),
        }
    }

    /// Whether there is still something to do: the incident is open and its probe not green.
    async fn moot(&self, plan: &Plan) -> anyhow::Result<Option<Ending>> {
        let Origin::Incident(id) = plan.origin else { return Ok(None) };
        let incident = self.store.call(move |db| db.incident(id)).await?;
        let over = incident.is_none_or(|i| {
            matches!(i.state, crate::model::incident::IncidentState::Resolved { .. })
        });
        if !over {
            return Ok(None);
        }
        let words = "the incident resolved meanwhile".to_owned();
        Ok(Some(match self.has_begun(plan).await? {
            true => Ending::NotVerified(format!("{words}, and the rest was left")),
            false => Ending::NothingToDo(words),
        }))
    }
}
