//! The answers, as they travel over the socket and as `--json` prints them: a contract.
//!
//! Times are Unix milliseconds; whoever prints them knows the zone from [`Status::zone`].

use serde::{Deserialize, Serialize};

use crate::model::approval::Approval;
use crate::model::audit::{AuditRecord, Exported};
use crate::model::digest::Digest;
use crate::model::ids::{ActionId, ApprovalId, RunId, RunbookName};
use crate::model::incident::Incident;
use crate::model::plan::{Leash, Plan, Verdict};
use crate::model::reading::Reading;
use crate::model::silence::Silence;
use crate::model::taint::Tainted;
use crate::model::time::{Millis, Span};
use crate::model::tool::Tier;

/// One signal as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signalled {
    /// The probe's name in the config: `http.jellyfin`.
    pub name: String,
    pub reading: Reading,
    /// Since when its severity is what it is.
    pub since: Millis,
}

/// `reef status`: what needs a human first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub now: Millis,
    /// IANA name.
    pub zone: String,
    pub host: String,
    pub version: String,
    pub pid: u32,
    pub started_at: Millis,
    /// `None`: no config file, the embedded default.
    pub config: Option<String>,
    pub page: Option<String>,
    /// The global ceiling.
    pub ceiling: Leash,
    pub dry_run: bool,
    /// By whom and why.
    pub paused: Option<String>,
    /// The independent reds that hold all actions.
    pub hold: Option<Vec<String>>,
    pub approvals: Vec<Approval>,
    /// Unresolved.
    pub incidents: Vec<Incident>,
    /// Actions that nobody knows of, to be settled.
    pub unknown_actions: Vec<ActionId>,
    /// Breakers that do not pass: what, and `paused until 03:20`.
    pub breakers: Vec<(String, String)>,
    pub signals: Vec<Signalled>,
    pub last_action: Option<(Millis, String)>,
    /// The model's name, if there is one.
    pub model: Option<String>,
    pub messages_this_week: u64,
    /// Messages that could not be delivered so far.
    pub messages_waiting: u64,
    /// What is wrong with reef itself, in words.
    pub troubles: Vec<String>,
    /// What could not be looked at because it is not there: `nas smart: smartctl is not installed there`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    /// Findings of the config: a literal secret, a world-readable secret file.
    pub findings: Vec<String>,
}

/// `reef status` where no daemon runs: what the last one left in the state folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Left {
    pub now: Millis,
    pub zone: String,
    /// The state folder.
    pub state: String,
    pub paused: Option<String>,
    pub hold: Option<Vec<String>>,
    pub approvals: Vec<Approval>,
    /// Unresolved; their severity is that of the last look.
    pub incidents: Vec<Incident>,
    /// Dispatched without a known end.
    pub unknown_actions: Vec<ActionId>,
    pub last_action: Option<(Millis, String)>,
    pub messages_waiting: u64,
}

/// `reef check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub now: Millis,
    pub zone: String,
    pub signals: Vec<Signalled>,
    /// As in [`Status`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<String>,
    pub took: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incidents {
    pub zone: String,
    pub now: Millis,
    /// Newest first.
    pub incidents: Vec<Incident>,
}

/// `reef silence list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silences {
    pub zone: String,
    pub now: Millis,
    /// Typed ones that stand, the next to end first.
    pub silences: Vec<Silence>,
    /// Those of the config.
    pub recurring: Vec<RecurringSilence>,
}

/// A silence that the config names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecurringSilence {
    pub name: String,
    pub about: Vec<String>,
    /// `Sun 03:00-05:00 Europe/Berlin`.
    pub when: String,
    pub note: Option<String>,
    /// While it stands, when it ends.
    pub until: Option<Millis>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approvals {
    pub zone: String,
    pub now: Millis,
    /// Newest first.
    pub approvals: Vec<Approval>,
}

/// An order without an answer of its own: one line about what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub words: String,
}

/// A plan that a human's command made, before anything happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    pub run: RunId,
    /// The question to answer with [`crate::operator::order::Order::Approve`]; `None`: there is nothing
    /// to ask (a dry run, nothing to do, forbidden).
    pub approval: Option<ApprovalId>,
    pub plan: Option<Plan>,
    pub verdict: Verdict,
    /// The plan in plain words, or why there is none.
    pub words: String,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    pub run: RunId,
    /// `inquiring`, `waiting`, `acting`, `verifying`, `ended`.
    pub state: String,
    /// `fixed`, `not fixed`, ... once it ended.
    pub ending: Option<String>,
    pub words: String,
    pub actions: Vec<ActionId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    pub zone: String,
    /// Newest first.
    pub records: Vec<AuditRecord>,
}

