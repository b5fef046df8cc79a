//! The gate's audit records: one way to write each.

use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::ApprovalId;
use crate::model::plan::{Origin, Plan, Step};
use crate::model::time::Millis;
use crate::model::told::Told;
use crate::model::tool::Undo;

/// What a record keeps of a preview's words, in characters.
const KEPT: usize = 500;

/// Who acts in a plan, for the records.
pub(crate) fn actor(plan: &Plan) -> String {
    match (&plan.origin, &plan.runbook) {
        (Origin::Incident(_), Some(book)) => format!("runbook {}", book.name),
        (Origin::Proposal(_), _) => "agent".into(),
        (Origin::Operator { uid }, _) => format!("operator uid {uid}"),
        (Origin::Drill, _) => "drill".into(),
        (Origin::Incident(_) | Origin::Undo(_) | Origin::Timer, _) => "reef".into(),
    }
}

/// A record about a whole plan.
pub(crate) fn of_plan(
    plan: &Plan,
    kind: AuditKind,
    told: &Told,
    outcome: &str,
    now: Millis,
) -> AuditEntry {
    let first = plan.steps.first();
    AuditEntry {
        at: now,
        actor: actor(plan),
        kind,
        payload: AuditPayload {
            incident: told.incident,
            run: Some(plan.run),
            runbook: plan.runbook.as_ref().map(|r| r.name.to_string()),
            tool: first.map(|s| s.call.tool.to_string()),
            tier: Some(plan.tier()),
            target: first.map(|s| s.call.target.to_string()),
            call: Some(
                plan.steps.iter().map(|s| s.call.to_string()).collect::<Vec<_>>().join("; "),
            ),
            digest: Some(plan.digest()),
            reason: told.reason.clone(),
            tools_called: told.tools(),
            outcome: Some(outcome.to_owned()),
            trigger: Some(plan.origin.to_string()),
            host: first.map(|s| s.call.target.on().to_string()),
            runbook_digest: plan.runbook.as_ref().map(|r| r.digest),
            ..AuditPayload::default()
        },
    }
}

/// A record about one step of a plan.
pub(crate) fn of_step(
    plan: &Plan,
    step: &Step,
    kind: AuditKind,
    told: &Told,
    now: Millis,
) -> AuditEntry {
    let mut entry = of_plan(plan, kind, told, "", now);
    entry.payload.tool = Some(step.call.tool.to_string());
    entry.payload.tier = Some(step.tier);
    entry.payload.target = Some(step.call.target.to_string());
    entry.payload.call = Some(step.call.to_string());
    entry.payload.host = Some(step.call.target.on().to_string());
    entry.payload.outcome = None;
    entry
}

/// The record that must be durable before the step happens: all that is known of it by then.
pub(crate) fn dispatched(
    plan: &Plan,
    step: &Step,
    told: &Told,
    approval: Option<ApprovalId>,
    until: Millis,
    now: Millis,
) -> AuditEntry {
    let mut entry = of_step(plan, step, AuditKind::Dispatched, told, now);
    entry.payload.approval = approval;
    entry.payload.undoes = told.undoes;
    entry.payload.effect = Some(step.effect.words.chars().take(KEPT).collect());
    match &step.undo {
        Undo::By(call) => {
            entry.payload.undo = Some(call.to_string());
            entry.payload.undo_until = Some(until);
        }
        Undo::Impossible(why) => entry.payload.undo = Some(format!("none: {why}")),
    }
    entry
}

/// What became of a question without anybody answering it.
pub(crate) fn decided(
    approval: &crate::model::approval::Approval,
    what: &str,
    now: Millis,
) -> AuditEntry {
    AuditEntry {
        at: now,
        actor: "reef".into(),
        kind: AuditKind::Decided,
        payload: AuditPayload {
            incident: approval.incident,
            run: Some(approval.run),
            approval: Some(approval.id),
            tier: Some(approval.tier),
            reason: approval.question.lines().next().unwrap_or("").to_owned(),
            outcome: Some(what.to_owned()),
            ..AuditPayload::default()
        },
    }
}
