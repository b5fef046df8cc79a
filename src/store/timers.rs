//! Promises for later, which survive a restart.

use anyhow::Result;
use serde_json::Value as Json;

use crate::model::ids::{TimerId, Word};
use crate::model::time::Millis;
use crate::store::db::Db;

/// One promise.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    pub id: TimerId,
    pub due_at: Millis,
    pub kind: Word,
    pub payload: Json,
    pub key: String,
}

impl Db {
    /// A timer with the same key is replaced.
    pub fn add_timer(
        &mut self,
        _due_at: Millis,
        _kind: &Word,
        _payload: &Json,
        _key: &str,
    ) -> Result<TimerId> {
        todo!()
    }

    /// Those whose time has come, earliest first. They stay until they are ended.
    pub fn due_timers(&self, _now: Millis) -> Result<Vec<Timer>> {
        todo!()
    }

    pub fn end_timer(&mut self, _id: TimerId) -> Result<()> {
        todo!()
    }

    /// All, earliest first.
    pub fn timers(&self) -> Result<Vec<Timer>> {
        todo!()
    }
}
