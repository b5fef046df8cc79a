//! Telling the human about an incident: one place that writes the message, its repeat, and on the
//! incident that it was announced.

use serde_json::json;

use crate::gate::rules::Rules;
use crate::model::ids::Word;
use crate::model::incident::{Announced, Incident};
use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::Millis;
use crate::store::db::Db;

/// The kind of timer that repeats a page.
pub const PAGE_TIMER: &str = "page";

/// Enqueues a message about an incident and marks it announced, inside a transaction. The caller
/// saves the incident.
pub fn announce(
    db: &mut Db,
    rules: &Rules,
    incident: &mut Incident,
    urgency: Urgency,
    words: &Words,
    now: Millis,
) -> anyhow::Result<()> {
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
        let payload =
            json!({ "incident": incident.id, "title": message.title, "body": message.body });
        db.add_timer(
            now + rules.page_repeat,
            &Word::of(PAGE_TIMER),
            &payload,
            &format!("page {}", incident.id),
        )?;
    }
    Ok(())
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
