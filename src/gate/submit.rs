//! Plans come in: allowed, asked about, recorded, or refused.

use crate::gate::crash::Point;
use crate::gate::facts;
use crate::gate::hands::InUse;
use crate::gate::record;
use crate::gate::rules::{Mode, Rules};
use crate::gate::{Gate, Submitted, words};
use crate::model::approval::{Approval, ApprovalState, Choice};
use crate::model::audit::AuditKind;
use crate::model::ids::ApprovalId;
use crate::model::incident::Announced;
use crate::model::message::{Message, Urgency};
use crate::model::plan::{Leash, Plan, Verdict};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::model::told::Told;
use crate::policy::judge::{Asked, GateFacts, Rule, judge, judge_when_free, reasons};
use crate::store::approvals::ApprovalDraft;
use crate::store::db::Db;

/// A plan's verdict, and whether its only reason is the observe leash.
#[derive(Debug)]
struct Judged {
    verdict: Verdict,
    observed: bool,
}

impl Gate {
    /// Judges a plan whole. Where a human is to be asked, the question, its record and its message
    /// are one commit; so are the records of what would have been done.
    pub async fn submit(&self, plan: &Plan) -> anyhow::Result<Submitted> {
        let in_use = self.in_use(plan).await;
        let (plan, rules, now) = (plan.clone(), self.rules(), self.clock.now());
        let told = self.told(plan.run).await?;
        let run = plan.run;
        let judging = move |db: &mut Db| {
            db.atomically(|db| {
                let judged = judge_plan(db, &rules, &plan, &in_use, now)?;
                match judged.verdict {
                    Verdict::Allow => Ok(Submitted::Allowed),
                    Verdict::Ask { why } => {
                        let mut question = told.reason.clone();
                        match db.actions_of(plan.run)?.len() {
                            0 => {}
                            n => question.push_str(&format!(
                                "\nsteps that are done already: {n}; what is left:"
                            )),
                        }
                        question.push_str(&format!("\n{}", words::plan(&plan)));
                        for why in in_use.values() {
                            question.push_str(&format!("\n{why}"));
                        }
                        let yes = Choice {
                            say: "yes".into(),
                            digest: Some(plan.digest()),
                            plan: Some(plan.clone()),
                        };
                        let approval =
                            ask(db, &rules, &plan, &told, question, vec![yes], &why, now)?;
                        Ok(Submitted::Asked(approval))
                    }
                    Verdict::Forbid { why } if judged.observed => {
                        would(db, &plan, &told, &why, now)?;
                        Ok(Submitted::Observed(words::plan(&plan)))
                    }
                    Verdict::Forbid { why } => {
                        refused(db, &plan, &told, &why, now)?;
                        Ok(Submitted::Forbidden(why))
                    }
                }
            })
        };
        let submitted = self.commit(run, judging).await?;
        if let Submitted::Asked(_) = &submitted {
            self.reached(Point::ApprovalRequested);
        }
        Ok(submitted)
    }

    /// Asks a question with several choices, each a plan of its own or nothing. `Err` says why it may
    /// not even be asked: under observe it is recorded and told, not asked.
    pub async fn ask(
        &self,
        standing: &Plan,
        question: String,
        choices: Vec<Choice>,
    ) -> anyhow::Result<Result<Approval, String>> {
        // A question is asked of a human anyway: who works there changes nothing.
        let in_use = InUse::new();
        let (standing, rules, now) = (standing.clone(), self.rules(), self.clock.now());
        let told = self.told(standing.run).await?;
        let asked = self
            .commit(standing.run, move |db| {
                db.atomically(|db| {
                    let mut allowed = Vec::new();
                    let mut observed = Vec::new();
                    for choice in choices {
                        let Some(plan) = &choice.plan else {
                            allowed.push(choice);
                            continue;
                        };
                        let judged = judge_plan(db, &rules, plan, &in_use, now)?;
                        match judged.verdict {
                            Verdict::Allow | Verdict::Ask { .. } => allowed.push(choice),
                            Verdict::Forbid { why } => {
                                would(db, plan, &told, &why, now)?;
                                observed.push(format!("{} ({why})", choice.say));
                            }
                        }
                    }
                    let nothing_left = allowed.iter().all(|choice| choice.plan.is_none());
                    if nothing_left && !observed.is_empty() {
                        return Ok(Err(format!(
                            "would have asked: {question} Options: {}",
                            observed.join("; ")
                        )));
                    }
                    let why = "judgement is needed";
                    Ok(Ok(ask(db, &rules, &standing, &told, question, allowed, why, now)?))
                })
            })
            .await?;
        if asked.is_ok() {
            self.reached(Point::ApprovalRequested);
        }
        Ok(asked)
    }

