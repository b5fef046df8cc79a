//! The orders: one variant a verb, as they travel over the socket.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::audit::ChainHead;
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, ApprovalId, IncidentId, RunbookName, SilenceId};
use crate::model::plan::Leash;
use crate::model::push::Report;
use crate::model::severity::Severity;
use crate::model::silence::Pattern;
use crate::model::target::Target;
use crate::model::time::Span;

/// What a human wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// [`crate::operator::view::Status`].
    Status,
    /// Looks at everything (of a host) now: [`crate::operator::view::Check`].
    Check {
        host: Option<String>,
    },
    /// [`crate::operator::view::Incidents`].
    Incidents {
        all: bool,
    },
    /// [`crate::operator::view::Approvals`].
    Approvals {
        all: bool,
    },
    /// [`crate::operator::view::Done`]. `choice` counts from 1. `typed` is what was typed at the
    /// prompt: a critical plan wants its target's name.
    Approve {
        id: ApprovalId,
        choice: Option<usize>,
        typed: Option<String>,
    },
    Deny {
        id: ApprovalId,
    },
    /// Plans an old question afresh and asks again: [`crate::operator::view::Planned`].
    Renew {
        id: ApprovalId,
    },
    /// "I know": stops a page's repeats and keeps reef's hands off.
    Ack {
        incident: IncidentId,
        note: Option<String>,
        /// For how long; none: until it is resolved.
        #[serde(default)]
        lasts: Option<Span>,
    },
    /// Looked at and recorded as ever, and not told for a while.
    SilenceAdd {
        about: Pattern,
        lasts: Span,
        note: String,
    },
    /// [`crate::operator::view::Silences`].
    Silences,
    SilenceExpire {
        id: SilenceId,
    },
    /// A job reports in.
    Ping {
        name: String,
        report: Report,
        said: String,
    },
    /// [`crate::operator::view::Planned`]: the undo's plan waits for a yes.
    Undo {
        action: ActionId,
    },
    Settle {
        action: ActionId,
        became: Became,
        note: String,
    },
    /// [`crate::operator::view::AuditPage`].
    AuditList {
        limit: u32,
        kind: Option<String>,
        incident: Option<IncidentId>,
        text: Option<String>,
    },
    /// [`crate::operator::view::AuditEntryView`].
    AuditShow {
        seq: i64,
    },
    /// [`crate::operator::view::AuditProof`]. `heads` were kept somewhere else: in a message, on paper.
    AuditVerify {
        #[serde(default)]
        heads: Vec<ChainHead>,
    },
    /// What happened to an incident: [`crate::operator::timeline::Timeline`].
    AuditTimeline {
        incident: IncidentId,
    },
    /// Records after a number, oldest first: [`crate::operator::view::AuditExport`].
    AuditExport {
        after: i64,
    },
    /// Writes the report now: [`crate::operator::view::ReportView`].
    Report,
    /// [`crate::operator::view::Runbooks`].
    Runbooks,
    /// Which runbook would answer such a reading, and each step's preview: [`crate::operator::view::Tested`].
    RunbookTest {
        probe: String,
        severity: Severity,
        target: Target,
        reason: Option<String>,
        text: Option<String>,
    },
    /// Starts a runbook by hand: [`crate::operator::view::Planned`].
    RunbookRun {
        name: RunbookName,
        on: Target,
        set: Vec<(String, String)>,
        dry_run: bool,
    },
    /// [`crate::operator::view::Record`].
    RunbookRecord {
        name: RunbookName,
        host: Option<String>,
    },
    /// Shortens the leash of a runbook on a host, at once and until it is promoted again.
    RunbookDemote {
        name: RunbookName,
        host: Option<String>,
        leash: Leash,
        note: String,
    },
    /// Forgets that it was demoted there: the config's leash is in force again.
    RunbookPromote {
        name: RunbookName,
        host: Option<String>,
        /// Though the record does not bear it.
        unearned: bool,
    },
    /// [`crate::operator::view::Tools`].
    Tools,
    /// What MCP servers offer, or one of them: [`crate::operator::view::OfferedTools`].
    Offered {
        server: Option<String>,
    },
    /// Accepts what a tool of an MCP server says of itself, if that is still what was looked at.
    AcceptTool {
        tool: String,
        digest: Digest,
    },
    Pause {
        note: Option<String>,
    },
    /// Lifts the pause and the hold, and lets breakers pass again that waited for a human.
    Resume,
    Reload,
    /// Begins a drill: [`crate::operator::view::DrillView`].
    Drill,
    /// How the drill goes: [`crate::operator::view::DrillView`].
    DrillProgress,
    /// How a run stands: [`crate::operator::view::RunView`].
    Run {
        run: crate::model::ids::RunId,
    },
}

/// What became of an action that nobody knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Became {
    Ran,
    DidNotRun,
}

/// Who gives an order, as the surface found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The user id of the peer at the socket.
    pub uid: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "operator uid {}", self.uid)
    }
}

/// Why an order was not carried out: what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refusal {}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self { why: format!("{error:#}") }
    }
}
