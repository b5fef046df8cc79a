//! What happened to an incident, put together again for a human: from its first reading to its end.

use serde::{Deserialize, Serialize};

use crate::model::audit::{AuditKind, AuditPayload, AuditRecord};
use crate::model::ids::{ActionId, IncidentId};
use crate::model::incident::{Incident, IncidentState};
use crate::model::message::Delivery;
use crate::model::reading::Reading;
use crate::model::time::{Millis, Span};
use crate::operator::order::Refusal;
use crate::operator::{Operator, refuse};
use crate::report::morning::about;
use crate::store::Store;
use crate::store::audit::AuditFilter;

/// Records of one incident that are read: far more than it has attempts for.
const MOST: u32 = 2_000;

/// `reef audit timeline`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    pub zone: String,
    pub incident: IncidentId,
    /// `disk mini:/var`.
    pub signal: String,
    pub severity: String,
    pub opened_at: Millis,
    pub resolved_at: Option<Millis>,
    /// How it stands: `resolved`, `escalated: ...`.
    pub stands: String,
    /// What was done, in the labels that people know of an audit trail.
    pub acts: Vec<Act>,
    /// Everything, oldest first.
    pub story: Vec<Moment>,
    /// Of model calls, in millionths.
    pub cost_micros: i64,
}

/// One action, or one decision not to act.
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

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub at: Millis,
    /// `red`, `asked`, `answered`, `did`, `proven`, `told`, `resolved` ...
    pub word: String,
    pub words: String,
    /// The record that says so.
    pub seq: Option<i64>,
}

impl Operator {
    pub(crate) async fn audit_timeline(&self, incident: IncidentId) -> Result<Timeline, Refusal> {
        timeline(self.store(), &self.facts().zone.to_string(), incident).await
    }
}

/// The story of one incident, from what is stored.
pub async fn timeline(store: &Store, zone: &str, id: IncidentId) -> Result<Timeline, Refusal> {
    let (incident, records, readings, messages) = store
        .call(move |db| {
            let filter = AuditFilter { incident: Some(id), limit: MOST, ..AuditFilter::default() };
            let mut records = db.audit_list(&filter)?;
            records.sort_by_key(|record| record.seq);
            let readings = db.incident_readings(id, 200)?;
            Ok((db.incident(id)?, records, readings, db.messages_of(id)?))
        })
        .await?;
    let Some(incident) = incident else {
        return refuse(format!("there is no incident {id}; `reef incidents --all` shows them"));
    };
    let mut story: Vec<Moment> = readings.iter().map(seen).collect();
    story.extend(records.iter().filter_map(moment));
    story.extend(messages.iter().map(told));
    let resolved_at = match incident.state {
        IncidentState::Resolved { at } => Some(at),
        IncidentState::Open
        | IncidentState::Explained { .. }
        | IncidentState::Held { .. }
        | IncidentState::Running { .. }
        | IncidentState::Escalated { .. } => None,
    };
    if let Some(at) = resolved_at {
        let words = format!("after {}", at.since(incident.opened_at));
        story.push(Moment { at, word: "resolved".into(), words, seq: None });
    }
    // Stable: what happened at one instant stays in its order.
    story.sort_by_key(|moment| moment.at);
    let of = |record: &AuditRecord| record.payload.as_ref().and_then(|p| p.cost_micros);
    Ok(Timeline {
        zone: zone.to_owned(),
        incident: id,
        signal: about(&incident.signal),
        severity: incident.severity.to_string(),
        opened_at: incident.opened_at,
        resolved_at,
        stands: stands(&incident),
        acts: acts(&records),
        story,
        cost_micros: records.iter().filter_map(of).sum(),
    })
}

fn stands(incident: &Incident) -> String {
    match &incident.state {
        IncidentState::Escalated { why } | IncidentState::Held { why } => {
            format!("{}: {why}", incident.state.word())
        }
        IncidentState::Explained { by } => format!("explained by {}", about(by)),
        IncidentState::Running { run } => format!("{run} is at it"),
        IncidentState::Open | IncidentState::Resolved { .. } => incident.state.word().to_owned(),
    }
}

fn seen(reading: &Reading) -> Moment {
    Moment {
        at: reading.at,
        word: reading.severity.to_string(),
        words: format!("{}: {}", about(&reading.signal), reading.words.first_line()),
        seq: None,
    }
}

fn told(delivery: &Delivery) -> Moment {
    Moment {
        at: delivery.queued_at,
        word: match delivery.message.urgency {
            crate::model::message::Urgency::Message => "told".into(),
            crate::model::message::Urgency::Page => "paged".into(),
        },
        words: format!("{} ({})", delivery.message.title, delivery.to),
        seq: None,
    }
}

