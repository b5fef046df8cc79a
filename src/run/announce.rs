//! Telling the human about an incident: one place that writes the message, its repeat, and on the
//! incident that it was announced.

use serde_json::json;

use crate::gate::rules::Rules;
use crate::model::ids::{IncidentId, Word};
use crate::model::incident::{Announced, Incident};
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::policy::hours::Closed;
use crate::store::db::Db;

/// The kind of timer that repeats a page.
pub const PAGE_TIMER: &str = "page";

/// Enqueues a message about an incident and marks it announced, inside a transaction. The caller
/// saves the incident.
///
/// Within a silence nothing is enqueued but the end of what was told before. A page of a red that is still tolerated,
/// or that may not wake anybody, waits for its time: what is over by then is a line in the report.
pub fn announce(
    db: &mut Db,
    rules: &Rules,
    incident: &mut Incident,
    urgency: Urgency,
    words: &Words,
    now: Millis,
) -> anyhow::Result<()> {
    let pressing = words.about == UNKNOWN;
    if incident.care.silent && !incident.is_security() && !pressing && words.about != RESOLVED {
        return Ok(());
    }
    let payload = json!({ "incident": incident.id, "title": words.title, "body": words.body });
    if urgency == Urgency::Page && !pressing {
        let at = pages_at(rules, incident, now);
        if now < at {
            let first = json!({ "first": true });
            return page_later(db, incident.id, &merged(payload, first), at);
        }
    }
    let message = Message {
        urgency,
        title: words.title.clone(),
        body: words.body.clone(),
        severity: words.severity,
        incident: Some(incident.id),
        approval: None,
        key: format!("incident {} {}", incident.id, words.about),
    };
    db.enqueue(&message, &rules.notify, now)?;
    let announced = match urgency {
        Urgency::Message => Announced::Message,
        Urgency::Page => Announced::Page,
    };
    if incident.announced != Announced::Page {
        incident.announced = announced;
    }
    if urgency == Urgency::Page {
        page_later(db, incident.id, &payload, now + rules.page_repeat)?;
    }
    Ok(())
}

/// What a page is about that never waits: an action that nobody knows of.
pub const UNKNOWN: &str = "unknown action";
/// The message that an incident is over.
pub const RESOLVED: &str = "resolved";

/// When an incident may page: past its tolerance and, unless it may wake somebody, past the quiet hours. What may be an
/// intruder's doing wakes everybody.
pub fn pages_at(rules: &Rules, incident: &Incident, now: Millis) -> Millis {
    if incident.is_security() {
        return now;
    }
    let from = match incident.severity {
        Severity::Red => incident.pages_from().max(now),
        Severity::Green | Severity::Unknown | Severity::Yellow => now,
    };
    match rules.telling.quiet(from) {
        Some(quiet) if !incident.care.wakes => quiet.until,
        Some(_) | None => from,
    }
}

/// Pages then, unless it is over or somebody has it by then.
pub fn page_later(
    db: &mut Db,
    id: IncidentId,
    payload: &serde_json::Value,
    at: Millis,
) -> anyhow::Result<()> {
    db.add_timer(at, &Word::of(PAGE_TIMER), payload, &format!("page {id}")).map(drop)
}

fn merged(mut one: serde_json::Value, more: serde_json::Value) -> serde_json::Value {
    if let (Some(one), serde_json::Value::Object(more)) = (one.as_object_mut(), more) {
        one.extend(more);
    }
    one
}

/// A question that would come in quiet hours is not asked: the plan is made and judged anew in the morning. Says until
/// when, and sees to it that the incident comes up again then.
pub fn ask_later(
    db: &mut Db,
    rules: &Rules,
    id: IncidentId,
    now: Millis,
) -> anyhow::Result<Option<Millis>> {
    let Some(quiet) = rules.telling.quiet(now) else { return Ok(None) };
    if db.incident(id)?.is_none_or(|incident| incident.care.wakes || incident.drill) {
        return Ok(None);
    }
    db.add_timer(quiet.until, &Word::of("retry"), &serde_json::Value::Null, &morning(id))?;
    Ok(Some(quiet.until))
}

/// A plan that may not begin now waits for its runbook's hours: it is made and judged anew then. The human is
/// told once, and when they begin.
pub fn act_later(
    db: &mut Db,
    rules: &Rules,
    id: IncidentId,
    closed: &Closed,
    now: Millis,
) -> anyhow::Result<()> {
    let Some(opens_at) = closed.opens_at else { return Ok(()) };
    let known = db.timers()?.iter().any(|timer| timer.key == hours(id));
    db.add_timer(opens_at, &Word::of("retry"), &serde_json::Value::Null, &hours(id))?;
    let Some(mut incident) = db.incident(id)? else { return Ok(()) };
    if known || incident.drill {
        return Ok(());
    }
    let words = Words {
        title: format!("{}: waits for its hours", headline(&incident)),
        body: format!(
            "{} ({id})\n{}.\nIt is looked at, planned and judged anew then; `reef runbook run` does it now",
            incident.reading.words.first_line(),
            closed.words
        ),
        severity: incident.severity,
        about: "hours",
    };
    announce(db, rules, &mut incident, Urgency::Message, &words, now)?;
    db.save_incident(&incident)
}

/// What was left alone comes up again then, if it is still there.
pub fn look_later(db: &mut Db, id: IncidentId, at: Millis) -> anyhow::Result<()> {
    db.add_timer(at, &Word::of("retry"), &serde_json::Value::Null, &again(id)).map(drop)
}

/// Whether this incident waits: its question for the morning, its plan for its hours, or what was left alone for
/// another look.
pub fn asks_later(db: &Db, id: IncidentId, now: Millis) -> anyhow::Result<bool> {
    let keys = [morning(id), hours(id), again(id)];
    Ok(db.timers()?.iter().any(|timer| keys.contains(&timer.key) && now < timer.due_at))
}

fn hours(id: IncidentId) -> String {
    format!("hours of {id}")
}

fn again(id: IncidentId) -> String {
    format!("look at {id} again")
}

fn morning(id: IncidentId) -> String {
    format!("ask {id} in the morning")
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub title: String,
    pub body: String,
    pub severity: Severity,
    /// Which of the incident's messages it is: `opened`, `ended`, `resolved`.
    pub about: &'static str,
}

/// How loud it is when nothing more will be done about an incident: a red pages where its runbook says
/// so or where there is no runbook; anything milder is a calm message.
pub fn loudness(incident: &Incident, escalate: Urgency) -> Urgency {
    match (incident.severity, escalate) {
        (Severity::Red, Urgency::Page) => Urgency::Page,
        (Severity::Green | Severity::Unknown | Severity::Yellow | Severity::Red, _) => {
            Urgency::Message
        }
    }
}

/// `red disk mini:/var bytes`.
pub fn headline(incident: &Incident) -> String {
    format!("{} {}", incident.severity, incident.signal)
}
