//! What the records of one action say together, in the labels of an audit trail as people know them: Timestamp,
//! Agent, Action, Service, Reason, Tools called, Errors, Duration, and then what else is known. One wording for
//! `reef audit show` and the timeline.

use serde::{Deserialize, Serialize};

use crate::clock::zone::stamp;
use crate::model::audit::{AuditKind, AuditPayload, AuditRecord, Ran};
use crate::model::ids::{ActionId, ApprovalId, RunId};
use crate::model::time::{Millis, Span};

/// One action, or one record that is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    pub timestamp: Millis,
    pub agent: String,
    pub action: String,
    pub service: String,
    pub reason: String,
    pub tools_called: Vec<String>,
    pub errors: Option<String>,
    pub duration: Option<Span>,
    /// What else is known, by label.
    pub more: Vec<(String, String)>,
}

/// What later records of the same action say; an action that none of them names has none.
#[derive(Debug, Default)]
struct Later<'a> {
    closed: Option<&'a AuditPayload>,
    verified: Option<&'a AuditPayload>,
    settled: Option<&'a AuditRecord>,
}

/// The action that a record speaks of: a dispatch is its own.
pub fn action_of(record: &AuditRecord) -> Option<ActionId> {
    match record.kind {
        AuditKind::Dispatched => Some(ActionId(record.seq)),
        AuditKind::Closed | AuditKind::Settled | AuditKind::Verified => {
            record.payload.as_ref().and_then(|p| p.action)
        }
        AuditKind::Looked
        | AuditKind::Asked
        | AuditKind::Answered
        | AuditKind::Refused
        | AuditKind::Would
        | AuditKind::Decided
        | AuditKind::Noted => None,
    }
}

impl<'a> Later<'a> {
    fn of(record: &AuditRecord, all: &'a [AuditRecord]) -> Self {
        let Some(id) = action_of(record) else { return Self::default() };
        let last = |kind: AuditKind| {
            all.iter().rfind(|r| r.kind == kind && kind != record.kind && action_of(r) == Some(id))
        };
        Self {
            closed: last(AuditKind::Closed).and_then(|r| r.payload.as_ref()),
            verified: last(AuditKind::Verified).and_then(|r| r.payload.as_ref()),
            settled: last(AuditKind::Settled),
        }
    }
}

/// A record with what the others of its run say of it; `None` where its payload was erased. `undo` says why it can
/// not be undone any more.
pub fn act(record: &AuditRecord, all: &[AuditRecord], undo: Option<&str>) -> Option<Act> {
    let own = record.payload.as_ref()?;
    let later = Later::of(record, all);
    let end = later.closed;
    // What reef notes about itself has no tool: what it did is its outcome.
    let noted = || own.outcome.clone().filter(|_| record.kind == AuditKind::Noted);
    let action = own.tool.clone().or_else(|| own.call.clone()).or_else(noted);
    Some(Act {
        timestamp: record.at,
        agent: record.actor.clone(),
        action: action.unwrap_or_default(),
        service: own.target.clone().unwrap_or_default(),
        reason: reason(own, end),
        // The record that closed it knows of the action's own tool too.
        tools_called: end.unwrap_or(own).tools_called.clone(),
        errors: own.errors.clone().or_else(|| end.and_then(|end| end.errors.clone())),
        duration: own.took.or_else(|| end.and_then(|end| end.took)),
        more: more(record, own, &later, all, undo),
    })
}

/// Why there is a run at all, what the step was to do, and what came of it: `red disk mini:/var: 98 %: compress 3
/// files, 8.9 GiB, all older than 30 d; 3 files, freed 8.4 GiB`.
fn reason(own: &AuditPayload, end: Option<&AuditPayload>) -> String {
    let mut words = own.reason.clone();
    let mut say = |between: &str, more: Option<&String>| {
        let Some(line) = more.and_then(|more| more.lines().next()) else { return };
        if !line.is_empty() {
            words.push_str(if words.is_empty() { "" } else { between });
            words.push_str(line);
        }
    };
    say(": ", own.effect.as_ref());
    say("; ", end.and_then(|end| end.output_excerpt.as_ref()));
    words
}

