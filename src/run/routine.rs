//! What the runbook says as written: from what the inquiry gathered to a plan or a question.

use crate::model::approval::Choice;
use crate::model::ids::RunId;
use crate::model::plan::{Ending, OnFailure, Plan, RunbookRef, Step, Verify};
use crate::model::time::Span;
use crate::run::by_hand::unwatched;
use crate::run::inquire::{Case, Gathered, Inquired, WITHIN};
use crate::run::runner::{Runner, Start};
use crate::run::snapshot::with_snapshots;
use crate::runbook::{self, VerifyRule, resolve_verify};

impl Runner {
    /// What the runbook says as written: a plan, a question, or neither.
    pub(crate) fn routine(
        &self,
        case: Case<'_>,
        gathered: &Gathered,
    ) -> anyhow::Result<Option<Inquired>> {
        let (Some(book), Some(bindings)) = (&gathered.book, &gathered.bindings) else {
            return Ok(None);
        };
        let asks = runbook::asks(book, bindings, gathered.steps.len())?;
        if let Some(ask) = asks.first() {
            let mut choices = Vec::new();
            for offer in runbook::offers(ask, bindings)? {
                let mut steps = gathered.steps.clone();
                let picked: Option<Vec<Step>> =
                    offer.steps.iter().map(|n| gathered.asked.get(n).cloned()).collect();
                // Picking nothing means that nothing is done, whatever else would apply.
                match picked {
                    Some(picked) if !picked.is_empty() => {
                        steps.extend(picked);
                        let plan = self.plan(case, gathered, steps)?;
                        choices.push(Choice {
                            say: offer.say,
                            digest: Some(plan.digest()),
                            plan: Some(plan),
                        });
                    }
                    Some(_) => choices.push(Choice { say: offer.say, plan: None, digest: None }),
                    None => {}
                }
            }
            return Ok(Some(Inquired::Question {
                question: runbook::question(ask, bindings),
                choices,
            }));
        }
        if gathered.steps.is_empty() {
            let why = runbook::escalation(book, bindings)?;
            return Ok(why.map(|why| Inquired::Ended(Ending::Escalated(why))));
        }
        let steps = gathered.steps.clone();
        Ok(Some(Inquired::Plan(Box::new(self.plan(case, gathered, steps)?))))
    }

    /// A plan of these steps, verified as the runbook says or by the probe that fired.
    pub(crate) fn plan(
        &self,
        case: Case<'_>,
        gathered: &Gathered,
        steps: Vec<Step>,
    ) -> anyhow::Result<Plan> {
        let Case { run, round, start, subject } = case;
        let steps = with_snapshots(steps, &gathered.snapshots);
        let signal = subject.reading.signal.clone();
        let (verify, on_failure, runbook) = match (&gathered.book, &gathered.bindings) {
            (Some(book), Some(bindings)) => {
                let spec = match &book.verify {
                    VerifyRule::Query { tool, .. } => self.gate.spec(tool),
                    VerifyRule::Probe { .. } => None,
                };
                let verify = match (&book.verify, unwatched(&subject.reading)) {
                    (VerifyRule::Probe { .. }, Some(why)) => Verify::Not(why),
                    (rule, _) => {
                        resolve_verify(rule, &signal, spec.as_ref(), bindings, &book.bounds())?
                    }
                };
                let reference = RunbookRef { name: book.name.clone(), digest: book.digest };
                (verify, book.on_failure, Some(reference))
            }
            (Some(_) | None, _) => {
                let verify = Verify::Probe { signal, within: WITHIN, stays: Span(0) };
                (verify, OnFailure::Stop, None)
            }
        };
        Ok(Plan { run, round, origin: start.origin.clone(), runbook, steps, verify, on_failure })
    }

    /// A plan without steps: what a question without plans waits with. It names the runbook that asks.
    pub(crate) fn empty_plan(&self, run: RunId, round: u32, start: &Start) -> Plan {
        Plan {
            run,
            round,
            origin: start.origin.clone(),
            runbook: start.runbook.as_ref().and_then(|name| self.reference(name).ok()),
            steps: Vec::new(),
            verify: Verify::Not("nothing was to be done".into()),
            on_failure: OnFailure::Stop,
        }
    }
}
