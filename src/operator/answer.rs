//! Answering questions: approve, deny, acknowledge.

use crate::gate::crash::Point;
use crate::gate::settle;
use crate::model::approval::Approval;
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::{ApprovalId, IncidentId, Word};
use crate::model::incident::IncidentState;
use crate::model::plan::Plan;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;
use crate::operator::order::{Refusal, Who};
use crate::operator::view::{Approvals, Done, Incidents};
use crate::operator::{Operator, refuse};
use crate::policy::confirm::confirm;
use crate::policy::leash::Confirmed;
use crate::store::approvals::{Answer, AnswerOutcome};
use crate::watch::responder::picture::{end_page, resolve};
use crate::watch::ticker::Command;
use crate::watch::timers::KNOWN;

/// How far back `--all` looks.
const ALL: Span = Span::days(90);

impl Operator {
    pub(crate) async fn approvals(&self, all: bool) -> Result<Approvals, Refusal> {
        let now = self.now();
        let mut approvals = self
            .store()
            .call(
                move |db| if all { db.approvals_since(now - ALL) } else { db.pending_approvals() },
            )
            .await?;
        approvals.sort_by_key(|a| std::cmp::Reverse(a.id));
        Ok(Approvals { zone: self.facts().zone.to_string(), now, approvals })
    }

    pub(crate) async fn incidents(&self, all: bool) -> Result<Incidents, Refusal> {
        let now = self.now();
        let mut incidents = self
            .store()
            .call(move |db| if all { db.incidents(now - ALL, 500) } else { db.unresolved() })
            .await?;
        incidents.sort_by_key(|i| std::cmp::Reverse(i.id));
        Ok(Incidents { zone: self.facts().zone.to_string(), now, incidents })
    }

    /// A yes to one choice. `choice` counts from 1 and may be left out where there is one only.
    pub(crate) async fn approve(
        &self,
        id: ApprovalId,
        choice: Option<usize>,
        typed: Option<&str>,
        who: Who,
    ) -> Result<Done, Refusal> {
        let Some(approval) = self.store().call(move |db| db.approval(id)).await? else {
            return refuse(format!("there is no question {id}; `reef approvals` shows what waits"));
        };
        let choice = which(&approval, choice)?;
        let plan = approval.choices.get(choice).and_then(|c| c.plan.as_ref());
        if let Some(plan) = plan {
            confirmed(plan, typed)?;
        }
        let say = approval.choices.get(choice).map(|c| c.say.clone()).unwrap_or_default();
        self.answered(id, Answer::Approve { choice }, &format!("approved: {say}"), who).await
    }

    pub(crate) async fn deny(&self, id: ApprovalId, who: Who) -> Result<Done, Refusal> {
        self.answered(id, Answer::Deny, "denied", who).await
    }