/// A record as one line; `None` for one whose payload was erased.
fn moment(record: &AuditRecord) -> Option<Moment> {
    let payload = record.payload.as_ref()?;
    let outcome = payload.outcome.clone().unwrap_or_default();
    let call = payload.call.clone().unwrap_or_default();
    let (word, words) = match record.kind {
        AuditKind::Asked => {
            let id = payload.approval.map(|id| id.to_string()).unwrap_or_default();
            ("asked", format!("{id}: {call} ({outcome})"))
        }
        AuditKind::Answered => ("answered", format!("{outcome}, {}", record.actor)),
        AuditKind::Refused => {
            ("refused", format!("{call}: {}", payload.errors.clone().unwrap_or_default()))
        }
        AuditKind::Would => ("would", outcome),
        AuditKind::Dispatched => ("did", format!("{}: {call}", ActionId(record.seq))),
        AuditKind::Closed => ("ended", ended(payload)),
        AuditKind::Settled => ("settled", format!("{outcome}, {}", record.actor)),
        AuditKind::Verified if outcome == "yes" => ("proven", payload.reason.clone()),
        AuditKind::Verified => ("not proven", payload.reason.clone()),
        AuditKind::Decided => ("decided", outcome),
        AuditKind::Noted => ("noted", format!("{outcome}: {}", payload.reason)),
    };
    Some(Moment { at: record.at, word: word.to_owned(), words, seq: Some(record.seq) })
}

/// `done in 800 ms: restarted; systemctl restart web.service: code 0`.
fn ended(payload: &AuditPayload) -> String {
    let mut words = payload.outcome.clone().unwrap_or_default();
    if let Some(took) = payload.took {
        words.push_str(&format!(" in {took}"));
    }
    let said = payload.errors.clone().or_else(|| payload.output_excerpt.clone());
    if let Some(said) = said.as_deref().and_then(|said| said.lines().next()) {
        words.push_str(&format!(": {said}"));
    }
    for ran in &payload.commands {
        let code = ran.code.map_or("no code".to_owned(), |code| format!("code {code}"));
        words.push_str(&format!("; {}: {code}", ran.argv.join(" ")));
    }
    words
}

/// Each dispatch with what later records say of it; where nothing was dispatched, what would have been done.
fn acts(records: &[AuditRecord]) -> Vec<Act> {
    let of_kind = |kind| records.iter().filter(move |record| record.kind == kind);
    let dispatched: Vec<Act> =
        of_kind(AuditKind::Dispatched).filter_map(|record| act(record, records)).collect();
    match dispatched.is_empty() {
        false => dispatched,
        true => of_kind(AuditKind::Would).filter_map(|record| act(record, records)).collect(),
    }
}

fn act(record: &AuditRecord, all: &[AuditRecord]) -> Option<Act> {
    let own = record.payload.as_ref()?;
    let id = ActionId(record.seq);
    let later = |kind: AuditKind| {
        let of_it = |r: &&AuditRecord| {
            r.kind == kind && r.payload.as_ref().and_then(|p| p.action) == Some(id)
        };
        all.iter().rfind(of_it).and_then(|r| Some((r, r.payload.as_ref()?)))
    };
    let closed = later(AuditKind::Closed).map(|(_, payload)| payload);
    let mut more = Vec::new();
    let mut say = |label: &str, value: Option<String>| {
        more.extend(value.map(|value| (label.to_owned(), value)));
    };
    let dispatched = record.kind == AuditKind::Dispatched;
    say("Action id", dispatched.then(|| id.to_string()));
    say("Trigger", own.trigger.clone());
    say("Host", own.host.clone());
    say("Call", own.call.clone());
    for ran in closed.into_iter().flat_map(|closed| &closed.commands) {
        let code = ran.code.map_or("none".to_owned(), |code| code.to_string());
        say("Command", Some(format!("{} (exit code {code})", ran.argv.join(" "))));
    }
    say("Approval", own.approval.map(|id| approved(id, all)));
    say("Plan", own.digest.map(|digest| digest.to_string()));
    let book = own.runbook.clone().zip(own.runbook_digest);
    say("Runbook", book.map(|(name, digest)| format!("{name} {digest}")));
    let outcome = match (dispatched, closed) {
        (true, None) => Some("unknown: no record closes it".to_owned()),
        (true, Some(closed)) => closed.outcome.clone(),
        (false, _) => Some(format!("not done: {}", own.outcome.clone().unwrap_or_default())),
    };
    say("Outcome", outcome);
    say("Output", closed.and_then(|closed| closed.output_excerpt.clone()));
    say("Output hash", closed.and_then(|c| c.output_digest).map(|digest| digest.to_string()));
    let verified = later(AuditKind::Verified).map(|(_, payload)| {
        format!("{}: {}", payload.outcome.clone().unwrap_or_default(), payload.reason)
    });
    say("Verified", verified.or_else(|| dispatched.then(|| "no record says so".to_owned())));
    let settled = later(AuditKind::Settled)
        .map(|(r, p)| format!("{}, {}", p.outcome.clone().unwrap_or_default(), r.actor));
    say("Settled", settled);
    say("Undo", own.undo.clone());
    Some(Act {
        timestamp: record.at,
        agent: record.actor.clone(),
        action: own.tool.clone().unwrap_or_default(),
        service: own.target.clone().unwrap_or_default(),
        reason: own.reason.clone(),
        // The record that closed it knows of the action's own tool too.
        tools_called: closed.unwrap_or(own).tools_called.clone(),
        errors: closed.and_then(|closed| closed.errors.clone()),
        duration: closed.and_then(|closed| closed.took),
        more,
    })
}

/// `A-17, approved by operator uid 1000`.
fn approved(id: crate::model::ids::ApprovalId, all: &[AuditRecord]) -> String {
    let of_it = |r: &&AuditRecord| {
        r.kind == AuditKind::Answered && r.payload.as_ref().and_then(|p| p.approval) == Some(id)
    };
    match all.iter().rfind(of_it) {
        Some(record) => format!("{id}, {}", record.actor),
        None => id.to_string(),
    }
}
