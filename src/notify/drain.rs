//! Drains the outbox: delivers what is due, tries again later what can be; holds messages in quiet hours, and tells in
//! one what waited or what is too much.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::gate::rules::Rules;
use crate::model::approval::ApprovalState;
use crate::model::ids::{IncidentId, MessageId};
use crate::model::message::{Delivery, Message, Urgency};
use crate::model::severity::Severity;
use crate::model::time::{Millis, Span};
use crate::notify::terminal::Terminal;
use crate::notify::{NotSent, Notifier};
use crate::policy::telling::{STORM, Sending, Telling, sending, together};
use crate::store::Store;

/// The notifiers in force; a reload replaces them.
pub type Notifiers = Arc<Vec<Box<dyn Notifier>>>;

/// How many messages are taken at a time.
const AT_ONCE: u32 = 200;
/// How long one delivery may take.
const WITHIN: Duration = Duration::from_secs(20);
/// The pause after a failed try, doubled each time.
const FIRST_PAUSE: Span = Span::secs(5);
const LONGEST_PAUSE: Span = Span::mins(30);
/// What could not be delivered for a week is given up; the report says so.
const GIVE_UP_AFTER: Span = Span::days(7);
/// The longest sleep with nothing due.
const IDLE: Duration = Duration::from_secs(60);

/// Delivers messages for the daemon's life.
#[derive(Debug)]
pub struct Drain {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub notifiers: watch::Receiver<Notifiers>,
    /// When and how much is told: the rules in force.
    pub rules: watch::Receiver<Arc<Rules>>,
    /// Moves when something was enqueued, so that a message does not wait for the next round.
    pub enqueued: watch::Receiver<u64>,
    pub stop: CancellationToken,
}

