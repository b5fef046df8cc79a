//! Records of the audit log.

use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::ids::{ActionId, ApprovalId, IncidentId, RunId};
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;

/// What a record says happened. An action is several records; nothing is ever updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// A low call was made: one that a model chose, or that spells out what runs.
    Looked,
    /// A human was asked.
    Asked,
    /// A human answered.
    Answered,
    /// The gate said no.
    Refused,
    /// What would have been done, under observe or in a dry run.
    Would,
    /// Durable before the effect; without a `closed` it is unknown.
    Dispatched,
    Closed,
    /// A human or a probe said what became of an unknown action.
    Settled,
    Verified,
    /// A decision not to act: held, escalated, expired, concluded.
    Decided,
    /// Something about reef itself: started, stopped, paused, resumed, reloaded, acknowledged, erased.
    Noted,
}

impl AuditKind {
    pub const ALL: [Self; 11] = [
        Self::Looked,
        Self::Asked,
        Self::Answered,
        Self::Refused,
        Self::Would,
        Self::Dispatched,
        Self::Closed,
        Self::Settled,
        Self::Verified,
        Self::Decided,
        Self::Noted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Looked => "looked",
            Self::Asked => "asked",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Would => "would",
            Self::Dispatched => "dispatched",
            Self::Closed => "closed",
            Self::Settled => "settled",
            Self::Verified => "verified",
            Self::Decided => "decided",
            Self::Noted => "noted",
        }
    }

    pub fn parse(given: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == given)
    }
}

/// What a record carries; all of it lies under the payload's digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditPayload {
    pub incident: Option<IncidentId>,
    pub run: Option<RunId>,
    pub approval: Option<ApprovalId>,
    /// The `dispatched` record that a later one speaks of.
    pub action: Option<ActionId>,
    pub runbook: Option<String>,
    /// `files.compress`.
    pub tool: Option<String>,
    pub tier: Option<Tier>,
    pub target: Option<String>,
    /// The whole call, resolved: exactly what was or would be done.
    pub call: Option<String>,
    /// The plan's digest.
    pub digest: Option<Digest>,
    /// Why: for people.
    pub reason: String,
    /// What the step was to do, as its preview counted it, in plain words.
    pub effect: Option<String>,
    /// The tools that led to it, oldest first; each call once.
    pub tools_called: Vec<String>,
    /// `done`, `failed`, `unknown`, `allow`, `forbid`, `yes`, `no` ...
    pub outcome: Option<String>,
    /// What went wrong, redacted and bounded.
    pub errors: Option<String>,
    pub took: Option<Span>,
    /// Model cost in millionths of the budget's currency.
    pub cost_micros: Option<i64>,
    /// Of the action's output: its digest and how it began.
    pub output_digest: Option<Digest>,
    pub output_excerpt: Option<String>,
    /// What wanted it: `incident I-4`, `operator uid 1000`, `timer`.
    pub trigger: Option<String>,
    /// The host that it happens on.
    pub host: Option<String>,
    /// The runbook's file, to the byte.
    pub runbook_digest: Option<Digest>,
    /// The action that this one undoes.
    pub undoes: Option<ActionId>,
    /// How it is undone, or why it cannot be.
    pub undo: Option<String>,
    /// Until when it can be.
    pub undo_until: Option<Millis>,
    /// What the probe or the query said that proved it, or did not.
    pub proof: Option<String>,
    /// The commands that it ran, in order.
    pub commands: Vec<Ran>,
    /// What low tools said right after an action that did not end well: `unit.status: ...`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub around: Vec<String>,
}

/// One command as it was run under a permit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// Argument by argument, redacted.
    pub argv: Vec<String>,
    /// The exit code; `None` where there was none: a signal, a link that broke, a timeout.
    pub code: Option<i32>,
    /// Over both outputs, redacted.
    pub output_digest: Option<Digest>,
    /// How they began.
    pub output_excerpt: String,
}

/// A record as it is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Millis,
    /// Who: `gate`, `operator uid 1000`, `agent`, `runbook disk-full`, `reef`.
    pub actor: String,
    pub kind: AuditKind,
    pub payload: AuditPayload,
}

/// A record as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    pub seq: i64,
    pub at: Millis,
    pub actor: String,
    pub kind: AuditKind,
    /// `None` where the payload was erased; the chain still holds.
    pub payload: Option<AuditPayload>,
    pub hash: Digest,
}

/// A record with all that it takes to check the chain over it somewhere else.
///
/// `hash = H(0x00 | previous hash | seq, at, actor, kind, payload_digest)`, numbers as 8 bytes big-endian, texts with
/// their length as 8 bytes before them; `payload_digest = H(0x01 | salt | payload)`, where the payload is written
/// without white space, keys in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    pub seq: i64,
    pub at: Millis,
    pub actor: String,
    pub kind: AuditKind,
    /// `None` where it was erased.
    pub payload: Option<serde_json::Value>,
    /// As hex; `None` where the payload was erased.
    pub salt: Option<String>,
    pub payload_digest: Digest,
    pub hash: Digest,
}

/// The chain's head: what reports and the anchor file carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    pub seq: i64,
    pub hash: Digest,
}
