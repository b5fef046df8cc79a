//! Reads, inside the judging transaction, all that a verdict depends on.

use std::collections::BTreeSet;

use crate::gate::hands::InUse;
use crate::gate::rules::Rules;
use crate::model::approval::Approval;
use crate::model::ids::{ActionId, ApprovalId, HostName, RunId, RunbookName, StepName};
use crate::model::incident::Incident;
use crate::model::plan::{Leash, Origin, Plan, Step};
use crate::model::target::Target;
use crate::model::time::{Millis, Span};
use crate::model::tool::{Tier, Undo};
use crate::policy::fact::{ActionFact, Outcome, Proof};
use crate::policy::judge::{ApprovedDigest, GateFacts};
use crate::policy::leash::{Confirmed, Source, effective};
use crate::policy::tree::Hold;
use crate::store::actions::{ActionRow, Drill};
use crate::store::db::Db;

/// The switches of the store that the gate reads and operators set.
pub const PAUSED: &str = "paused";
pub const HOLD: &str = "hold";
/// When a human said that the breakers may pass again.
pub const BREAKER_RESET: &str = "breaker-reset";
/// When the operator last resumed: reds up to then hold nothing.
pub const RESUMED: &str = "resumed";

/// Breakers wait for a human after failures in a row, however long ago: a month is as good as ever.
const LOOKED_BACK: Span = Span::days(31);

/// The facts for one step of a plan.
pub(crate) fn read(
    db: &Db,
    rules: &Rules,
    plan: &Plan,
    step: &Step,
    in_use: &InUse,
    now: Millis,
) -> anyhow::Result<GateFacts> {
    let rows = db.actions_since(now - LOOKED_BACK)?;
    let unended: BTreeSet<RunId> = db.unended_runs()?.into_iter().map(|run| run.id).collect();
    let resets = db.flag(BREAKER_RESET)?.and_then(|at| at.parse().ok()).map(Millis);
    Ok(GateFacts {
        paused: db.flag(PAUSED)?,
        hold: hold_over(db, plan, step)?,
        leash: leash_of(
            db,
            rules,
            plan.runbook.as_ref().map(|book| &book.name),
            step.call.target.on(),
        )?,
        source: source(db, plan, step)?,
        hands: in_use.get(step.call.target.on()).cloned(),
        confirmed: Confirmed::No,
        lease_held_by: held_lease(db, plan.run, step)?,
        actions: rows.iter().map(|row| fact(row, &unended)).collect(),
        limits: rules.limits.clone(),
        rules: rules.breaker,
        resets: resets.into_iter().collect(),
        approval: approved(db, plan.run)?,
        protected: rules.protected.clone(),
        named: rules.named_by(plan.runbook.as_ref().map(|book| &book.name)),
        // Hours are for beginning: a plan that has begun is not left half done at their end.
        closed: match rows.iter().any(|row| row.run == plan.run) {
            true => None,
            false => rules.closed(plan, now).map(|closed| closed.words),
        },
    })
}

/// The hold that stands, if any.
pub fn hold(db: &Db) -> anyhow::Result<Option<Hold>> {
    let Some(json) = db.flag(HOLD)? else { return Ok(None) };
    Ok(Some(serde_json::from_str(&json)?))
}

fn hold_over(db: &Db, plan: &Plan, step: &Step) -> anyhow::Result<Option<String>> {
    if plan.origin == Origin::Drill {
        return Ok(None);
    }
    let Some(hold) = hold(db)? else { return Ok(None) };
    let over = hold.hosts.as_ref().is_none_or(|hosts| hosts.contains(step.call.target.on()));
    let by: Vec<String> = hold.by.iter().map(ToString::to_string).collect();
    Ok(over.then(|| format!("several independent reds: {}", by.join(", "))))
}

/// The leash in effect for a runbook on a host.
pub fn leash_of(
    db: &Db,
    rules: &Rules,
    runbook: Option<&RunbookName>,
    host: &HostName,
) -> anyhow::Result<Leash> {
    let demoted =
        db.demotions()?.into_iter().find(|d| Some(&d.runbook) == runbook && d.host == *host);
    let leash = effective(
        &rules.ceilings(runbook, host),
        rules.start(runbook, host),
        demoted.map(|d| d.leash),
        None,
    );
    Ok(if alarmed(db, host)? { leash.min(Leash::Ask) } else { leash })
}