impl Drain {
    /// Runs until told to stop; then one last round, so that what was enqueued on the way out is told.
    pub async fn run(mut self) {
        loop {
            let stopping = self.stop.is_cancelled();
            if let Err(error) = self.round().await {
                tracing::error!("the outbox cannot be read or written: {error:#}");
            }
            if stopping {
                return;
            }
            let pause = self.pause().await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = self.enqueued.changed() => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn pause(&self) -> Duration {
        let now = self.clock.now();
        match self.store.call(|db| db.next_delivery_at()).await {
            Ok(Some(at)) => at.since(now).duration().min(IDLE),
            Ok(None) | Err(_) => IDLE,
        }
    }

    /// Delivers all that is due now. A way that fails does not stop the others.
    pub async fn round(&self) -> anyhow::Result<()> {
        let now = self.clock.now();
        let due = self.store.call(move |db| db.due_deliveries(now, AT_ONCE)).await?;
        let notifiers = Arc::clone(&self.notifiers.borrow());
        let mut by_way: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for delivery in due {
            by_way.entry(delivery.to.clone()).or_default().push(delivery);
        }
        for (name, deliveries) in by_way {
            let way = notifiers.iter().find(|n| n.name() == name).map(AsRef::as_ref);
            let Sorted { each, calm, moot } = Sorted::of(deliveries);
            for id in moot {
                self.store.call(move |db| db.delivered(id, now)).await?;
            }
            let mut closed = None;
            for delivery in each {
                closed = match closed {
                    None => self.one(way, &name, &delivery, now).await?,
                    Some(until) => self.wait(&delivery, until, now).await?,
                };
            }
            match closed {
                None => self.calm(way, &name, calm, now).await?,
                Some(until) => {
                    for delivery in calm {
                        self.wait(&delivery, until, now).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The way is closed until then: in order, or later. What is due waits with the one that failed.
    async fn wait(
        &self,
        delivery: &Delivery,
        until: Millis,
        now: Millis,
    ) -> anyhow::Result<Option<Millis>> {
        let id = delivery.id;
        if delivery.next_at <= now {
            self.store.call(move |db| db.postpone(id, until)).await?;
        }
        Ok(Some(until))
    }

    /// Pages at once; a question in its hours and while somebody may still answer it. Gives until when the way is
    /// closed, if it is.
    async fn one(
        &self,
        way: Option<&dyn Notifier>,
        name: &str,
        delivery: &Delivery,
        now: Millis,
    ) -> anyhow::Result<Option<Millis>> {
        let id = delivery.id;
        if let Some(approval) = delivery.message.approval {
            let asked = self.store.call(move |db| db.approval(approval)).await?;
            if asked.is_none_or(|approval| approval.state != ApprovalState::Pending) {
                // Answered, or over, before it could be asked.
                self.store.call(move |db| db.delivered(id, now)).await?;
                return Ok(None);
            }
        }
        let until = self.telling().held_until(delivery.message.urgency, now);
        // The log wakes nobody.
        if let Some(until) = until.filter(|_| name != Terminal::NAME) {
            self.store.call(move |db| db.postpone(id, until)).await?;
            return Ok(None);
        }
        let sent = send(way, name, &delivery.message).await;
        let closed = match sent {
            Err(NotSent::Later(_)) => again(delivery, self.clock.now()),
            Ok(()) | Err(NotSent::Never(_)) => None,
        };
        self.record_at(delivery, sent, self.clock.now()).await?;
        Ok(closed)
    }

    /// The messages that may wait: one by one, in one, or later.
    async fn calm(
        &self,
        way: Option<&dyn Notifier>,
        name: &str,
        calm: Vec<Delivery>,
        now: Millis,
    ) -> anyhow::Result<()> {
        let Some(oldest) = calm.iter().map(|delivery| delivery.queued_at).min() else {
            return Ok(());
        };
        let (telling, target) = (self.telling(), name.to_owned());
        let sent = match name == Terminal::NAME {
            // A log has room for a storm.
            true => Vec::new(),
            false => self.store.call(move |db| db.sent_since(&target, now - STORM)).await?,
        };
        let how = match name == Terminal::NAME {
            true => Sending::Each,
            false => sending(&telling, calm.len(), oldest, &sent, now),
        };
        match how {
            Sending::Later(until) => {
                self.store
                    .call(move |db| {
                        db.atomically(|db| {
                            calm.iter().try_for_each(|delivery| db.postpone(delivery.id, until))
                        })
                    })
                    .await
            }
            Sending::Each => {
                let mut closed = None;
                for delivery in calm {
                    closed = match closed {
                        None => self.one(way, name, &delivery, now).await?,
                        Some(until) => self.wait(&delivery, until, now).await?,
                    };
                }
                Ok(())
            }
            Sending::Together => {
                let messages: Vec<_> = calm.iter().map(|d| (d.queued_at, &d.message)).collect();
                let Some(one) = together(&messages, telling.zone, now) else { return Ok(()) };
                let sent = send(way, name, &one).await;
                for delivery in &calm {
                    self.record_at(delivery, sent.clone(), now).await?;
                }
                Ok(())
            }
        }
    }

    fn telling(&self) -> Telling {
        self.rules.borrow().telling.clone()
    }

    /// Messages that went as one have one time, by which the storm cap counts them once.
    async fn record_at(
        &self,
        delivery: &Delivery,
        sent: Result<(), NotSent>,
        now: Millis,
    ) -> anyhow::Result<()> {
        let id = delivery.id;
        match sent {
            Ok(()) => self.store.call(move |db| db.delivered(id, now)).await,
            Err(NotSent::Never(why)) => {
                tracing::error!(to = delivery.to, "a message was given up: {why}");
                self.store.call(move |db| db.failed(id, &why, None)).await
            }
            Err(NotSent::Later(why)) => {
                let next = again(delivery, now);
                tracing::warn!(
                    to = delivery.to,
                    tries = delivery.tries + 1,
                    "a message waits: {why}"
                );
                self.store.call(move |db| db.failed(id, &why, next)).await
            }
        }
    }
}

/// What is due to one way.
#[derive(Debug, Default)]
struct Sorted {
    /// One by one, in order: pages, questions, the morning report.
    each: Vec<Delivery>,
    /// What may wait, and be told in one.
    calm: Vec<Delivery>,
    /// Said by a later one too.
    moot: Vec<MessageId>,
}

impl Sorted {
    /// Of the pages about one incident that could not be sent the last is enough; and what is over by now pages nobody.
    fn of(deliveries: Vec<Delivery>) -> Self {
        let resolved: BTreeSet<IncidentId> = deliveries
            .iter()
            .filter(|d| d.message.severity == Severity::Green)
            .filter_map(|d| d.message.incident)
            .collect();
        let mut last: BTreeMap<IncidentId, MessageId> = BTreeMap::new();
        for delivery in deliveries.iter().filter(|d| is_page_of_incident(&d.message)) {
            if let Some(incident) = delivery.message.incident {
                let newest = last.entry(incident).or_insert(delivery.id);
                *newest = (*newest).max(delivery.id);
            }
        }
        let mut sorted = Self::default();
        for delivery in deliveries {
            let message = &delivery.message;
            let incident = message.incident.filter(|_| is_page_of_incident(message));
            match incident {
                Some(of) if last.get(&of) != Some(&delivery.id) => sorted.moot.push(delivery.id),
                Some(of) if resolved.contains(&of) => sorted.calm.push(delivery),
                None if is_calm(message) => sorted.calm.push(delivery),
                Some(_) | None => sorted.each.push(delivery),
            }
        }
        sorted.calm.sort_by_key(|delivery| delivery.id);
        sorted
    }
}

fn is_page_of_incident(message: &Message) -> bool {
    message.urgency == Urgency::Page && message.incident.is_some() && message.approval.is_none()
}

/// Neither a page nor a question nor the morning report: it may be told with others.
fn is_calm(message: &Message) -> bool {
    let report = message.key.starts_with("report ");
    message.urgency == Urgency::Message && message.approval.is_none() && !report
}

async fn send(way: Option<&dyn Notifier>, name: &str, message: &Message) -> Result<(), NotSent> {
    let Some(way) = way else {
        return Err(NotSent::Never(format!("{name} is no longer in the config")));
    };
    match tokio::time::timeout(WITHIN, way.send(message)).await {
        Ok(sent) => sent,
        Err(_) => Err(NotSent::Later("no answer in time".into())),
    }
}

/// When to try again; `None` gives up.
fn again(delivery: &Delivery, now: Millis) -> Option<Millis> {
    if GIVE_UP_AFTER <= now.since(delivery.queued_at) {
        return None;
    }
    let doubled = FIRST_PAUSE.0.saturating_mul(1 << delivery.tries.min(12));
    Some(now + Span(doubled).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(tries: u32) -> Delivery {
        let message = Message {
            urgency: Urgency::Message,
            title: "t".into(),
            body: "b".into(),
            severity: Severity::Red,
            incident: None,
            approval: None,
            key: "k".into(),
        };
        Delivery {
            id: MessageId(1),
            to: "phone".into(),
            message,
            queued_at: Millis(0),
            tries,
            next_at: Millis(0),
        }
    }

    #[test]
    fn of_several_pages_the_last_is_sent_and_what_is_over_pages_nobody() {
        let of = |id: i64, incident: i64, urgency, severity| {
            let mut one = delivery(0);
            one.id = MessageId(id);
            one.message.incident = Some(IncidentId(incident));
            (one.message.urgency, one.message.severity) = (urgency, severity);
            one
        };
        let sorted = Sorted::of(vec![
            of(1, 7, Urgency::Page, Severity::Red),
            of(3, 7, Urgency::Page, Severity::Red),
            of(4, 8, Urgency::Page, Severity::Red),
            of(2, 9, Urgency::Message, Severity::Yellow),
            of(5, 8, Urgency::Message, Severity::Green),
        ]);
        let ids = |all: &[Delivery]| all.iter().map(|d| d.id.0).collect::<Vec<_>>();
        assert_eq!((ids(&sorted.each), ids(&sorted.calm)), (vec![3], vec![2, 4, 5]));
        assert_eq!(sorted.moot, [MessageId(1)]);
    }

    #[test]
    fn pauses_double_up_to_half_an_hour_and_end_after_a_week() {
        for (tries, want) in [(0, 5), (1, 10), (3, 40), (12, 1_800), (40, 1_800)] {
            assert_eq!(
                again(&delivery(tries), Millis(1)),
                Some(Millis(1) + Span::secs(want)),
                "after {tries}"
            );
        }
        assert_eq!(again(&delivery(40), Millis(0) + Span::days(7)), None);
    }
}
