//! Where judgement is needed: the agent investigates, and code makes of its conclusion what the
//! bounds allow.

use std::sync::Arc;

use crate::agent::{Investigation, NoConclusion};
use crate::gate::record;
use crate::gate::settle;
use crate::model::approval::Choice;
use crate::model::audit::AuditKind;
use crate::model::conclusion::Conclusion;
use crate::model::ids::{RunId, StepName};
use crate::model::message::{Message, Urgency};
use crate::model::plan::{Ending, Origin, Step};
use crate::model::severity::Severity;
use crate::run::bench::{GateBench, StorePurse};
use crate::run::inquire::{Case, Gathered, Inquired};
use crate::run::runner::{Runner, Start};

/// How often one run may go back to the agent after a human answered its question.
const ROUNDS: u32 = 2;

impl Runner {
    /// Asks the agent, if there is one and this is an incident. `None`: the runbook goes on without it.
    pub(crate) async fn judge_by_agent(
        self: &Arc<Self>,
        case: Case<'_>,
        gathered: &Gathered,
    ) -> anyhow::Result<Option<Inquired>> {
        let Case { run, round, start, subject } = case;
        let agent = self.agent.borrow().clone();
        let (Some(agent), Some(incident), true) = (agent, start.incident, round < ROUNDS) else {
            return Ok(None);
        };
        let Some(brief) = self.brief(subject, gathered).await? else { return Ok(None) };
        let bench = GateBench { gate: &self.gate, run, incident };
        let purse = StorePurse {
            store: &self.store,
            clock: &self.clock,
            incident,
            caps: (self.caps)(),
            periods: (self.periods)(self.clock.now()),
        };
        let investigation = agent.investigate(&brief, &bench, &purse, (self.nonce)()).await;
        self.record_conclusion(run, start, gathered, &investigation).await?;
        match investigation.end {
            Ok(conclusion) => Ok(Some(self.conclude(case, gathered, conclusion).await?)),
            Err(none) => {
                tracing::warn!(%run, "the agent came to no conclusion, the runbook goes on without it: {none}");
                self.tell_lasting(&none).await?;
                Ok(None)
            }
        }
    }

    /// What keeps the model away from one incident after another is told once a day: runbooks go on without it, and
    /// nobody would notice.
    async fn tell_lasting(&self, none: &NoConclusion) -> anyhow::Result<()> {
        let (key, title, body) = match none {
            NoConclusion::OverBudget(why) => (
                "budget",
                "the model's budget is spent",
                format!("{why}.\nThe model is not asked until then; runbooks go on without it."),
            ),
            NoConclusion::Refused(why) => (
                "model",
                "the model's service refuses reef",
                format!(
                    "{why}.\nSee to its url, name and key below [model]; runbooks go on without it."
                ),
            ),
            NoConclusion::ModelDown(_)
            | NoConclusion::Slow
            | NoConclusion::Malformed(_)
            | NoConclusion::TooManyTurns
            | NoConclusion::Repeated => return Ok(()),
        };
        let (now, rules, why) = (self.clock.now(), self.gate.rules(), none.to_string());
        let key = format!("{key} {}", (self.periods)(now).day.0);
        self.store
            .call(move |db| {
                db.atomically(|db| {
                    if db.has_message(&key)? {
                        return Ok(());
                    }
                    settle::note(db, "reef", title, &why, now)?;
                    let message = Message {
                        urgency: Urgency::Message,
                        title: title.into(),
                        body,
                        severity: Severity::Yellow,
                        incident: None,
                        approval: None,
                        key,
                    };
                    db.enqueue(&message, &rules.notify, now).map(drop)
                })
            })
            .await
    }

    async fn conclude(
        &self,
        case: Case<'_>,
        gathered: &Gathered,
        conclusion: Conclusion,
    ) -> anyhow::Result<Inquired> {
        Ok(match conclusion {
            Conclusion::Steps { steps, why } => {
                let by_themselves =
                    |name: &StepName| gathered.steps.iter().find(|s| s.name == *name).cloned();
                let asked = |name: &StepName| gathered.asked.get(name).cloned();
                let needs_a_pick = steps.iter().any(|name| gathered.asked.contains_key(name));
                let picked: Vec<Step> = steps
                    .iter()
                    .filter_map(|name| by_themselves(name).or_else(|| asked(name)))
                    .collect();
                if picked.is_empty() {
                    return Ok(Inquired::Ended(Ending::Escalated(format!(
                        "model, unproven: {why}"
                    ))));
                }
                let plan = self.plan(case, gathered, picked)?;
                if needs_a_pick {
                    let say = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                    let choice = Choice { say, digest: Some(plan.digest()), plan: Some(plan) };
                    Inquired::Question {
                        question: format!("model, unproven: {why}"),
                        choices: vec![choice],
                    }
                } else {
                    Inquired::Plan(Box::new(plan))
                }
            }
            Conclusion::Propose { calls, why } => {
                let mut steps = Vec::new();
                for (n, call) in calls.iter().enumerate() {
                    let name = StepName::new(format!("proposed-{}", n + 1))
                        .map_err(|e| anyhow::anyhow!("{e}"))?;
                    match self.gate.preview(&name, call).await {
                        Ok(step) => steps.push(step),
                        Err(error) => {
                            let words = format!(
                                "model, unproven: {why}. It proposed {call}, which cannot be done: {error}"
                            );
                            return Ok(Inquired::Ended(Ending::Escalated(words)));
                        }
                    }
                }
                let mut plan = self.plan(case, gathered, steps)?;
                // Beyond the runbook: judged as a proposal, which always at least asks.
                plan.runbook = None;
                if let Some(incident) = case.start.incident {
                    plan.origin = Origin::Proposal(incident);
                }
                let question =
                    format!("model, unproven: {why}\n{}", crate::gate::words::plan(&plan));
                let choice =
                    Choice { say: "yes".into(), digest: Some(plan.digest()), plan: Some(plan) };
                Inquired::Question { question, choices: vec![choice] }
            }
            Conclusion::Ask { question, options } => {
                let choice = |say: &crate::model::taint::Tainted| Choice {
                    say: say.to_string(),
                    plan: None,
                    digest: None,
                };
                Inquired::Question {
                    question: format!("model, unproven: {question}"),
                    choices: options.iter().map(choice).collect(),
                }
            }
            Conclusion::Escalate { why } => {
                Inquired::Ended(Ending::Escalated(format!("model, unproven: {why}")))
            }
        })
    }

    /// What the agent concluded, or that it did not, is a record of its own, with its cost.
    async fn record_conclusion(
        &self,
        run: RunId,
        start: &Start,
        gathered: &Gathered,
        investigation: &Investigation,
    ) -> anyhow::Result<()> {
        let what = match &investigation.end {
            Ok(conclusion) => format!("concluded: {}", conclusion.word()),
            Err(none) => format!("no conclusion: {}", none.word()),
        };
        let mut plan = self.empty_plan(run, 0, start);
        plan.runbook = gathered
            .book
            .as_ref()
            .map(|b| crate::model::plan::RunbookRef { name: b.name.clone(), digest: b.digest });
        let told = self.gate.told(run).await?;
        let mut entry = record::of_plan(&plan, AuditKind::Decided, &told, &what, self.clock.now());
        entry.actor = "agent".into();
        entry.payload.tools_called.clone_from(&investigation.tools_called);
        entry.payload.cost_micros = Some(investigation.micros);
        entry.payload.took = Some(investigation.took);
        entry.payload.digest = None;
        self.gate.commit(run, move |db| db.append(&entry)).await?;
        Ok(())
    }
}
