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
            // Whoever types an undo is its origin; what it undoes stands in the record.
            let undoes = entry.payload.undoes.or(undoes);
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
            AuditKind::Looked
            | AuditKind::Asked
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::audit::AuditPayload;
    use crate::store::Store;
    use crate::store::tests::{entry, memory, step};

    fn dispatch(store: &Store, origin: &Origin, at: i64) -> ActionId {
        let dispatched = store.call_now(|db| {
            db.atomically(|db| {
                let run = db.new_run(origin, None, None, Millis(at))?;
                let payload = AuditPayload { run: Some(run), ..AuditPayload::default() };
                let entry = entry(AuditKind::Dispatched, at, payload);
                db.dispatched(&entry, run, &step("mini:/var/log"), Drill::No)
            })
        });
        dispatched.unwrap()
    }

    fn say(store: &Store, kind: AuditKind, at: i64, action: ActionId, outcome: &str) {
        let outcome = Some(outcome.to_owned());
        let payload = AuditPayload { action: Some(action), outcome, ..AuditPayload::default() };
        store.call_now(|db| db.append(&entry(kind, at, payload))).unwrap();
    }

    const OPERATOR: Origin = Origin::Operator { uid: 1_000 };

    #[test]
    fn an_action_is_what_its_records_say_together() {
        let store = memory();
        let id = dispatch(&store, &OPERATOR, 10);
        let row = |id| store.call_now(|db| db.action(id)).unwrap().unwrap();
        let open = || store.call_now(|db| db.open_dispatches()).unwrap();
        let unsettled = || store.call_now(|db| db.unsettled()).unwrap();
        assert_eq!(open(), [row(id)]);
        assert_eq!(row(id).lease, step("mini:/var/log").lease);
        assert_eq!(row(id).service_key, "mini:/var/log");

        say(&store, AuditKind::Closed, 20, id, "unknown");
        assert_eq!(row(id).closed, Some((Millis(20), "unknown".into())));
        assert_eq!((open().len(), unsettled()), (0, vec![row(id)]));

        say(&store, AuditKind::Settled, 30, id, "ran");
        say(&store, AuditKind::Verified, 40, id, "no");
        assert_eq!(row(id).settled, Some((Millis(30), "ran".into())));
        assert_eq!(row(id).verified, Some(false));
        assert_eq!(unsettled(), []);
        say(&store, AuditKind::Verified, 50, id, "yes");
        assert_eq!(row(id).verified, Some(true), "the last word counts");
    }

    #[test]
    fn an_undo_is_known_once_it_is_done() {
        let store = memory();
        let id = dispatch(&store, &OPERATOR, 10);
        let undo = dispatch(&store, &Origin::Undo(id), 20);
        let undone = || store.call_now(|db| db.action(id)).unwrap().unwrap().undone_by;
        assert_eq!(undone(), None);
        say(&store, AuditKind::Closed, 30, undo, "failed");
        assert_eq!(undone(), None);
        let again = dispatch(&store, &Origin::Undo(id), 40);
        say(&store, AuditKind::Closed, 50, again, "done");
        assert_eq!(undone(), Some(again));
    }

    #[test]
    fn since_takes_what_was_dispatched_or_spoken_of() {
        let store = memory();
        let (old, new) = (dispatch(&store, &OPERATOR, 10), dispatch(&store, &OPERATOR, 100));
        let since = |at| -> Vec<ActionId> {
            let rows = store.call_now(|db| db.actions_since(Millis(at))).unwrap();
            rows.iter().map(|row| row.id).collect()
        };
        assert_eq!(since(50), [new]);
        say(&store, AuditKind::Closed, 60, old, "failed");
        assert_eq!(since(50), [old, new]);
        assert_eq!(since(101), []);
    }

    #[test]
    fn what_became_of_an_action_outlives_its_payload() {
        let store = memory();
        let id = dispatch(&store, &OPERATOR, 10);
        say(&store, AuditKind::Closed, 20, id, "done");
        store
            .call_now(|db| {
                db.erase_payload(id.0, "x", "x", Millis(30))?;
                db.erase_payload(id.0 + 1, "x", "x", Millis(30))
            })
            .unwrap();
        let row = store.call_now(|db| db.action(id)).unwrap().unwrap();
        assert_eq!(row.closed, Some((Millis(20), "done".into())));
    }

    #[test]
    fn a_close_without_its_dispatch_is_an_error_and_no_record() {
        let store = memory();
        let payload = AuditPayload { action: Some(ActionId(7)), ..AuditPayload::default() };
        let e = store.call_now(|db| db.append(&entry(AuditKind::Closed, 1, payload))).unwrap_err();
        assert!(e.to_string().contains("no action D-7"), "{e:#}");
        assert_eq!(store.call_now(|db| db.head()).unwrap(), None);
    }
}
