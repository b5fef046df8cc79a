//! Actions: what the records `dispatched`, `closed`, `settled` and `verified` say together.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use rusqlite::Row;

use crate::model::audit::{AuditEntry, AuditKind};
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, IncidentId, RunId, RunbookName, ToolName};
use crate::model::plan::{Origin, Step};
use crate::model::target::Target;
use crate::model::time::Millis;
use crate::model::tool::{Call, Tier, Undo};
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

/// Whether something belongs to a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drill {
    No,
    Yes,
}

impl Drill {
    pub(in crate::store) fn column(self) -> i64 {
        match self {
            Self::No => 0,
            Self::Yes => 1,
        }
    }

    pub(in crate::store) fn of(is: bool) -> Self {
        if is { Self::Yes } else { Self::No }
    }
}

/// One action, joined from its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionRow {
    pub id: ActionId,
    pub run: RunId,
    pub incident: Option<IncidentId>,
    pub runbook: Option<RunbookName>,
    pub tool: ToolName,
    pub tier: Tier,
    pub target: Target,
    /// What the limit per service counts by: the first lease key, else the target.
    pub service_key: String,
    pub lease: Vec<Target>,
    pub at: Millis,
    /// When it was closed and how: `done`, `failed`, `not started`, `unknown`.
    pub closed: Option<(Millis, String)>,
    /// What became of an unknown one: `ran`, `did not run`.
    pub settled: Option<(Millis, String)>,
    pub verified: Option<bool>,
    pub drill: Drill,
    pub undo: Option<Call>,
    pub step: Step,
    pub plan_digest: Option<Digest>,
    /// The newest action of an undo of this one that was done.
    pub undone_by: Option<ActionId>,
}

impl Db {
    /// Appends the `dispatched` record of a step and what is needed to close, settle and undo it. The gate calls this
    /// inside the transaction that judged it.
    pub fn dispatched(
        &mut self,
        entry: &AuditEntry,
        run: RunId,
        step: &Step,
        drill: Drill,
    ) -> Result<ActionId> {
        if entry.kind != AuditKind::Dispatched {
            bail!("a {} record dispatches nothing", entry.kind.as_str());
        }
        self.atomically(|db| {
            let of_run = db.row(
                "SELECT origin, incident, runbook FROM run WHERE id = ?1",
                &[&run],
                |row| {
                    let origin: String = row.get(0)?;
                    let origin: Origin = from_json(&format!("run {run}"), &origin)?;
                    Ok((origin, row.get(1)?, row.get(2)?))
                },
            )?;
            let Some((origin, incident, runbook)) = of_run else { bail!("there is no run {run}") };
            let incident: Option<IncidentId> = entry.payload.incident.or(incident);
            let runbook: Option<String> = runbook;
            let undoes = match origin {
                Origin::Undo(action) => Some(action),
                Origin::Incident(_)
                | Origin::Proposal(_)
                | Origin::Operator { .. }
                | Origin::Drill
                | Origin::Timer => None,
            };
            let id = ActionId(db.append(entry)?);
            let service_key = step.lease.first().unwrap_or(&step.call.target).to_string();
            db.write(
                "INSERT INTO action
                    (id, run, incident, runbook, at, drill, service_key, plan_digest, undoes, step)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                &[
                    &id,
                    &run,
                    &incident,
                    &runbook,
                    &entry.at,
                    &drill.column(),
                    &service_key,
                    &entry.payload.digest,
                    &undoes,
                    &to_json(step)?,
                ],
            )?;
            Ok(id)
        })
    }

