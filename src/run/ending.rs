//! What an ending brings along: records, leases, the incident, the human, an undo.

use crate::gate::crash::Point;
use crate::gate::facts::PAUSED;
use crate::gate::rules::Rules;
use crate::gate::settle;
use crate::model::approval::{Approval, ApprovalState};
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::{ActionId, IncidentId, RunId};
use crate::model::incident::{Announced, Incident, IncidentEvent, IncidentState};
use crate::model::message::{Message, Urgency};
use crate::model::plan::{Ending, Origin, Plan};
use crate::model::run::RunState;
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::model::told::Told;
use crate::model::tool::ActionResult;
use crate::run::announce::{UNKNOWN, Words, announce, asks_later, headline, loudness};
use crate::run::repeats;
use crate::run::runner::Runner;
use crate::run::undo::{self, Undone};
use crate::store::audit::AuditFilter;
use crate::store::db::Db;

/// How the ending is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// By the event itself.
    AsSaid,
    /// A verification was over without success.
    Failed,
}

/// Bounds of what a runbook may still try.
#[derive(Debug, Clone)]
struct Patience {
    attempts: u32,
    escalate: Urgency,
    /// What is left to the human where the same fix is needed again and again.
    cause: Option<String>,
}

/// The ending as one transaction sees it.
struct Closing {
    run: RunId,
    plan: Option<Plan>,
    ending: Ending,
    proof: Proof,
    told: Told,
    patience: Patience,
    origin: Origin,
    incident: Option<IncidentId>,
    now: Millis,
}

impl Runner {
    /// Ends a run: all of its consequences in one commit. Its caller tells those who wait for an ending, and carries the
    /// undos that began with it.
    pub(crate) async fn end(
        &self,
        run: RunId,
        plan: Option<Plan>,
        ending: Ending,
        proof: Proof,
    ) -> anyhow::Result<Vec<(RunId, ActionId)>> {
        let row = self.store.call(move |db| db.run(run)).await?;
        let row = row.ok_or_else(|| anyhow::anyhow!("the store has no run {run}"))?;
        let book = row.runbook.as_ref().and_then(|r| self.book(&r.name).ok());
        let patience = match &book {
            Some(book) => Patience {
                attempts: book.attempts,
                escalate: book.escalate,
                cause: book.cause.clone(),
            },
            None => Patience { attempts: 1, escalate: Urgency::Page, cause: None },
        };
        let closing = Closing {
            run,
            plan: plan.clone(),
            ending: ending.clone(),
            proof,
            told: self.gate.told(run).await?,
            patience,
            origin: row.origin,
            incident: row.incident,
            now: self.clock.now(),
        };
        let rules = self.gate.rules();
        let points = self.gate.points();
        let closing = move |db: &mut Db| {
            db.atomically(|db| {
                let undos = close(db, &rules, &closing)?;
                points.reached(Point::VerifyInserted);
                Ok(undos)
            })
        };
        let undos = self.gate.commit(run, closing).await?;
        self.gate.forget(run);
        tracing::info!(%run, ending = ending.word(), "{}", ending.words());
        Ok(undos)
    }

    /// A run whose operator's terminal is gone, and with it what was typed.
    pub(crate) async fn end_lost(&self, run: RunId) -> anyhow::Result<()> {
        self.end(
            run,
            None,
            Ending::NothingToDo("reef was restarted before there was a plan".into()),
            Proof::AsSaid,
        )
        .await?;
        self.endings.send_modify(|n| *n += 1);
        Ok(())
    }
}

fn close(db: &mut Db, rules: &Rules, closing: &Closing) -> anyhow::Result<Vec<(RunId, ActionId)>> {
    let Closing { run, plan, ending, now, .. } = closing;
    let acted = !db.actions_of(*run)?.is_empty();
    let proof = closing.told.proof.as_deref();
    match (plan, ending) {
        (Some(plan), Ending::Fixed(words)) if acted => {
            settle::verified(db, plan, true, words, proof, *now)?;
            repeats::after_fix(db, rules, plan, closing.patience.cause.as_deref(), *now)?;
            leave_to_a_human(db, rules, closing)?;
        }
        (Some(plan), Ending::NotFixed(words)) if acted && closing.proof == Proof::Failed => {
            settle::verified(db, plan, false, words, proof, *now)?;
            repeats::after_failure(db, plan, words, *now)?;
        }
        _ => drop(db.append(&decision(closing))?),
    }
    db.save_run(*run, &RunState::Ended(ending.clone()), *now)?;
    for approval in db.approvals_of(*run)? {
        db.use_approval(approval.id, *now)?;
        db.void_approval(approval.id, "its run ended", *now)?;
    }
    // What nobody knows of keeps its lease until it is settled.
    if !db.actions_of(*run)?.iter().any(settle::is_unknown) {
        db.release_leases(*run)?;
    }
    if let Some(id) = closing.incident
        && let Some(incident) = db.incident(id)?
    {
        tell(db, rules, closing, incident)?;
    }
    if let Origin::Undo(action) = &closing.origin {
        let troubles = troubles(db, *run)?;
        let (action, run, now) = (*action, *run, *now);
        undo::tell(db, rules, &Undone { action, run, ending, troubles, now })?;
    }
    undo::begin(db, *run, plan.as_ref(), ending, *now)
}