/// Whether something on this host may be an intruder's doing, and nobody has said that they know it: who has got in may
/// have made the fault that a runbook would answer.
pub fn alarmed(db: &Db, host: &HostName) -> anyhow::Result<bool> {
    let waits = |incident: &Incident| incident.waits_for_a_human() && incident.is_about(host);
    Ok(db.unresolved()?.iter().any(waits))
}

fn source(db: &Db, plan: &Plan, step: &Step) -> anyhow::Result<Source> {
    Ok(match (&plan.origin, &plan.runbook) {
        (Origin::Incident(_), Some(_)) => Source::MatchedRunbook,
        (Origin::Timer, _) => Source::Promised,
        // Begun only where `on_failure = "undo"` was in the digest; the call is the one of the dispatch.
        (Origin::Undo(id), _) if is_its_undo(db, *id, step)? => Source::Promised,
        (
            Origin::Incident(_)
            | Origin::Proposal(_)
            | Origin::Operator { .. }
            | Origin::Undo(_)
            | Origin::Drill,
            _,
        ) => Source::Neither,
    })
}

/// Whether a step is the very call that the dispatch of an action said would undo it.
fn is_its_undo(db: &Db, action: ActionId, step: &Step) -> anyhow::Result<bool> {
    let row = db.action(action)?;
    // Whoever let something milder happen by itself has not said yes to something critical.
    let within = |row: &ActionRow| step.tier < Tier::Critical || row.tier == Tier::Critical;
    Ok(row
        .filter(within)
        .is_some_and(|row| matches!(&row.step.undo, Undo::By(call) if *call == step.call)))
}

fn held_lease(db: &Db, run: RunId, step: &Step) -> anyhow::Result<Option<(Target, RunId)>> {
    let held =
        db.leases()?.into_iter().find(|lease| lease.run != run && step.lease.contains(&lease.key));
    Ok(held.map(|lease| (lease.key, lease.run)))
}

/// What a human approved for this run, with the steps that were already dispatched under it.
pub(crate) fn approved(db: &Db, run: RunId) -> anyhow::Result<Option<ApprovedDigest>> {
    let used: Vec<StepName> = db.actions_of(run)?.into_iter().map(|row| row.step.name).collect();
    let latest = latest(db, run)?;
    Ok(latest.and_then(|approval| ApprovedDigest::of(&approval, used)))
}

/// The yes that stands behind a plan, where there is one.
pub(crate) fn approved_by(db: &Db, plan: &Plan) -> anyhow::Result<Option<ApprovalId>> {
    let approval = latest(db, plan.run)?;
    let digest = plan.digest();
    Ok(approval
        .filter(|a| ApprovedDigest::of(a, vec![]).is_some_and(|yes| yes.digest == digest))
        .map(|a| a.id))
}

/// The newest question of a run.
pub(crate) fn latest(db: &Db, run: RunId) -> anyhow::Result<Option<Approval>> {
    Ok(db.approvals_of(run)?.into_iter().max_by_key(|a| a.id))
}

pub(crate) fn fact(row: &ActionRow, unended: &BTreeSet<RunId>) -> ActionFact {
    let settled = row.settled.as_ref().map(|(_, word)| match word.as_str() {
        "ran" => Outcome::Done,
        _ => Outcome::NotStarted,
    });
    let closed = row.closed.as_ref().and_then(|(_, word)| Outcome::parse(word));
    let in_flight = unended.contains(&row.run);
    ActionFact {
        action: row.id,
        run: row.run,
        tool: row.tool.clone(),
        target: row.target.clone(),
        tier: row.tier,
        drill: row.drill == Drill::Yes,
        at: row.at,
        ended_at: row.closed.as_ref().map(|(at, _)| *at),
        outcome: settled.or(closed).or((!in_flight).then_some(Outcome::Unknown)),
        proof: match row.verified {
            Some(true) => Proof::Passed,
            Some(false) => Proof::Failed,
            None if in_flight => Proof::Pending,
            None => Proof::None,
        },
    }
}

/// The action of an earlier life for this step of this run, if there was one.
pub(crate) fn already(db: &Db, plan: &Plan, step: &Step) -> anyhow::Result<Option<ActionRow>> {
    Ok(db
        .actions_of(plan.run)?
        .into_iter()
        .find(|row| row.step.name == step.name && row.step.call == step.call))
}
