//! Messages on their way to the human.

use anyhow::Result;

use crate::model::ids::MessageId;
use crate::model::message::{Delivery, Message};
use crate::model::time::Millis;
use crate::store::db::Db;

/// How delivery went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxStats {
    pub queued: u64,
    pub delivered: u64,
    pub given_up: u64,
    /// Not delivered yet, whenever they were queued.
    pub waiting: u64,
    /// The oldest that waits.
    pub waiting_since: Option<Millis>,
}

impl Db {
    /// One delivery for each target.
    pub fn enqueue(
        &mut self,
        _message: &Message,
        _to: &[String],
        _now: Millis,
    ) -> Result<Vec<MessageId>> {
        todo!()
    }

    /// Those whose time has come: pages first, then by age.
    pub fn due_deliveries(&self, _now: Millis, _limit: u32) -> Result<Vec<Delivery>> {
        todo!()
    }

    /// When the next delivery is due, for the sleep until then.
    pub fn next_delivery_at(&self) -> Result<Option<Millis>> {
        todo!()
    }

    pub fn delivered(&mut self, _id: MessageId, _now: Millis) -> Result<()> {
        todo!()
    }

    /// Counts the try; `next_at` none: given up.
    pub fn failed(
        &mut self,
        _id: MessageId,
        _why: &str,
        _next_at: Option<Millis>,
        _now: Millis,
    ) -> Result<()> {
        todo!()
    }

    /// Over messages queued since then.
    pub fn outbox_stats(&self, _since: Millis) -> Result<OutboxStats> {
        todo!()
    }

    /// Whether a message with this key was ever enqueued.
    pub fn has_message(&self, _key: &str) -> Result<bool> {
        todo!()
    }
}
