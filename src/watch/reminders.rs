//! Reminders by date: a certificate that somebody has to renew by hand is told of at 30, 7 and 1 days,
//! whatever its severity.

use crate::model::message::{Message, Urgency};
use crate::model::reading::Reading;
use crate::model::value::Value;
use crate::watch::responder::Responder;

/// Days left at which to remind, the nearest last.
const DAYS: [i64; 3] = [30, 7, 1];

/// The reminder that is due with so many days left: the nearest step that was reached.
fn step(days: i64) -> Option<i64> {
    DAYS.into_iter().filter(|step| days <= *step).min()
}

impl Responder {
    /// Reminds once for each certificate and step. The key has the end of the certificate's life in
    /// it, so that a renewed one starts over.
    pub(crate) async fn remind(&self, readings: &[Reading]) -> anyhow::Result<()> {
        for reading in readings.iter().filter(|r| r.signal.probe.as_str() == "tls") {
            let Some(Value::Int(days)) = reading.values.get("days") else { continue };
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