/// What the actions of a verified fix could not mend is told by itself: the fix is calm, the cause must not be forgotten.
fn leave_to_a_human(db: &mut Db, rules: &Rules, closing: &Closing) -> anyhow::Result<()> {
    let filter = AuditFilter {
        run: Some(closing.run),
        kind: Some(AuditKind::Closed),
        ..AuditFilter::default()
    };
    for record in db.audit_list(&filter)? {
        let Some(payload) = record.payload else { continue };
        let Some(left) = payload.output_excerpt.as_deref().and_then(ActionResult::left) else {
            continue;
        };
        let note = AuditPayload {
            incident: closing.incident,
            run: Some(closing.run),
            target: payload.target.clone(),
            outcome: Some("left to a human".into()),
            reason: left.to_owned(),
            ..AuditPayload::default()
        };
        let (at, actor, kind) = (closing.now, "reef".to_owned(), AuditKind::Noted);
        db.append(&AuditEntry { at, actor, kind, payload: note })?;
        let message = Message {
            urgency: Urgency::Message,
            title: format!("left to you: {}", payload.target.unwrap_or_default()),
            body: format!("{left}\nWhat fired is fixed and proven."),
            severity: Severity::Yellow,
            incident: closing.incident,
            approval: None,
            key: format!("left {} {}", closing.run, record.seq),
        };
        db.enqueue(&message, &rules.notify, closing.now)?;
    }
    Ok(())
}

fn decision(closing: &Closing) -> AuditEntry {
    let mut payload = AuditPayload {
        incident: closing.incident,
        run: Some(closing.run),
        reason: closing.told.reason.clone(),
        tools_called: closing.told.tools(),
        outcome: Some(format!("{}: {}", closing.ending.word(), closing.ending.words())),
        ..AuditPayload::default()
    };
    if let Some(plan) = &closing.plan {
        payload.runbook = plan.runbook.as_ref().map(|r| r.name.to_string());
        payload.digest = Some(plan.digest());
        payload.tier = Some(plan.tier());
        payload.target = plan.steps.first().map(|s| s.call.target.to_string());
    }
    AuditEntry { at: closing.now, actor: "reef".into(), kind: AuditKind::Decided, payload }
}

/// Moves the incident on and tells the human where the ending leaves something to them.
fn tell(
    db: &mut Db,
    rules: &Rules,
    closing: &Closing,
    mut incident: Incident,
) -> anyhow::Result<()> {
    if matches!(incident.state, IncidentState::Resolved { .. }) {
        // Its probe had been green long enough before the proof was: the fix is told all the same.
        return tell_fixed(db, rules, closing, &incident);
    }
    if held_back(db, closing, &incident)? {
        // It is not over: what holds it tells of it.
        incident.state = incident.state.clone().next(IncidentEvent::Release, closing.now)?;
        return db.save_incident(&incident);
    }
    incident.attempts += 1;
    let unknown = db.actions_of(closing.run)?.iter().any(settle::is_unknown);
    let attempts_left = incident.attempts < closing.patience.attempts;
    let words = closing.ending.words().to_owned();
    let (event, loud) = match &closing.ending {
        // The probe's next looks resolve it.
        Ending::Fixed(_) => (None, None),
        // Trying again could do it twice: this is for a human, now.
        _ if unknown => (Some(IncidentEvent::Escalate { why: words }), Some(Urgency::Page)),
        Ending::NotFixed(_) if attempts_left => (Some(IncidentEvent::Release), None),
        Ending::NotFixed(_) => (
            Some(IncidentEvent::Escalate { why: words }),
            Some(loudness(&incident, closing.patience.escalate)),
        ),
        Ending::NotVerified(_) => {
            (Some(IncidentEvent::Escalate { why: words }), Some(Urgency::Message))
        }
        Ending::NothingToDo(_) => (Some(IncidentEvent::Escalate { why: words }), None),
        Ending::Observed(_) => {
            (Some(IncidentEvent::Escalate { why: words }), Some(loudness(&incident, Urgency::Page)))
        }
        Ending::Escalated(_) => (
            Some(IncidentEvent::Escalate { why: words }),
            Some(loudness(&incident, closing.patience.escalate)),
        ),
    };
    if let Some(event) = event {
        incident.state = incident.state.clone().next(event, closing.now)?;
    }
    // A drill is told at the terminal that asked for it.
    if let Some(urgency) = loud.filter(|_| !incident.drill) {
        let words = Words {
            title: format!("{}: {}", headline(&incident), closing.ending.word()),
            body: body(closing, &incident, &troubles(db, closing.run)?),
            severity: incident.severity,
            about: if unknown { UNKNOWN } else { "ended" },
        };
        announce(db, rules, &mut incident, urgency, &words, closing.now)?;
    }
    tell_fixed(db, rules, closing, &incident)?;
    db.save_incident(&incident)
}

