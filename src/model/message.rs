//! Messages to the human.

use serde::{Deserialize, Serialize};

use crate::model::ids::{ApprovalId, IncidentId, MessageId};
use crate::model::severity::Severity;
use crate::model::time::Millis;

/// Whether a message may wake somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// Held in quiet hours.
    Message,
    /// Never held, repeated until acknowledged.
    Page,
}

impl Urgency {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Page => "page",
        }
    }
}

/// A message as it is enqueued. Redacted where its parts came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub urgency: Urgency,
    /// One line.
    pub title: String,
    /// Plain text, short lines.
    pub body: String,
    pub severity: Severity,
    pub incident: Option<IncidentId>,
    pub approval: Option<ApprovalId>,
    /// Messages with the same key are about the same thing: a target may replace the older.
    pub key: String,
}

/// A message on its way to one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: MessageId,
    /// The notifier's name in the config: `terminal`, `phone`.
    pub to: String,
    pub message: Message,
    pub queued_at: Millis,
    pub tries: u32,
    pub next_at: Millis,
}
