//! What is said of an action after it ended: verified by a probe, settled by a human.

use crate::gate::record;
use crate::model::audit::{AuditEntry, AuditKind, AuditPayload};
use crate::model::ids::ActionId;
use crate::model::plan::Plan;
use crate::model::time::Millis;
use crate::model::told::Told;
use crate::store::actions::ActionRow;
use crate::store::db::Db;

/// What became of an action that nobody knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    Ran,
    DidNotRun,
}

impl Became {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ran => "ran",
            Self::DidNotRun => "did not run",
        }
    }
}

/// Why an action was not settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSettled(pub String);

/// A human says, inside a transaction, what became of an unknown action. Its lease is free then.
pub fn settle(
    db: &mut Db,
    id: ActionId,
    became: Became,
    note: &str,
    by: &str,
    now: Millis,
) -> anyhow::Result<Result<ActionRow, NotSettled>> {
    let Some(row) = db.action(id)? else {
        return Ok(Err(NotSettled(format!(
            "there is no action {id}; `reef audit list` shows them"
        ))));
    };
    if !is_unknown(&row) {
        let how = match (&row.closed, &row.settled) {
            (_, Some((_, word))) => format!("settled as {word}"),
            (Some((_, word)), None) => word.clone(),
            (None, None) => "in flight".into(),
        };
        return Ok(Err(NotSettled(format!("{id} is not unknown: it is {how}"))));
    }
    // Until its run ended it may be in flight, or the probe is being asked.
    if db.unended_runs()?.iter().any(|run| run.id == row.run) {
        return Ok(Err(NotSettled(format!(
            "{} is not over: it may still find out what became of {id}; `reef status` says when it is yours",
            row.run
        ))));
    }
    let mut entry = entry(&row, AuditKind::Settled, by, now);
    entry.payload.outcome = Some(became.as_str().into());
    entry.payload.reason = note.to_owned();
    db.append(&entry)?;
    db.release_leases(row.run)?;
    Ok(Ok(row))
}

/// Whether nobody knows what became of an action.
pub fn is_unknown(row: &ActionRow) -> bool {
    row.settled.is_none() && row.closed.as_ref().is_none_or(|(_, word)| word == "unknown")
}

/// Records, inside a transaction, what the verification of a run said about each of its actions.
pub(crate) fn verified(
    db: &mut Db,
    plan: &Plan,
    passed: bool,
    words: &str,
    proof: Option<&str>,
    now: Millis,
) -> anyhow::Result<()> {
    for row in db.actions_of(plan.run)? {
        let mut verified = entry(&row, AuditKind::Verified, "reef", now);
        verified.payload.outcome = Some(if passed { "yes" } else { "no" }.into());
        verified.payload.reason = words.to_owned();
        verified.payload.digest = Some(plan.digest());
        verified.payload.proof = proof.map(str::to_owned);
        db.append(&verified)?;
        if passed && is_unknown(&row) {
            let mut settled = entry(&row, AuditKind::Settled, "the probe that fired", now);
            settled.payload.outcome = Some(Became::Ran.as_str().into());
            settled.payload.reason = words.to_owned();
            db.append(&settled)?;
        }
    }
    Ok(())
}

fn entry(row: &ActionRow, kind: AuditKind, by: &str, now: Millis) -> AuditEntry {
    AuditEntry {
        at: now,
        actor: by.to_owned(),
        kind,
        payload: AuditPayload {
            incident: row.incident,
            run: Some(row.run),
            action: Some(row.id),
            runbook: row.runbook.as_ref().map(ToString::to_string),
            tool: Some(row.tool.to_string()),
            tier: Some(row.tier),
            target: Some(row.target.to_string()),
            ..AuditPayload::default()
        },
    }
}

/// A record about reef itself, inside a transaction.
pub fn note(
    db: &mut Db,
    actor: &str,
    what: &str,
    reason: &str,
    now: Millis,
) -> anyhow::Result<i64> {
    let payload = AuditPayload {
        outcome: Some(what.to_owned()),
        reason: reason.to_owned(),
        ..AuditPayload::default()
    };
    db.append(&AuditEntry { at: now, actor: actor.to_owned(), kind: AuditKind::Noted, payload })
}

/// A decision about a plan that no action followed, inside a transaction.
pub fn decided(
    db: &mut Db,
    plan: &Plan,
    told: &Told,
    what: &str,
    now: Millis,
) -> anyhow::Result<i64> {
    db.append(&record::of_plan(plan, AuditKind::Decided, told, what, now))
}
