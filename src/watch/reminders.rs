//! Reminders by date: a certificate that somebody has to renew by hand, as one that signs for itself, is told of at 30, 7 and
//! 1 days, whatever its severity. And twice a day what was told and nobody acknowledged.

use serde_json::Value as Json;

use crate::model::ids::Word;
use crate::model::incident::{Announced, Incident, IncidentState};
use crate::model::message::{Message, Urgency};
use crate::model::reading::Reading;
use crate::model::time::Millis;
use crate::model::value::Value;
use crate::run::announce::headline;
use crate::store::timers::Timer;
use crate::watch::responder::Responder;

/// Days left at which to remind, the nearest last.
const DAYS: [i64; 3] = [30, 7, 1];

/// The reminder that is due with so many days left: the nearest step that was reached.
fn step(days: i64) -> Option<i64> {
    DAYS.into_iter().filter(|step| days <= *step).min()
}

/// The kind of timer that tells what is unanswered.
pub const REMIND: &str = "remind";
/// The most that one reminder names.
const MOST: usize = 20;

/// One message for all that was told, still stands, and nobody said anything to. None where there is nothing.
fn unanswered(incidents: &[Incident], now: Millis) -> Option<Message> {
    let waits = |i: &&Incident| {
        i.announced != Announced::No
            && i.acknowledged_at.is_none()
            && !i.care.silent
            && !i.drill
            && !matches!(i.state, IncidentState::Explained { .. } | IncidentState::Resolved { .. })
    };
    let waiting: Vec<&Incident> = incidents.iter().filter(waits).collect();
    let line = |i: &&&Incident| {
        let since = now.since(i.opened_at);
        format!("{} {} for {since}: {}", i.id, headline(i), i.reading.words.first_line())
    };
    let mut lines: Vec<String> = waiting.iter().take(MOST).map(|i| line(&i)).collect();
    let worst = waiting.iter().map(|i| i.severity).max()?;
    if MOST < waiting.len() {
        lines.push(format!("and {} more", waiting.len() - MOST));
    }
    lines.push("`reef ack ID` when you have it, `reef ack ID --for 2d` for a while".into());
    Some(Message {
        urgency: Urgency::Message,
        title: format!("unanswered: {}", waiting.len()),
        body: lines.join("\n"),
        severity: worst,
        incident: None,
        approval: None,
        key: format!("unanswered {}", now.0),
    })
}

impl Responder {
    /// Sees to it that there is a next reminder, at the times that the config says now.
    pub(crate) async fn promise_reminder(&self) -> anyhow::Result<()> {
        let (now, rules) = (self.runner.clock.now(), self.runner.gate.rules());
        let Some(next) = rules.telling.next_reminder(now) else { return Ok(()) };
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    // One that came due while reef was down is kept: it is told once, late.
                    let missed = db.timers()?.iter().any(|t| t.key == REMIND && t.due_at <= now);
                    if !missed {
                        db.add_timer(next, &Word::of(REMIND), &Json::Null, REMIND)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Tells what is unanswered, and promises the next time.
    pub(crate) async fn remind_unanswered(&self, timer: &Timer) -> anyhow::Result<()> {
        let (now, rules, id) = (self.runner.clock.now(), self.runner.gate.rules(), timer.id);
        self.runner
            .store
            .call(move |db| {
                db.atomically(|db| {
                    if let Some(message) = unanswered(&db.unresolved()?, now) {
                        db.enqueue(&message, &rules.notify, now)?;
                    }
                    match rules.telling.next_reminder(now) {
                        Some(at) => {
                            db.add_timer(at, &Word::of(REMIND), &Json::Null, REMIND).map(drop)
                        }
                        None => db.end_timer(id),
                    }
                })
            })
            .await
    }

    /// Reminds once for each certificate and step. The key has the end of the certificate's life in
    /// it, so that a renewed one starts over.
    pub(crate) async fn remind(&self, readings: &[Reading]) -> anyhow::Result<()> {
        for reading in readings.iter().filter(|r| r.signal.probe.as_str() == "tls") {
            let Some(Value::Int(days)) = reading.values.get("days") else { continue };
            // What a program renews is told of when it does not: at 30 days it is only due.
            if reading.values.get("by_hand") != Some(&Value::Flag(true)) {
                continue;
            }
            let Some(step) = step(*days) else { continue };
            let ends = match reading.values.get("ends") {
                Some(value) => value.to_string(),
                None => String::new(),
            };
            let message = Message {
                urgency: Urgency::Message,
                title: format!("certificate {}: {days} days left", reading.signal.target.name()),
                body: format!("{}\nreef reminds at 30, 7 and 1 days.", reading.words.first_line()),
                severity: reading.severity,
                incident: None,
                approval: None,
                key: format!("certificate {} {ends} {step}", reading.signal.target),
            };
            let (now, rules) = (self.runner.clock.now(), self.runner.gate.rules());
            self.runner
                .store
                .call(move |db| {
                    db.atomically(|db| {
                        if !db.has_message(&message.key)? {
                            db.enqueue(&message, &rules.notify, now)?;
                        }
                        Ok(())
                    })
                })
                .await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_reached_once_on_the_way_down() {
        for (days, want) in [
            (31, None),
            (30, Some(30)),
            (8, Some(30)),
            (7, Some(7)),
            (2, Some(7)),
            (1, Some(1)),
            (-3, Some(1)),
        ] {
            assert_eq!(step(days), want, "{days} days");
        }
    }
}
