//! Runs, and the record of each runbook on each host.

use anyhow::Result;

use crate::model::ids::{HostName, IncidentId, RunId, RunbookName};
use crate::model::plan::{Origin, RunbookRef};
use crate::model::run::RunState;
use crate::model::time::Millis;
use crate::store::db::Db;

/// A run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    pub id: RunId,
    pub origin: Origin,
    pub incident: Option<IncidentId>,
    pub runbook: Option<RunbookRef>,
    pub state: RunState,
    pub started_at: Millis,
    pub changed_at: Millis,
}

/// How a runbook did on a host; drills do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookRecord {
    pub runbook: RunbookName,
    /// `None`: runs that never had a target.
    pub host: Option<HostName>,
    pub runs: u32,
    pub fixed: u32,
    pub not_fixed: u32,
    pub last_at: Millis,
}

impl Db {
    /// A new run, inquiring in its first round.
    pub fn new_run(
        &mut self,
        _origin: &Origin,
        _incident: Option<IncidentId>,
        _runbook: Option<&RunbookRef>,
        _now: Millis,
    ) -> Result<RunId> {
        todo!()
    }

    pub fn save_run(&mut self, _id: RunId, _state: &RunState, _now: Millis) -> Result<()> {
        todo!()
    }

    pub fn run(&self, _id: RunId) -> Result<Option<RunRow>> {
        todo!()
    }

    /// Oldest first.
    pub fn unended_runs(&self) -> Result<Vec<RunRow>> {
        todo!()
    }

    /// Oldest first.
    pub fn runs_of(&self, _incident: IncidentId) -> Result<Vec<RunRow>> {
        todo!()
    }

    /// Started or changed since then, oldest first.
    pub fn runs_since(&self, _at: Millis) -> Result<Vec<RunRow>> {
        todo!()
    }

    pub fn runbook_record(
        &self,
        _runbook: &RunbookName,
        _host: Option<&HostName>,
    ) -> Result<Vec<RunbookRecord>> {
        todo!()
    }
}
