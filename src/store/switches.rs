//! Switches that survive a restart: pause, hold, and leashes that were shortened.

use anyhow::Result;

use crate::model::ids::{HostName, RunbookName};
use crate::model::plan::Leash;
use crate::model::time::Millis;
use crate::store::db::Db;

/// A leash shortened by what happened; only config lengthens one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demotion {
    pub runbook: RunbookName,
    pub host: HostName,
    pub leash: Leash,
    pub why: String,
    pub at: Millis,
}

impl Db {
    /// A switch by its name: `paused`, `hold` ...
    pub fn flag(&self, _name: &str) -> Result<Option<String>> {
        todo!()
    }

    /// `None` takes it away.
    pub fn set_flag(&mut self, _name: &str, _value: Option<&str>, _now: Millis) -> Result<()> {
        todo!()
    }

    /// All switches whose name begins so, by name, with when they were set.
    pub fn flags(&self, _prefix: &str) -> Result<Vec<(String, String, Millis)>> {
        todo!()
    }

    /// Shortens a leash; a shorter one stays.
    pub fn demote(
        &mut self,
        _runbook: &RunbookName,
        _host: &HostName,
        _leash: Leash,
        _why: &str,
        _now: Millis,
    ) -> Result<()> {
        todo!()
    }

    pub fn demotions(&self) -> Result<Vec<Demotion>> {
        todo!()
    }

    /// Forgets a demotion, after the operator raised the leash in the config again.
    pub fn end_demotion(&mut self, _runbook: &RunbookName, _host: &HostName) -> Result<()> {
        todo!()
    }
}
