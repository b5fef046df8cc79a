//! Promises that come due: a page to repeat, an incident to try again, a quarantine to empty.

use std::time::Duration;

use crate::model::ids::IncidentId;
use crate::model::incident::IncidentState;
use crate::model::message::{Message, Urgency};
use crate::model::time::Millis;
use crate::run::announce::PAGE_TIMER;
use crate::store::ballast::BallastState;
use crate::store::db::Db;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

/// The longest sleep: a timer that another part adds is seen by then at the latest.
const AT_MOST: Duration = Duration::from_secs(60);

impl Responder {
    /// How long until the next promise.
    pub(crate) async fn next_timer(&self) -> Duration {
        let now = self.runner.clock.now();
        match self.runner.store.call(|db| db.timers()).await {
            Ok(timers) => {
                timers.first().map_or(AT_MOST, |t| t.due_at.since(now).duration().min(AT_MOST))
            }
            Err(_) => AT_MOST,
        }
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
        if due.is_empty() {
            return Ok(());
        }
        for timer in due {
            match timer.kind.as_str() {
                PAGE_TIMER => {
                    let rules = std::sync::Arc::clone(&rules);
                    self.runner
                        .store
                        .call(move |db| {
                            db.atomically(|db| {
                                repeat_page(db, &rules.notify, rules.page_repeat, &timer, now)
                            })
                        })
                        .await?;
                }
                "quarantine" => self.empty_quarantine(&timer).await?,
                _ => self.runner.store.call(move |db| db.end_timer(timer.id)).await?,
            }
        }
        self.consider().await
    }
}

/// Pages again, unless somebody has it by now.
fn repeat_page(
    db: &mut Db,
    notify: &[String],
    every: crate::model::time::Span,
    timer: &Timer,
    now: Millis,
) -> anyhow::Result<()> {
    db.end_timer(timer.id)?;
    let id = timer.payload.get("incident").and_then(serde_json::Value::as_i64).map(IncidentId);
    let Some(incident) = id.map(|id| db.incident(id)).transpose()?.flatten() else { return Ok(()) };
    let over = matches!(incident.state, IncidentState::Resolved { .. })
        || incident.acknowledged_at.is_some();
    if over {
        return Ok(());
    }
    let text =
        |key: &str| timer.payload.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned();
    let message = Message {
        urgency: Urgency::Page,
        title: format!("still: {}", text("title").trim_start_matches("still: ")),
        body: text("body"),
        severity: incident.severity,
        incident: Some(incident.id),
        approval: None,
        key: format!("incident {} again", incident.id),
    };
    db.enqueue(&message, notify, now)?;
    db.add_timer(now + every, &timer.kind, &timer.payload, &timer.key)?;
    Ok(())
}