fn more(
    record: &AuditRecord,
    own: &AuditPayload,
    later: &Later<'_>,
    all: &[AuditRecord],
    undo: Option<&str>,
) -> Vec<(String, String)> {
    let end = later.closed;
    let dispatched = record.kind == AuditKind::Dispatched;
    let mut more = Vec::new();
    let mut say = |label: &str, value: Option<String>| {
        more.extend(value.map(|value| (label.to_owned(), value)));
    };
    say("Action id", action_of(record).map(|id| id.to_string()));
    say("Incident", own.incident.map(|id| id.to_string()));
    say("Run", own.run.map(|id| id.to_string()));
    say("Trigger", own.trigger.clone());
    say("Host", own.host.clone());
    say("Tier", own.tier.map(|tier| tier.to_string()));
    say("Call", own.call.clone());
    for ran in end.map_or(&own.commands, |end| &end.commands) {
        say("Command", Some(command(ran)));
        say("Command output", Some(ran.output_excerpt.clone()).filter(|said| !said.is_empty()));
        say("Command output hash", ran.output_digest.map(|digest| digest.to_string()));
    }
    for seen in end.map_or(&own.around, |end| &end.around) {
        say("Seen right after", Some(seen.clone()));
    }
    say("Approval", own.approval.map(|id| approved(id, all)));
    say("Plan", own.digest.map(|digest| digest.to_string()));
    say("Runbook", runbook(own));
    say("Outcome", outcome(record, own, later));
    say("Result", own.output_excerpt.clone().or_else(|| end?.output_excerpt.clone()));
    let hash = own.output_digest.or_else(|| end?.output_digest);
    say("Result hash", hash.map(|digest| digest.to_string()));
    let verified = later
        .verified
        .map(|p| format!("{}: {}", p.outcome.clone().unwrap_or_default(), p.reason))
        .or_else(|| dispatched.then(|| "no record says so".to_owned()));
    say("Verified", verified);
    say("Proof", own.proof.clone().or_else(|| later.verified?.proof.clone()));
    say("Settled", later.settled.and_then(settled));
    say("Undoes", own.undoes.map(|id| id.to_string()));
    let until = own.undo_until.map(|at| format!(", until {}", stamp(at))).unwrap_or_default();
    let not = undo.map(|why| format!("; not now: {why}")).unwrap_or_default();
    say("Undo", own.undo.clone().map(|how| format!("{how}{until}{not}")));
    say("Cost", cost_of(own, dispatched, all));
    more
}

/// `systemctl restart web.service (exit code 0)`.
pub fn command(ran: &Ran) -> String {
    format!("{} ({})", ran.argv.join(" "), code(ran.code))
}

fn code(code: Option<i32>) -> String {
    code.map_or("no exit code".to_owned(), |code| format!("exit code {code}"))
}

fn runbook(own: &AuditPayload) -> Option<String> {
    let name = own.runbook.clone()?;
    Some(match own.runbook_digest {
        Some(digest) => format!("{name}, hash {digest}"),
        None => name,
    })
}

/// `A-17, approved: yes, by operator uid 1000, 2026-02-24T03:47:11Z`.
fn approved(id: ApprovalId, all: &[AuditRecord]) -> String {
    let of_it = |r: &&AuditRecord| {
        r.kind == AuditKind::Answered && r.payload.as_ref().and_then(|p| p.approval) == Some(id)
    };
    let Some(record) = all.iter().rfind(of_it) else { return id.to_string() };
    let said = record.payload.as_ref().and_then(|p| p.outcome.clone()).unwrap_or_default();
    format!("{id}, {said}, by {}, {}", record.actor, stamp(record.at))
}

/// `done`; a dispatch that nothing closes is unknown.
fn outcome(record: &AuditRecord, own: &AuditPayload, later: &Later<'_>) -> Option<String> {
    let first = match (record.kind, later.closed) {
        (AuditKind::Dispatched, None) => Some("unknown: no record closes it".to_owned()),
        (AuditKind::Dispatched, Some(end)) => end.outcome.clone(),
        (AuditKind::Would, _) => {
            Some(format!("not done: {}", own.outcome.clone().unwrap_or_default()))
        }
        _ => own.outcome.clone(),
    }?;
    let settled = later.settled.and_then(|r| r.payload.as_ref()?.outcome.clone());
    Some(match settled {
        Some(settled) => format!("{first}, settled: {settled}"),
        None => first,
    })
}

fn settled(record: &AuditRecord) -> Option<String> {
    let payload = record.payload.as_ref()?;
    let mut words = format!("{}, {}", payload.outcome.clone().unwrap_or_default(), record.actor);
    if !payload.reason.is_empty() {
        words.push_str(&format!(": {}", payload.reason));
    }
    Some(words)
}

/// What the model calls of a run cost; of an action it is said that there were none, too.
fn cost_of(own: &AuditPayload, dispatched: bool, all: &[AuditRecord]) -> Option<String> {
    if let Some(micros) = own.cost_micros {
        return Some(cost(micros));
    }
    let none = || "None, no model was asked".to_owned();
    dispatched.then(|| own.run.and_then(|run| of_run(run, all)).map_or_else(none, cost))
}

fn of_run(run: RunId, all: &[AuditRecord]) -> Option<i64> {
    let payloads = all.iter().filter_map(|r| r.payload.as_ref()).filter(|p| p.run == Some(run));
    payloads.filter_map(|p| p.cost_micros).reduce(i64::saturating_add)
}

/// Millionths as an amount: `0.003114`.
pub fn cost(micros: i64) -> String {
    let (whole, rest) = (micros / 1_000_000, (micros % 1_000_000).abs());
    format!("{whole}.{rest:06}")
}