/// One record with all that belongs to the same action or run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntryView {
    pub zone: String,
    pub record: AuditRecord,
    /// Of the same run, oldest first.
    pub related: Vec<AuditRecord>,
    /// Why what it did cannot be undone any more, where it could once.
    #[serde(default)]
    pub no_undo: Option<String>,
}

/// `reef audit verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditProof {
    pub records: u64,
    pub erased: u64,
    /// Heads that were held against the log: of reports and of the anchor file.
    pub anchors: usize,
    /// Sequence number and hash of the newest record.
    pub head: Option<(i64, String)>,
    /// The first broken record and what is wrong with it.
    pub broken: Option<(i64, String)>,
}

/// A page of `reef audit export`, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditExport {
    pub records: Vec<Exported>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportView {
    pub path: String,
    pub markdown: String,
}

/// One runbook in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookRow {
    pub name: RunbookName,
    pub title: String,
    /// `shipped`, or the file.
    pub origin: String,
    pub answers: String,
    pub max_tier: Tier,
    /// On this machine, after all ceilings and demotions.
    pub leash: Leash,
    pub runs: u32,
    pub fixed: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runbooks {
    pub runbooks: Vec<RunbookRow>,
}

/// `reef runbook test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// `None`: nothing answers such a reading.
    pub runbook: Option<RunbookName>,
    /// A line a step: its preview, or why it does not apply.
    pub lines: Vec<String>,
}

/// The record of a runbook on each host, and the line that would raise its leash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub name: RunbookName,
    pub rows: Vec<RecordRow>,
    /// The TOML to add, for `--write`: table, key, value.
    pub line: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRow {
    pub host: Option<String>,
    pub runs: u32,
    pub fixed: u32,
    pub not_fixed: u32,
    pub last_at: Millis,
    /// How often a human did by hand what reef would have done, ...
    #[serde(default)]
    pub matched: u32,
    /// ... and how often something else.
    #[serde(default)]
    pub differed: u32,
    /// The leash in force there.
    #[serde(default)]
    pub leash: Option<Leash>,
    /// What the record lacks for acting by itself there; none: it is earned.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Why it was demoted, where it was.
    #[serde(default)]
    pub demoted: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolRow {
    pub name: String,
    pub max_tier: Tier,
    pub summary: String,
    /// `path (path), older (duration, optional)`.
    pub inputs: String,
    pub example: String,
    /// What each input means, as far as it is more than its kind: a line an input.
    #[serde(default)]
    pub takes: Vec<String>,
    /// What it finds, for later steps: a line a value.
    #[serde(default)]
    pub gives: Vec<String>,
    /// Which call has which tier.
    #[serde(default)]
    pub tiers: String,
    #[serde(default)]
    pub timeout: Span,
    #[serde(default)]
    pub undo: String,
    /// What mostly goes wrong.
    #[serde(default)]
    pub errors: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    pub tools: Vec<ToolRow>,
}

/// The tools of MCP servers, as these describe them now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedTools {
    pub servers: Vec<OfferedServer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedServer {
    pub name: String,
    /// Why it could not be asked.
    pub error: Option<String>,
    pub tools: Vec<OfferedTool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedTool {
    /// `mcp:files/read_file`
    pub name: String,
    /// By the config.
    pub tier: Tier,
    pub state: OfferedState,
    /// What its server claims of it.
    pub hints: Vec<String>,
    pub description: Tainted,
    pub schema: Tainted,
    /// Description and schema that were accepted, where they are others now.
    pub was: Option<(Tainted, Tainted)>,
    pub digest: Digest,
    pub accepted_by: Option<String>,
    pub accepted_at: Option<Millis>,
}

/// Whether the operator accepted what a tool says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferedState {
    Accepted,
    New,
    /// It was accepted, and says something else since.
    Changed,
}

/// A drill so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillView {
    /// What happened, in order: how long after the beginning, one word, and what.
    pub steps: Vec<DrillStep>,
    pub state: DrillState,
    /// Once it passed.
    pub times: Option<DrillTimes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStep {
    pub after: Span,
    /// `planted`, `red`, `plan`, `gate`, `ran`, `verified`, `undone`, `removed`.
    pub word: String,
    pub words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillState {
    Running,
    Passed,
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillTimes {
    /// From planted to the confirmed red.
    pub detect: Span,
    /// From the confirmed red to the end of the action.
    pub act: Span,
    /// From the end of the action to the proof.
    pub verify: Span,
    pub undo: Span,
    /// First and last record of the drill in the audit log.
    pub audit: (i64, i64),
}