    /// What the gate would say to a plan now. Records nothing.
    pub async fn verdict(&self, plan: &Plan) -> anyhow::Result<Verdict> {
        let in_use = self.in_use(plan).await;
        let (plan, rules, now) = (plan.clone(), self.rules(), self.clock.now());
        self.store
            .call(move |db| {
                db.atomically(|db| Ok(judge_plan(db, &rules, &plan, &in_use, now)?.verdict))
            })
            .await
    }

    /// Closes questions whose time is over: silence means no.
    pub async fn expire(&self) -> anyhow::Result<usize> {
        let now = self.clock.now();
        self.store
            .call(move |db| {
                db.atomically(|db| {
                    let expired = db.expire_approvals(now)?;
                    for approval in &expired {
                        db.append(&record::decided(
                            approval,
                            "expired unanswered, which means no",
                            now,
                        ))?;
                    }
                    Ok(expired.len())
                })
            })
            .await
    }

    /// Makes a question void, with a record.
    pub async fn void(&self, id: ApprovalId, why: &str) -> anyhow::Result<()> {
        let (why, now) = (why.to_owned(), self.clock.now());
        self.store
            .call(move |db| {
                db.atomically(|db| {
                    if let Some(approval) = db.void_approval(id, &why, now)? {
                        db.append(&record::decided(&approval, &format!("void: {why}"), now))?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

/// The strictest verdict over all steps.
fn judge_plan(
    db: &Db,
    rules: &Rules,
    plan: &Plan,
    in_use: &InUse,
    now: Millis,
) -> anyhow::Result<Judged> {
    let digest = plan.digest();
    let mut verdict = Verdict::Allow;
    let mut observed = true;
    for step in &plan.steps {
        let facts = facts::read(db, rules, plan, step, in_use, now);
        let asked = Asked { run: plan.run, plan: digest, origin: &plan.origin, step };
        let of_step = match &facts {
            Ok(facts) => {
                observed &= only_observed(&asked, facts, rules, now);
                // What other runs are at work on is waited for when it comes to acting.
                judge_when_free(&asked, Ok(facts), now)
            }
            // What cannot be judged is refused, not merely observed.
            Err(error) => {
                observed = false;
                judge(&asked, Err(&format!("{error:#}")), now)
            }
        };
        verdict = verdict.and(of_step);
    }
    if rules.mode == Mode::DryRun {
        verdict = verdict.and(Verdict::Forbid { why: "a dry run: only recorded".into() });
        observed = true;
    }
    Ok(Judged { verdict, observed })
}

/// Whether what forbids the step is the observe leash and nothing else.
fn only_observed(asked: &Asked<'_>, facts: &GateFacts, rules: &Rules, now: Millis) -> bool {
    let forbids = |(rule, verdict): &(Rule, Verdict)| {
        matches!(verdict, Verdict::Forbid { .. }).then_some(*rule)
    };
    let rules_that_forbid: Vec<Rule> =
        reasons(asked, facts, now).iter().filter_map(forbids).collect();
    let observe = facts.leash == Leash::Observe || rules.mode == Mode::DryRun;
    // Hours and other runs at work are no reason to say that it may never be done.
    let mild = |rule: &Rule| matches!(rule, Rule::Leash | Rule::Hours | Rule::Host);
    observe && rules_that_forbid.iter().all(mild)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one commit: the question, its record and its message"
)]
fn ask(
    db: &mut Db,
    rules: &Rules,
    plan: &Plan,
    told: &Told,
    question: String,
    choices: Vec<Choice>,
    why: &str,
    now: Millis,
) -> anyhow::Result<Approval> {
    let tier =
        choices.iter().filter_map(|c| c.plan.as_ref()).map(Plan::tier).max().unwrap_or(plan.tier());
    if let Some(waiting) = asked_already(db, plan, &choices, now)? {
        return Ok(waiting);
    }
    let approval = db.ask(ApprovalDraft {
        run: plan.run,
        incident: told.incident,
        question,
        choices,
        tier,
        asked_at: now,
        expires_at: now + rules.stands_for(tier),
    })?;
    let mut entry = record::of_plan(plan, AuditKind::Asked, told, why, now);
    entry.payload.approval = Some(approval.id);
    db.append(&entry)?;
    // The operator who typed the command is looking at the question already.
    if !matches!(plan.origin, crate::model::plan::Origin::Operator { .. }) {
        let mut message = message(&approval, told);
        let incident = told.incident.map(|id| db.incident(id)).transpose()?.flatten();
        if incident.is_some_and(|incident| incident.care.wakes)
            && rules.telling.quiet(now).is_some()
        {
            // It may wake somebody: a question that waits for the morning would come too late.
            message.urgency = Urgency::Page;
        }
        db.enqueue(&message, &rules.notify, now)?;
        announced(db, told)?;
    }
    Ok(approval)
}

/// The question of this run that waits, where a crash came between it and the run's own state: the
/// inquiry starts over then, and the human is not asked the same twice. One that asked for something
/// else is void.
fn asked_already(
    db: &mut Db,
    plan: &Plan,
    choices: &[Choice],
    now: Millis,
) -> anyhow::Result<Option<Approval>> {
    let same = |a: &Choice, b: &Choice| {
        a.say == b.say && a.plan.as_ref().map(Plan::digest) == b.plan.as_ref().map(Plan::digest)
    };
    for waiting in db.approvals_of(plan.run)? {
        if waiting.state != ApprovalState::Pending || waiting.expires_at <= now {
            continue;
        }
        let alike = waiting.choices.len() == choices.len()
            && waiting.choices.iter().zip(choices).all(|(a, b)| same(a, b));
        if alike {
            return Ok(Some(waiting));
        }
        let why = "what it asked about has changed";
        if let Some(void) = db.void_approval(waiting.id, why, now)? {
            db.append(&record::decided(&void, &format!("void: {why}"), now))?;
        }
    }
    Ok(None)
}

/// Who was asked about an incident knows of it, and is told when it is over.
fn announced(db: &mut Db, told: &Told) -> anyhow::Result<()> {
    let Some(id) = told.incident else { return Ok(()) };
    if let Some(mut incident) = db.incident(id)?
        && incident.announced == Announced::No
    {
        incident.announced = Announced::Message;
        db.save_incident(&incident)?;
    }
    Ok(())
}

fn message(approval: &Approval, told: &Told) -> Message {
    let options: Vec<String> = approval
        .choices
        .iter()
        .enumerate()
        .map(|(n, choice)| match approval.choices.len() {
            1 => format!("reef approve {}", approval.id),
            _ => format!("reef approve {} {}   {}", approval.id, n + 1, choice.say),
        })
        .collect();
    Message {
        urgency: Urgency::Message,
        title: format!("{} asks: {}", approval.id, told.reason),
        body: format!("{}\n{}\nsilence means no", approval.question, options.join("\n")),
        severity: Severity::Yellow,
        incident: told.incident,
        approval: Some(approval.id),
        key: format!("approval {}", approval.id),
    }
}

fn would(db: &mut Db, plan: &Plan, told: &Told, why: &str, now: Millis) -> anyhow::Result<()> {
    for step in &plan.steps {
        let mut entry = record::of_step(plan, step, AuditKind::Would, told, now);
        entry.payload.outcome = Some(format!("{} [{why}]", words::step(step)));
        db.append(&entry)?;
    }
    Ok(())
}

fn refused(db: &mut Db, plan: &Plan, told: &Told, why: &str, now: Millis) -> anyhow::Result<()> {
    let mut entry = record::of_plan(plan, AuditKind::Refused, told, "forbid", now);
    entry.payload.errors = Some(why.to_owned());
    db.append(&entry)?;
    Ok(())
}
