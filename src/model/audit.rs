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
    pub const ALL: [Self; 10] = [
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
    /// The chain of tools in this run, oldest first.
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

/// The chain's head: what reports and the anchor file carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    pub seq: i64,
    pub hash: Digest,
}
