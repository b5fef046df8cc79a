//! Promises that come due: a page to repeat, an incident to try again, a quarantine to empty.

use std::time::Duration;

use serde_json::json;

use crate::gate::promise::REVERT;
use crate::gate::rules::Rules;
use crate::model::ids::IncidentId;
use crate::model::incident::{Announced, Incident, IncidentState};
use crate::model::message::{Message, Urgency};
use crate::model::time::{Millis, Span};
use crate::run::announce::{PAGE_TIMER, announce, loudness, page_later, pages_at};
use crate::store::ballast::BallastState;
use crate::store::db::Db;
use crate::store::timers::Timer;
use crate::watch::reminders::REMIND;
use crate::watch::responder::Responder;
use crate::watch::{quarantine, snapshots, words};

/// The longest sleep: a timer that another part adds is seen by then at the latest.
const AT_MOST: Duration = Duration::from_secs(60);
/// How long a page waits that may not be sent now for a reason that ends by itself.
const NOT_YET: Span = Span::mins(1);
/// The kind of timer that ends an acknowledgement.
pub const KNOWN: &str = "known";

impl Responder {
    /// How long until the next promise.
    pub(crate) async fn next_timer(&self) -> Duration {
        let now = self.runner.clock.now();
        let first = match self.runner.store.call(|db| db.timers()).await {
            Ok(timers) => timers.first().map(|timer| timer.due_at),
            Err(_) => None,
        };
        let next = first.into_iter().chain(self.again_at).min();
        next.map_or(AT_MOST, |at| at.since(now).duration().min(AT_MOST))
    }

    /// Once there is room again, the ballast is made anew: the next full disk wants it too.
    async fn ballast(&self) {
        let store = self.runner.store.clone();
        if store.health().ballast == BallastState::Released {
            // Whether it could be made stands in the store's health.
            drop(tokio::task::spawn_blocking(move || store.restore_ballast()).await);
        }
    }

    /// Keeps what came due.
    pub(crate) async fn due(&mut self) -> anyhow::Result<()> {
        let now = self.runner.clock.now();
        let rules = self.runner.gate.rules();
        self.ballast().await;
        let due = self.runner.store.call(move |db| db.due_timers(now)).await?;
        let again = self.again_at.is_some_and(|at| at <= now);
        if due.is_empty() && !again {
            return Ok(());
        }
        for timer in due {
            match timer.kind.as_str() {
                PAGE_TIMER => {
                    let rules = std::sync::Arc::clone(&rules);
                    self.runner
                        .store
                        .call(move |db| db.atomically(|db| repeat_page(db, &rules, &timer, now)))
                        .await?;
                }
                REMIND => self.remind_unanswered(&timer).await?,
                KNOWN => {
                    let rules = std::sync::Arc::clone(&rules);
                    self.runner
                        .store
                        .call(move |db| db.atomically(|db| known_no_more(db, &rules, &timer, now)))
                        .await?;
                }
                REVERT => self.revert(&timer).await?,
                snapshots::KEY => self.forget_snapshots(&timer).await?,
                quarantine::KEY => self.empty_quarantine(&timer).await?,
                _ => self.runner.store.call(move |db| db.end_timer(timer.id)).await?,
            }
        }
        self.consider().await
    }
}

/// Pages, for the first time or again, unless it is over or somebody has it by now. What is explained or silenced
/// meanwhile, and what may not wake anybody, waits.
fn repeat_page(db: &mut Db, rules: &Rules, timer: &Timer, now: Millis) -> anyhow::Result<()> {
    db.end_timer(timer.id)?;
    let Some(mut incident) = incident_of(db, timer)? else { return Ok(()) };
    let over = matches!(incident.state, IncidentState::Resolved { .. })
        || incident.acknowledged_at.is_some();
    if over {
        return Ok(());
    }
    let explained = matches!(incident.state, IncidentState::Explained { .. });
    let at = pages_at(rules, &incident, now);
    let silent = incident.care.silent && !incident.is_security();
    if explained || silent || now < at {
        return page_later(db, incident.id, &timer.payload, at.max(now + NOT_YET));
    }
    let text =
        |key: &str| timer.payload.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let first = timer.payload.get("first").is_some();
    let title = text("title").trim_start_matches("still: ").to_owned();
    let message = Message {
        urgency: Urgency::Page,
        title: if first { title } else { format!("still: {title}") },
        body: text("body"),
        severity: incident.severity,
        incident: Some(incident.id),
        approval: None,
        key: format!("incident {} again", incident.id),
    };
    db.enqueue(&message, &rules.notify, now)?;
    incident.announced = Announced::Page;
    db.save_incident(&incident)?;
    let payload = json!({ "incident": incident.id, "title": message.title, "body": message.body });
    page_later(db, incident.id, &payload, now + rules.page_repeat)
}

fn incident_of(db: &Db, timer: &Timer) -> anyhow::Result<Option<Incident>> {
    let id = timer.payload.get("incident").and_then(serde_json::Value::as_i64).map(IncidentId);
    Ok(id.map(|id| db.incident(id)).transpose()?.flatten())
}

/// An acknowledgement that was for a while: what is still there is the human's and reef's again.
fn known_no_more(db: &mut Db, rules: &Rules, timer: &Timer, now: Millis) -> anyhow::Result<()> {
    db.end_timer(timer.id)?;
    let Some(mut incident) = incident_of(db, timer)? else { return Ok(()) };
    let over = matches!(incident.state, IncidentState::Resolved { .. });
    if over || incident.care.known_until.is_none_or(|until| now < until) {
        return Ok(());
    }
    incident.acknowledged_at = None;
    incident.care.known_until = None;
    incident.care.note = None;
    if let IncidentState::Escalated { .. } = incident.state {
        let urgency = loudness(&incident, Urgency::Page);
        let words = words::no_longer_known(&incident);
        announce(db, rules, &mut incident, urgency, &words, now)?;
    }
    db.save_incident(&incident)
}
