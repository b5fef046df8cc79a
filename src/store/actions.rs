//! Actions: what the records `dispatched`, `closed`, `settled` and `verified` say together.

use anyhow::Result;

use crate::model::audit::AuditEntry;
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, IncidentId, RunId, RunbookName, ToolName};
use crate::model::plan::Step;
use crate::model::target::Target;
use crate::model::time::Millis;
use crate::model::tool::{Call, Tier};
use crate::store::db::Db;

/// Whether something belongs to a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drill {
    No,
    Yes,
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
        _entry: &AuditEntry,
        _run: RunId,
        _step: &Step,
        _drill: Drill,
    ) -> Result<ActionId> {
        todo!()
    }

    pub fn action(&self, _id: ActionId) -> Result<Option<ActionRow>> {
        todo!()
    }

    /// Actions with any record since then, oldest first.
    pub fn actions_since(&self, _at: Millis) -> Result<Vec<ActionRow>> {
        todo!()
    }

    pub fn actions_of(&self, _run: RunId) -> Result<Vec<ActionRow>> {
        todo!()
    }

    /// Dispatched and never closed: in flight, or unknown after a crash.
    pub fn open_dispatches(&self) -> Result<Vec<ActionRow>> {
        todo!()
    }

    /// Closed as `unknown` and not settled yet.
    pub fn unsettled(&self) -> Result<Vec<ActionRow>> {
        todo!()
    }
}