/// A fix that nobody was told the beginning of is one calm message.
fn tell_fixed(
    db: &mut Db,
    rules: &Rules,
    closing: &Closing,
    incident: &Incident,
) -> anyhow::Result<()> {
    if let (Ending::Fixed(proof), Announced::No, false) =
        (&closing.ending, incident.announced, incident.drill)
    {
        let message = fixed(closing, incident, proof);
        db.enqueue(&message, &rules.notify, closing.now)?;
    }
    Ok(())
}

/// Whether a run ended only because several reds, or a pause, hold all actions: nothing was done, and no human has
/// answered. So did one that left it alone for a while.
fn held_back(db: &Db, closing: &Closing, incident: &Incident) -> anyhow::Result<bool> {
    let (Ending::Escalated(_) | Ending::NothingToDo(_)) = closing.ending else { return Ok(false) };
    if asks_later(db, incident.id, closing.now)? {
        return Ok(true);
    }
    let Ending::Escalated(_) = closing.ending else { return Ok(false) };
    let hold = crate::gate::facts::hold(db)?;
    let covered = hold.is_some_and(|hold| hold.covers(incident.signal.target.on()));
    let stopped = covered || db.flag(PAUSED)?.is_some();
    let answered = |a: &Approval| {
        matches!(a.state, ApprovalState::Approved { .. } | ApprovalState::Denied { .. })
    };
    Ok(stopped
        && !incident.drill
        && db.actions_of(closing.run)?.is_empty()
        && !db.approvals_of(closing.run)?.iter().any(answered))
}

/// Nobody was told yet, and there is nothing left to do: one calm message is all.
fn fixed(closing: &Closing, incident: &Incident, proof: &str) -> Message {
    let red_for = closing.now.since(incident.red_at.unwrap_or(incident.opened_at));
    Message {
        urgency: Urgency::Message,
        title: format!("fixed: {}", incident.signal),
        body: format!(
            "{}
{} for {red_for}; {proof}. {}",
            incident.reading.words.first_line(),
            incident.severity,
            incident.id
        ),
        severity: Severity::Green,
        incident: Some(incident.id),
        approval: None,
        key: format!("incident {} fixed", incident.id),
    }
}

/// As much of each look after a failure as a message carries, in characters.
const SEEN: usize = 400;

/// What each action of the run that did not end well said, and what was seen right after.
fn troubles(db: &Db, run: RunId) -> anyhow::Result<Vec<String>> {
    let filter =
        AuditFilter { run: Some(run), kind: Some(AuditKind::Closed), ..AuditFilter::default() };
    let mut lines = Vec::new();
    for record in db.audit_list(&filter)? {
        let Some(payload) = record.payload else { continue };
        if let (Some("unknown"), Some(why)) = (payload.outcome.as_deref(), &payload.errors) {
            lines.push(format!("nobody knows how it ended: {why}"));
        }
        lines.extend(payload.around.iter().map(|said| said.chars().take(SEEN).collect()));
    }
    Ok(lines)
}

fn body(closing: &Closing, incident: &Incident, troubles: &[String]) -> String {
    let since = closing.now.since(incident.opened_at);
    // What has only just begun has no age worth a word.
    let age = match since < Span::mins(1) {
        true => String::new(),
        false => format!(", open for {since}"),
    };
    let mut lines = vec![format!("{} ({}{age})", incident.reading.words.first_line(), incident.id)];
    if let Ending::Observed(plan) = &closing.ending {
        lines.push("leash observe: nothing was changed. It would have:".into());
        lines.push(plan.clone());
    } else {
        lines.push(closing.ending.words().to_owned());
    }
    lines.extend_from_slice(troubles);
    if !closing.told.looked.is_empty() {
        lines.push(format!("looked with: {}", closing.told.tools().join(" → ")));
    }
    lines.push(match incident.severity {
        Severity::Red => format!("reef ack {} when you have it", incident.id),
        Severity::Green | Severity::Unknown | Severity::Yellow => "no hurry".into(),
    });
    lines.join("\n")
}
