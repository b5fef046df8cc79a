//! A plan's steps, one after the other: what holds them back, what makes them wait, and what ends them.

use std::sync::Arc;
use std::time::Duration;

use crate::gate::Acted;
use crate::gate::facts::{latest, leash_of};
use crate::gate::settle;
use crate::model::approval::ApprovalState;
use crate::model::plan::{Ending, Leash, Origin, Plan, Verdict};
use crate::model::run::RunEvent;
use crate::model::time::{Millis, Span};
use crate::model::tool::{ActionResult, Tier};
use crate::run::announce::act_later;
use crate::run::inquire::{Case, left_alone};
use crate::run::runner::{Runner, Start};
use crate::store::actions::ActionRow;

/// How long a step waits for another run on the same host. Proofs take minutes; what takes longer is for a
/// human to see.
const PATIENCE: Span = Span::hours(1);
/// What is done only where the steps before it were not enough.
const LAST_RESORTS: &[&str] = &["files.empty_quarantine"];
/// How often it looks, where nobody says that the other one ended.
const LOOK: Duration = Duration::from_secs(10);

/// Since when it acts. While it waited for a yes in its middle nothing took long.
fn began(begun: &[ActionRow], yes: Option<ApprovalState>) -> Option<Millis> {
    let yes = yes.and_then(|state| match state {
        ApprovalState::Approved { at, .. } => Some(at),
        ApprovalState::Pending
        | ApprovalState::Denied { .. }
        | ApprovalState::Expired { .. }
        | ApprovalState::Void { .. }
        | ApprovalState::Used { .. } => None,
    });
    begun.first().map(|row| yes.map_or(row.at, |yes| row.at.max(yes)))
}

impl Runner {
    /// Takes one step; `None` when reef stops while it waits.
    pub(crate) async fn acting(
        self: &Arc<Self>,
        plan: &Plan,
        step: usize,
        start: &Start,
    ) -> anyhow::Result<Option<RunEvent>> {
        let run = plan.run;
        let (begun, yes) =
            self.store.call(move |db| Ok((db.actions_of(run)?, latest(db, run)?))).await?;
        let first = step == 0 && begun.is_empty();
        if let Some(event) = self.without_it(plan, step, &begun, yes.map(|yes| yes.state)).await? {
            return Ok(Some(event));
        }
        let mut endings = self.endings.subscribe();
        let since = self.clock.now();
        loop {
            // What an earlier life dispatched may be why it is green.
            if first && let Some(ending) = self.not_begun(plan).await? {
                return Ok(Some(RunEvent::End(ending)));
            }
            let why = match self.gate.act(plan, step).await? {
                Acted::Ended(result) => {
                    if let ActionResult::Unknown(why) = &result {
                        tracing::warn!(%run, "nobody knows whether step {step} happened: {why}");
                    }
                    return Ok(Some(RunEvent::StepEnded(result)));
                }
                Acted::Open => return Ok(Some(RunEvent::FoundOpenDispatch)),
                Acted::Refused(why) => why,
                Acted::Asks(_) => {
                    let event = match first {
                        true => self.asked_late(plan, start).await?,
                        false => self.asked_amid(plan, step).await?,
                    };
                    // Whoever was there may have gone again.
                    if let RunEvent::Allowed { .. } = event {
                        continue;
                    }
                    return Ok(Some(event));
                }
                Acted::Busy(_) if self.clock.now().since(since) < PATIENCE => {
                    tokio::select! {
                        _ = endings.changed() => {}
                        () = tokio::time::sleep(LOOK) => {}
                        () = self.stop.cancelled() => return Ok(None),
                    }
                    continue;
                }
                Acted::Busy(why) => format!("waited for {PATIENCE}: {why}"),
            };
            return Ok(Some(RunEvent::End(match step {
                0 => Ending::Escalated(format!("held back by the gate: {why}")),
                _ => Ending::NotFixed(format!("stopped before step {}: {why}", step + 1)),
            })));
        }
    }

