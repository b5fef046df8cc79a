//! Messages on their way to the human.

use anyhow::{Result, bail};

use crate::model::ids::{IncidentId, MessageId};
use crate::model::message::{Delivery, Message, Urgency};
use crate::model::time::Millis;
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

/// How delivery went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxStats {
    pub queued: u32,
    pub delivered: u32,
    pub given_up: u32,
    /// Not delivered yet, whenever they were queued.
    pub waiting: u32,
    /// The oldest that waits.
    pub waiting_since: Option<Millis>,
}

impl Db {
    /// One delivery for each target.
    pub fn enqueue(
        &mut self,
        message: &Message,
        to: &[String],
        now: Millis,
    ) -> Result<Vec<MessageId>> {
        let page = i64::from(message.urgency == Urgency::Page);
        let json = to_json(message)?;
        self.atomically(|db| {
            to.iter()
                .map(|target| {
                    let id = db.insert(
                        "INSERT INTO outbox (target, key, page, queued_at, next_at, json)
                         VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
                        &[target, &message.key, &page, &now, &json],
                    )?;
                    Ok(MessageId(id))
                })
                .collect()
        })
    }

    /// All that was enqueued about an incident, oldest first.
    pub fn messages_of(&self, incident: IncidentId) -> Result<Vec<Delivery>> {
        self.rows(
            "SELECT id, target, queued_at, tries, coalesce(next_at, queued_at), json FROM outbox
              WHERE json_extract(json, '$.incident') = ?1 ORDER BY id",
            &[&incident],
            delivery,
        )
    }

    /// Those whose time has come: pages first, then by age. When one is due that could not be sent before, all that
    /// could not be sent the same way are: once the network is back, they go together.
    pub fn due_deliveries(&self, now: Millis, limit: u32) -> Result<Vec<Delivery>> {
        self.rows(
            "SELECT id, target, queued_at, tries, next_at, json FROM outbox
              WHERE next_at <= ?1
                 OR (0 < tries AND next_at IS NOT NULL
                     AND target IN (SELECT target FROM outbox WHERE next_at <= ?1 AND 0 < tries))
              ORDER BY page DESC, id LIMIT ?2",
            &[&now, &limit],
            delivery,
        )
    }

    /// When the next delivery is due, for the sleep until then.
    pub fn next_delivery_at(&self) -> Result<Option<Millis>> {
        let sql = "SELECT min(next_at) FROM outbox WHERE next_at IS NOT NULL";
        Ok(self.row(sql, &[], |row| Ok(row.get(0)?))?.flatten())
    }

    pub fn delivered(&mut self, id: MessageId, now: Millis) -> Result<()> {
        let changed = self.write(
            "UPDATE outbox SET tries = tries + 1, next_at = NULL, delivered_at = ?2, last_error = NULL
              WHERE id = ?1",
            &[&id, &now],
        )?;
        known(id, changed)
    }

    /// Counts the try; `next_at` none: given up.
    pub fn failed(&mut self, id: MessageId, why: &str, next_at: Option<Millis>) -> Result<()> {
        let changed = self.write(
            "UPDATE outbox SET tries = tries + 1, next_at = ?3, last_error = ?2
              WHERE id = ?1 AND delivered_at IS NULL",
            &[&id, &why, &next_at],
        )?;
        known(id, changed)
    }

    /// Not before then: quiet hours, or too many at once. It counts as no try.
    pub fn postpone(&mut self, id: MessageId, until: Millis) -> Result<()> {
        let sql = "UPDATE outbox SET next_at = ?2 WHERE id = ?1 AND delivered_at IS NULL";
        self.write(sql, &[&id, &until]).map(|_| ())
    }

    /// When messages that are no pages went this way after then; several that went as one count once.
    pub fn sent_since(&self, target: &str, since: Millis) -> Result<Vec<Millis>> {
        self.rows(
            "SELECT DISTINCT delivered_at FROM outbox
              WHERE target = ?1 AND ?2 < delivered_at AND page = 0 ORDER BY delivered_at",
            &[&target, &since],
            |row| Ok(row.get(0)?),
        )
    }