    /// The answer and its record are one commit; then the run that waits is woken.
    async fn answered(
        &self,
        id: ApprovalId,
        answer: Answer,
        said: &str,
        who: Who,
    ) -> Result<Done, Refusal> {
        let (now, by, recorded) = (self.now(), who.to_string(), said.to_owned());
        let outcome = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let outcome = db.answer(id, answer, &by, now)?;
                    if let AnswerOutcome::Taken(approval) = &outcome {
                        db.append(&answer_record(approval, &by, &recorded, now))?;
                    }
                    Ok(outcome)
                })
            })
            .await?;
        self.gate().reached(Point::ApprovalStored);
        self.runner.answers.send_modify(|n| *n += 1);
        match outcome {
            AnswerOutcome::Taken(_) => Ok(Done { words: format!("{id} {said}") }),
            AnswerOutcome::Already(approval) => {
                refuse(format!("{id} was answered before: it is {}", approval.state.word()))
            }
            AnswerOutcome::Expired(_) => refuse(format!(
                "{id} had expired, which means no; `reef approvals renew {id}` plans afresh and asks again"
            )),
            AnswerOutcome::NoChoice(approval) => refuse(format!(
                "{id} has choices 1 to {}; say which: `reef approve {id} 1`",
                approval.choices.len()
            )),
            AnswerOutcome::Absent => {
                refuse(format!("there is no question {id}; `reef approvals` shows what waits"))
            }
        }
    }

    /// "I know": a page is not repeated, and reef keeps its hands off this incident.
    pub(crate) async fn acknowledge(
        &self,
        id: IncidentId,
        note: Option<&str>,
        lasts: Option<Span>,
        who: Who,
    ) -> Result<Done, Refusal> {
        let (now, by) = (self.now(), who.to_string());
        if lasts.is_some_and(|lasts| lasts < Span::mins(1)) {
            return refuse("an acknowledgement lasts for a minute at least");
        }
        let (until, rules) = (lasts.map(|lasts| now + lasts), self.gate().rules());
        let said = note.map(str::to_owned);
        let note = said.clone().unwrap_or_else(|| "acknowledged".to_owned());
        let known = self
            .store()
            .call(move |db| {
                db.atomically(|db| {
                    let Some(mut incident) = db.incident(id)? else { return Ok(None) };
                    if matches!(incident.state, IncidentState::Resolved { .. }) {
                        return Ok(Some(Err(())));
                    }
                    incident.acknowledged_at = Some(now);
                    incident.care.note = said;
                    incident.care.known_until = until;
                    db.save_incident(&incident)?;
                    if let Some(until) = until {
                        let payload = serde_json::json!({ "incident": id });
                        db.add_timer(until, &Word::of(KNOWN), &payload, &format!("known {id}"))?;
                    }
                    end_page(db, id)?;
                    settle::note(db, &by, &format!("acknowledged {id}"), &note, now)?;
                    // It was over before, and only its human was missing.
                    // Nothing is there then that would have to be known.
                    if incident.is_security() && incident.care.healed_at.is_some() {
                        resolve(db, &rules, incident, now)?;
                        return Ok(Some(Ok(None)));
                    }
                    let known = incident.is_security().then_some(incident.reading);
                    Ok(Some(Ok(known)))
                })
            })
            .await?;
        if let Some(Ok(Some(reading))) = &known {
            let reading = Box::new(reading.clone());
            self.watch.send(Command::Accept { reading }).await;
        }
        self.runner.endings.send_modify(|n| *n += 1);
        match known {
            Some(Ok(_)) => Ok(Done {
                words: match until {
                    None => {
                        format!("{id} is yours: no more pages, and reef keeps its hands off it")
                    }
                    Some(until) => format!(
                        "{id} is yours until {}: no pages, and reef keeps its hands off it",
                        self.facts().zone.hm(until)
                    ),
                },
            }),
            Some(Err(())) => refuse(format!("{id} is resolved already")),
            None => {
                refuse(format!("there is no incident {id}; `reef incidents` shows the open ones"))
            }
        }
    }
}

fn which(approval: &Approval, choice: Option<usize>) -> Result<usize, Refusal> {
    match (choice, approval.choices.len()) {
        (None, 1) => Ok(0),
        (Some(n), len) if 1 <= n && n <= len => Ok(n - 1),
        (_, len) => {
            let lines: Vec<String> = approval
                .choices
                .iter()
                .enumerate()
                .map(|(n, c)| format!("  {}: {}", n + 1, c.say))
                .collect();
            refuse(format!("{} has {len} choices; say which:\n{}", approval.id, lines.join("\n")))
        }
    }
}

/// A critical plan wants its target's name, typed: one tap is never enough for it.
fn confirmed(plan: &Plan, typed: Option<&str>) -> Result<(), Refusal> {
    let enough = match plan.tier() {
        Tier::Low | Tier::Medium | Tier::High => true,
        Tier::Critical => typed.map(|typed| confirm(plan, typed)) == Some(Confirmed::Named),
    };
    if enough {
        return Ok(());
    }
    let target = plan.steps.first().map_or_else(String::new, |s| s.call.target.to_string());
    refuse(format!("this plan is critical: type the target's name to approve it: {target}"))
}

fn answer_record(approval: &Approval, by: &str, said: &str, now: Millis) -> AuditEntry {
    AuditEntry {
        at: now,
        actor: by.to_owned(),
        kind: AuditKind::Answered,
        payload: AuditPayload {
            incident: approval.incident,
            run: Some(approval.run),
            approval: Some(approval.id),
            tier: Some(approval.tier),
            digest: approval.choices.first().and_then(|c| c.digest),
            reason: approval.question.lines().next().unwrap_or("").to_owned(),
            outcome: Some(said.to_owned()),
            ..AuditPayload::default()
        },
    }
}