    /// Notes beside the log what a record says of its action, so that it stays known when the payload is erased.
    pub(in crate::store) fn action_event(&mut self, seq: i64, entry: &AuditEntry) -> Result<()> {
        let Some(action) = entry.payload.action else { return Ok(()) };
        match entry.kind {
            AuditKind::Closed | AuditKind::Settled | AuditKind::Verified => {}
            AuditKind::Asked
            | AuditKind::Answered
            | AuditKind::Refused
            | AuditKind::Would
            | AuditKind::Dispatched
            | AuditKind::Decided
            | AuditKind::Noted => return Ok(()),
        }
        let outcome = entry.payload.outcome.as_deref().unwrap_or("unknown");
        let added = self.write(
            "INSERT INTO action_event (seq, action, kind, at, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&seq, &action, &entry.kind.as_str(), &entry.at, &outcome],
        );
        added.with_context(|| format!("there is no action {action}")).map(|_| ())
    }

    pub fn action(&self, id: ActionId) -> Result<Option<ActionRow>> {
        self.row("SELECT * FROM action_joined WHERE id = ?1", &[&id], action)
    }

    /// Actions with any record since then, oldest first.
    pub fn actions_since(&self, at: Millis) -> Result<Vec<ActionRow>> {
        self.rows(
            "SELECT * FROM action_joined
              WHERE id IN (SELECT id FROM action WHERE ?1 <= at
                           UNION SELECT action FROM action_event WHERE ?1 <= at)
              ORDER BY id",
            &[&at],
            action,
        )
    }

    pub fn actions_of(&self, run: RunId) -> Result<Vec<ActionRow>> {
        self.rows("SELECT * FROM action_joined WHERE run = ?1 ORDER BY id", &[&run], action)
    }

    /// How many actions there ever were, by how they were closed; `open` are those that were not.
    pub fn action_counts(&self) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT coalesce(closed, 'open'), count(*) FROM action_joined GROUP BY 1";
        let rows = self.rows(sql, &[], |row| {
            let n: i64 = row.get(1)?;
            Ok((row.get(0)?, u64::try_from(n).unwrap_or(0)))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Dispatched and never closed: in flight, or unknown after a crash.
    pub fn open_dispatches(&self) -> Result<Vec<ActionRow>> {
        self.rows(
            "SELECT * FROM action_joined
              WHERE NOT EXISTS (SELECT 1 FROM action_event e
                                 WHERE e.action = action_joined.id AND e.kind = 'closed')
              ORDER BY id",
            &[],
            action,
        )
    }

    /// Closed as `unknown` and not settled yet.
    pub fn unsettled(&self) -> Result<Vec<ActionRow>> {
        self.rows(
            "SELECT * FROM action_joined
              WHERE id IN (SELECT action FROM action_event WHERE kind = 'closed' AND outcome = 'unknown')
                AND closed = 'unknown' AND settled IS NULL
              ORDER BY id",
            &[],
            action,
        )
    }
}

fn action(row: &Row<'_>) -> Result<ActionRow> {
    let id: ActionId = row.get("id")?;
    let step: String = row.get("step")?;
    let step: Step = from_json(&format!("action {id}"), &step)?;
    let runbook: Option<String> = row.get("runbook")?;
    let when = |at: Option<Millis>, outcome: Option<String>| at.zip(outcome);
    let verified: Option<String> = row.get("verified")?;
    Ok(ActionRow {
        id,
        run: row.get("run")?,
        incident: row.get("incident")?,
        runbook: runbook.map(RunbookName::new).transpose()?,
        tool: step.call.tool.clone(),
        tier: step.tier,
        target: step.call.target.clone(),
        service_key: row.get("service_key")?,
        lease: step.lease.clone(),
        at: row.get("at")?,
        closed: when(row.get("closed_at")?, row.get("closed")?),
        settled: when(row.get("settled_at")?, row.get("settled")?),
        verified: verified.map(|outcome| outcome == "yes"),
        drill: Drill::of(row.get("drill")?),
        undo: match &step.undo {
            Undo::By(call) => Some(call.clone()),
            Undo::Impossible(_) => None,
        },
        step,
        plan_digest: row.get("plan_digest")?,
        undone_by: row.get("undone_by")?,
    })
}