    /// Why a run that did nothing yet does nothing at all, or not now.
    async fn not_begun(&self, plan: &Plan) -> anyhow::Result<Option<Ending>> {
        match self.green_already(plan).await {
            Some(ending) => Ok(Some(ending)),
            None => self.not_now(plan).await,
        }
    }

    /// What becomes of the run where the step is not tried at all.
    async fn without_it(
        &self,
        plan: &Plan,
        step: usize,
        begun: &[ActionRow],
        yes: Option<ApprovalState>,
    ) -> anyhow::Result<Option<RunEvent>> {
        if let Some(words) = self.too_long(plan, began(begun, yes)) {
            let words = format!("stopped before step {}: {words}", step + 1);
            return Ok(Some(RunEvent::End(Ending::NotFixed(words))));
        }
        let needless = self.needless(plan, step, begun).await?;
        Ok(needless.map(|words| RunEvent::StepEnded(ActionResult::Done(words))))
    }

    /// Somebody came to the host between the plan and its first action: what was allowed is asked now.
    async fn asked_late(&self, plan: &Plan, start: &Start) -> anyhow::Result<RunEvent> {
        let quiet = self.gate.rules().telling.quiet(self.clock.now()).is_some();
        if quiet
            && let Verdict::Ask { .. } = self.gate.verdict(plan).await?
            && let Some(ending) = self.for_the_morning(start).await?
        {
            return Ok(RunEvent::End(ending));
        }
        let event = self.submit(plan.clone()).await?;
        if let RunEvent::Asked { .. } = &event
            && let Err(error) = self.keep_shadow(plan).await
        {
            tracing::warn!(run = %plan.run, "{error:#}");
        }
        Ok(event)
    }

    /// Somebody came to the host while the plan was carried out: what is left of it is asked now, as a plan of its
    /// own. At night as well, for it is half done.
    async fn asked_amid(&self, plan: &Plan, step: usize) -> anyhow::Result<RunEvent> {
        let left = Plan { steps: plan.steps.iter().skip(step).cloned().collect(), ..plan.clone() };
        let event = self.submit(left).await?;
        let RunEvent::End(ending) = event else { return Ok(event) };
        let words = format!("stopped before step {}: {}", step + 1, ending.words());
        Ok(RunEvent::End(Ending::NotFixed(words)))
    }

    /// A plan that may not begin at this hour, or that would take longer than its runbook may: the run ends, and
    /// a new one plans when the hours begin.
    pub(crate) async fn not_now(&self, plan: &Plan) -> anyhow::Result<Option<Ending>> {
        let Origin::Incident(id) = plan.origin else { return Ok(None) };
        let (now, rules) = (self.clock.now(), self.gate.rules());
        let most = plan.runbook.as_ref().and_then(|book| rules.at_most.get(&book.name)).copied();
        if let Some(most) = most.filter(|most| *most < plan.takes()) {
            return Ok(Some(Ending::Escalated(format!(
                "it would take about {}, and its runbook allows {most} in all",
                plan.takes()
            ))));
        }
        let Some(closed) = rules.closed(plan, now) else { return Ok(None) };
        let words = closed.words.clone();
        let of_first = plan.steps.first().map(|step| step.call.target.on().clone());
        let book = plan.runbook.as_ref().map(|book| book.name.clone());
        let waits = self
            .store
            .call(move |db| {
                db.atomically(|db| {
                    // Under observe it is recorded what would be done: there is nothing to wait for.
                    let leash = match &of_first {
                        Some(host) => leash_of(db, &rules, book.as_ref(), host)?,
                        None => Leash::Observe,
                    };
                    if leash != Leash::Observe {
                        act_later(db, &rules, id, &closed, now)?;
                    }
                    Ok(leash != Leash::Observe)
                })
            })
            .await?;
        Ok(waits.then(|| Ending::Escalated(format!("it waits: {words}"))))
    }

