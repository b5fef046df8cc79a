//! The way to the human that needs no database: for the moment when the audit log cannot be written.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::time::Instant;

use crate::model::message::{Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::Span;
use crate::notify::drain::Notifiers;

/// The same trouble is told again after this long.
const AGAIN: Span = Span::mins(30);

/// Pages straight through every notifier, at most every half hour.
#[derive(Debug)]
pub struct Alarm {
    notifiers: watch::Receiver<Notifiers>,
    last: Mutex<Option<Instant>>,
}

impl Alarm {
    pub fn new(notifiers: watch::Receiver<Notifiers>) -> Self {
        Self { notifiers, last: Mutex::default() }
    }

    /// Tells that reef cannot record, and therefore does not act.
    pub async fn unwritable(&self, why: &str) {
        if !self.due() {
            return;
        }
        let message = Message {
            urgency: Urgency::Page,
            title: "reef cannot write its audit log: nothing is done until it can".into(),
            body: format!(
                "{why}\nProbes go on. Make room on the state folder's disk, or see `reef status`."
            ),
            severity: Severity::Red,
            incident: None,
            approval: None,
            key: "audit unwritable".into(),
        };
        let notifiers = Arc::clone(&self.notifiers.borrow());
        for notifier in notifiers.iter() {
            if let Err(error) = notifier.send(&message).await {
                tracing::error!(to = notifier.name(), "the alarm did not go out: {error:?}");
            }
        }
    }

    fn due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|at| AGAIN.duration() <= at.elapsed());
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}
