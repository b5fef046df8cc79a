//! The audit log: appended, listed, erased from; never updated.

use anyhow::Result;

use crate::model::audit::{AuditEntry, AuditKind, AuditRecord, ChainHead};
use crate::model::ids::{ActionId, IncidentId, RunId};
use crate::model::time::Millis;
use crate::store::db::Db;

/// Which records are wanted; the default is the newest hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    pub limit: u32,
    pub since: Option<Millis>,
    pub kind: Option<AuditKind>,
    pub incident: Option<IncidentId>,
    pub run: Option<RunId>,
    /// The `dispatched` record and all that speak of it.
    pub action: Option<ActionId>,
    /// Must stand in the tool's name or the target.
    pub text: Option<String>,
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self {
            limit: 100,
            since: None,
            kind: None,
            incident: None,
            run: None,
            action: None,
            text: None,
        }
    }
}

impl Db {
    /// Appends a record and gives its sequence number. A `closed`, `settled` or `verified` record names its action in the
    /// payload, with its outcome: `done`, `failed`, `not started`, `unknown`; `ran`, `did not run`; `yes`, `no`.
    pub fn append(&mut self, _entry: &AuditEntry) -> Result<i64> {
        todo!()
    }

    pub fn audit(&self, _seq: i64) -> Result<Option<AuditRecord>> {
        todo!()
    }

    /// Newest first.
    pub fn audit_list(&self, _filter: &AuditFilter) -> Result<Vec<AuditRecord>> {
        todo!()
    }

    pub fn head(&self) -> Result<Option<ChainHead>> {
        todo!()
    }

    /// Erases what a record carried and appends a `noted` record that says so, by whom and why. The chain still holds.
    pub fn erase_payload(&mut self, _seq: i64, _by: &str, _why: &str, _now: Millis) -> Result<()> {
        todo!()
    }
}