    /// Why the next step may not begin: all of them together have taken as long as the runbook allows.
    fn too_long(&self, plan: &Plan, began: Option<Millis>) -> Option<String> {
        let rules = self.gate.rules();
        let most = *rules.at_most.get(&plan.runbook.as_ref()?.name)?;
        let took = self.clock.now().since(began?);
        (most <= took).then(|| format!("it has taken {took}, and its runbook allows {most} in all"))
    }

    /// Why a last resort is left out: what the steps before it did was enough. What cannot be had back is not
    /// deleted for nothing.
    async fn needless(
        &self,
        plan: &Plan,
        step: usize,
        begun: &[ActionRow],
    ) -> anyhow::Result<Option<String>> {
        use crate::model::plan::Verify;
        let (Some(last), Verify::Probe { signal, .. }) = (plan.steps.get(step), &plan.verify)
        else {
            return Ok(None);
        };
        let is_last = 0 < step && LAST_RESORTS.contains(&last.call.tool.as_str());
        if !is_last || begun.iter().any(|row| row.step == *last) {
            return Ok(None);
        }
        let Ok(reading) = self.looker.look(signal).await else { return Ok(None) };
        if reading.clears != crate::model::severity::Severity::Green {
            return Ok(None);
        }
        let what = format!("{} of {} is left out", last.name, plan.run);
        let why = format!("{signal} is green without it: {}", reading.words.first_line());
        let (words, now) = (format!("{what}: {why}"), self.clock.now());
        self.store.call(move |db| settle::note(db, "reef", &what, &why, now)).await?;
        Ok(Some(words))
    }

    /// Before the first action the probe is looked at once more: what healed itself is left alone.
    async fn green_already(&self, plan: &Plan) -> Option<Ending> {
        use crate::model::plan::Verify;
        let (Origin::Incident(_), Verify::Probe { signal, .. }) = (&plan.origin, &plan.verify)
        else {
            return None;
        };
        let reading = self.looker.look(signal).await.ok()?;
        let green = reading.clears == crate::model::severity::Severity::Green;
        (green && plan.tier() != Tier::Low)
            .then(|| Ending::NothingToDo("it was green again before anything was done".into()))
    }

    /// Why the runbook, asked anew, would not come to what was approved: a condition of a step does not hold any
    /// more, or it would be about something else.
    pub(crate) async fn no_longer_planned(
        &self,
        plan: &Plan,
        start: &Start,
    ) -> anyhow::Result<Option<String>> {
        let (Origin::Incident(_), Some(book)) = (&plan.origin, &plan.runbook) else {
            return Ok(None);
        };
        let (book, subject) = (self.book(&book.name)?, self.subject(start).await?);
        let case = Case { run: plan.run, round: plan.round, start, subject: &subject };
        let gathered = match self.gather(case, Some(book)).await {
            Ok(gathered) => gathered,
            Err(why) => return Ok(Some(format!("it cannot be looked at any more: {why:#}"))),
        };
        if let Some(leave) = left_alone(&gathered)? {
            return Ok(Some(leave.why.clone()));
        }
        for step in &plan.steps {
            let now = gathered.steps.iter().find(|now| now.name == step.name);
            let now = now.or_else(|| gathered.asked.get(&step.name));
            let mut before = gathered.snapshots.iter().map(|before| &before.step);
            let now = now.or_else(|| before.find(|before| before.name == step.name));
            let lead = format!("{}: ", step.name);
            match now {
                Some(now) if now.call == step.call => {}
                Some(now) => {
                    return Ok(Some(format!(
                        "{lead}it would be {} now, not {}",
                        now.call, step.call
                    )));
                }
                None => {
                    let skipped = gathered.skipped.iter().find(|why| why.starts_with(&lead));
                    return Ok(Some(skipped.cloned().unwrap_or_else(|| {
                        format!("{lead}the runbook would not come to it any more")
                    })));
                }
            }
        }
        Ok(None)
    }
}