    /// Over messages queued since then.
    pub fn outbox_stats(&self, since: Millis) -> Result<OutboxStats> {
        let stats = self.row(
            "SELECT count(*) FILTER (WHERE ?1 <= queued_at),
                    count(*) FILTER (WHERE ?1 <= queued_at AND delivered_at IS NOT NULL),
                    count(*) FILTER (WHERE ?1 <= queued_at AND delivered_at IS NULL AND next_at IS NULL),
                    count(*) FILTER (WHERE next_at IS NOT NULL),
                    min(queued_at) FILTER (WHERE next_at IS NOT NULL)
               FROM outbox WHERE ?1 <= queued_at OR next_at IS NOT NULL",
            &[&since],
            |row| {
                Ok(OutboxStats {
                    queued: row.get(0)?,
                    delivered: row.get(1)?,
                    given_up: row.get(2)?,
                    waiting: row.get(3)?,
                    waiting_since: row.get(4)?,
                })
            },
        )?;
        Ok(stats.unwrap_or_default())
    }

    /// Whether a message with this key was ever enqueued.
    pub fn has_message(&self, key: &str) -> Result<bool> {
        let found = self.row("SELECT 1 FROM outbox WHERE key = ?1", &[&key], |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// Forgets messages that were delivered or given up before then; those that wait stay.
    pub fn prune_outbox(&mut self, before: Millis) -> Result<()> {
        let sql = "DELETE FROM outbox WHERE queued_at < ?1 AND next_at IS NULL";
        self.write(sql, &[&before]).map(|_| ())
    }
}

fn known(id: MessageId, changed: usize) -> Result<()> {
    match changed {
        0 => bail!("there is no message {id} on its way"),
        _ => Ok(()),
    }
}

fn delivery(row: &rusqlite::Row<'_>) -> Result<Delivery> {
    let id: MessageId = row.get(0)?;
    let json: String = row.get(5)?;
    Ok(Delivery {
        id,
        to: row.get(1)?,
        message: from_json(&format!("message {id}"), &json)?,
        queued_at: row.get(2)?,
        tries: row.get(3)?,
        next_at: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::severity::Severity;
    use crate::store::tests::memory;

    fn message(urgency: Urgency, key: &str) -> Message {
        Message {
            urgency,
            title: "disk full".into(),
            body: "on mini".into(),
            severity: Severity::Red,
            incident: None,
            approval: None,
            key: key.into(),
        }
    }

    #[test]
    fn a_message_stays_until_it_is_delivered_or_given_up() {
        let store = memory();
        let both = ["terminal".to_owned(), "phone".to_owned()];
        let calm = message(Urgency::Message, "a");
        let ids = store.call_now(|db| db.enqueue(&calm, &both, Millis(10))).unwrap();
        let page = message(Urgency::Page, "b");
        let paged = store.call_now(|db| db.enqueue(&page, &both[1..], Millis(20))).unwrap();
        let due = |now, limit| store.call_now(|db| db.due_deliveries(Millis(now), limit)).unwrap();
        let numbers = |now, limit| due(now, limit).iter().map(|d| d.id).collect::<Vec<_>>();
        assert_eq!(numbers(20, 10), [paged[0], ids[0], ids[1]], "pages first");
        assert_eq!(numbers(20, 1), [paged[0]]);
        assert_eq!(due(19, 10)[1].message, calm);

        store.call_now(|db| db.delivered(ids[0], Millis(21))).unwrap();
        store.call_now(|db| db.failed(ids[1], "refused", Some(Millis(90)))).unwrap();
        store.call_now(|db| db.failed(paged[0], "refused", None)).unwrap();
        assert_eq!(numbers(89, 10), []);
        assert_eq!(due(90, 10)[0].tries, 1);
        assert_eq!(store.call_now(|db| db.next_delivery_at()).unwrap(), Some(Millis(90)));
        let stats = store.call_now(|db| db.outbox_stats(Millis(0))).unwrap();
        let waiting_since = Some(Millis(10));
        let want = OutboxStats { queued: 3, delivered: 1, given_up: 1, waiting: 1, waiting_since };
        assert_eq!(stats, want);

        assert!(store.call_now(|db| db.failed(ids[0], "late", None)).is_err(), "it is delivered");
        store.call_now(|db| db.prune_outbox(Millis(15))).unwrap();
        assert!(store.call_now(|db| db.has_message("a")).unwrap(), "one of them still waits");
        store.call_now(|db| db.prune_outbox(Millis(50))).unwrap();
        assert!(!store.call_now(|db| db.has_message("b")).unwrap());
    }
}
