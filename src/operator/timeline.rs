//! What happened to an incident, put together again for a human: from its first reading to its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::gate::undoing;
use crate::model::audit::{AuditKind, AuditPayload, AuditRecord};
use crate::model::ids::{ActionId, IncidentId};
use crate::model::incident::{Incident, IncidentState};
use crate::model::message::Delivery;
use crate::model::reading::Reading;
use crate::model::time::Millis;
use crate::operator::order::Refusal;
use crate::operator::trail::{self, Act};
use crate::operator::{Operator, refuse};
use crate::report::morning::about;
use crate::store::Store;
use crate::store::audit::AuditFilter;
use crate::store::db::Db;

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
        timeline(self.store(), &self.facts().zone.to_string(), self.now(), incident).await
    }
}

/// The story of one incident, from what is stored.
pub async fn timeline(
    store: &Store,
    zone: &str,
    now: Millis,
    id: IncidentId,
) -> Result<Timeline, Refusal> {
    let (incident, records, readings, messages, undos) = store
        .call(move |db| {
            let filter = AuditFilter { incident: Some(id), limit: MOST, ..AuditFilter::default() };
            let mut records = db.audit_list(&filter)?;
            records.sort_by_key(|record| record.seq);
            let readings = db.incident_readings(id, 200)?;
            let mut undos = BTreeMap::new();
            for record in records.iter().filter(|r| r.kind == AuditKind::Dispatched) {
                undos.extend(no_undo(db, record, now)?.map(|why| (ActionId(record.seq), why)));
            }
            Ok((db.incident(id)?, records, readings, db.messages_of(id)?, undos))
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
        acts: acts(&records, &undos),
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
        AuditKind::Looked => ("looked", looked(payload)),
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
        AuditKind::Verified if outcome == "yes" => ("proven", proof(payload)),
        AuditKind::Verified => ("not proven", proof(payload)),
        AuditKind::Decided => ("decided", outcome),
        AuditKind::Noted => ("noted", format!("{outcome}: {}", payload.reason)),
    };
    Some(Moment { at: record.at, word: word.to_owned(), words, seq: Some(record.seq) })
}

/// `done in 800 ms: restarted; systemctl restart web.service (exit code 0)`.
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
        words.push_str(&format!("; {}", trail::command(ran)));
    }
    for seen in payload.around.iter().filter_map(|seen| seen.lines().next()) {
        words.push_str(&format!("; {seen}"));
    }
    words
}

/// `unit.logs mini:unit:web.service: journalctl -u web.service (exit code 0)`.
pub fn looked(payload: &AuditPayload) -> String {
    let mut words = payload.call.clone().unwrap_or_default();
    for ran in &payload.commands {
        words.push_str(&format!("; {}", trail::command(ran)));
    }
    if let Some(why) = &payload.errors {
        words.push_str(&format!("; {why}"));
    }
    words
}

/// `the probe that fired is green (green disk mini:/var: 61 %, 2026-02-24T03:48:12Z)`.
fn proof(payload: &AuditPayload) -> String {
    match &payload.proof {
        Some(proof) => format!("{} ({proof})", payload.reason),
        None => payload.reason.clone(),
    }
}

/// Why what a record dispatched cannot be undone any more.
pub(crate) fn no_undo(
    db: &Db,
    record: &AuditRecord,
    now: Millis,
) -> anyhow::Result<Option<String>> {
    let has = record.payload.as_ref().is_some_and(|payload| payload.undo_until.is_some());
    let id = ActionId(record.seq);
    let row = if has { db.action(id)? } else { None };
    Ok(row.map(|row| undoing::no_more(db, &row, now)).transpose()?.flatten())
}

/// Each dispatch with what later records say of it; where nothing was dispatched, what would have been done.
fn acts(records: &[AuditRecord], undos: &BTreeMap<ActionId, String>) -> Vec<Act> {
    let of_kind = |kind| {
        let all = records.iter().filter(move |record| record.kind == kind);
        all.filter_map(|r| trail::act(r, records, undos.get(&ActionId(r.seq)).map(String::as_str)))
    };
    let dispatched: Vec<Act> = of_kind(AuditKind::Dispatched).collect();
    match dispatched.is_empty() {
        false => dispatched,
        true => of_kind(AuditKind::Would).collect(),
    }
}
