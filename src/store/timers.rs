//! Promises for later, which survive a restart.

use anyhow::Result;
use rusqlite::Row;
use serde_json::Value as Json;

use crate::model::ids::{TimerId, Word};
use crate::model::time::Millis;
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

/// One promise.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    pub id: TimerId,
    pub due_at: Millis,
    pub kind: Word,
    pub payload: Json,
    pub key: String,
}

impl Db {
    /// A timer with the same key is replaced.
    pub fn add_timer(
        &mut self,
        due_at: Millis,
        kind: &Word,
        payload: &Json,
        key: &str,
    ) -> Result<TimerId> {
        self.atomically(|db| {
            db.write("DELETE FROM timer WHERE key = ?1", &[&key])?;
            let id = db.insert(
                "INSERT INTO timer (due_at, kind, key, json) VALUES (?1, ?2, ?3, ?4)",
                &[&due_at, &kind.as_str(), &key, &to_json(payload)?],
            )?;
            Ok(TimerId(id))
        })
    }

    /// Those whose time has come, earliest first. They stay until they are ended.
    pub fn due_timers(&self, now: Millis) -> Result<Vec<Timer>> {
        self.rows("SELECT * FROM timer WHERE due_at <= ?1 ORDER BY due_at, id", &[&now], timer)
    }

    /// The promise is kept, or given up.
    pub fn end_timer(&mut self, id: TimerId) -> Result<()> {
        self.write("DELETE FROM timer WHERE id = ?1", &[&id]).map(|_| ())
    }

    /// All, earliest first.
    pub fn timers(&self) -> Result<Vec<Timer>> {
        self.rows("SELECT * FROM timer ORDER BY due_at, id", &[], timer)
    }
}

fn timer(row: &Row<'_>) -> Result<Timer> {
    let id: TimerId = row.get("id")?;
    let (kind, json): (String, String) = (row.get("kind")?, row.get("json")?);
    Ok(Timer {
        id,
        due_at: row.get("due_at")?,
        kind: Word::new(kind)?,
        payload: from_json(&format!("timer {id}"), &json)?,
        key: row.get("key")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::memory;

    #[test]
    fn a_timer_is_due_until_it_is_ended_and_its_key_is_its_own() {
        let store = memory();
        let add = |due, key: &str| {
            let kind = Word::of("quarantine");
            store.call_now(|db| db.add_timer(Millis(due), &kind, &due.into(), key)).unwrap()
        };
        let due = |now| -> Vec<Timer> { store.call_now(|db| db.due_timers(Millis(now))).unwrap() };
        let (late, early) = (add(20, "a"), add(10, "b"));
        assert_eq!(due(9), []);
        assert_eq!(due(20).iter().map(|t| t.id).collect::<Vec<_>>(), [early, late]);
        let moved = add(30, "a");
        assert_eq!(due(20).len(), 1);
        store.call_now(|db| db.end_timer(early)).unwrap();
        let left = Timer {
            id: moved,
            due_at: Millis(30),
            kind: Word::of("quarantine"),
            payload: 30.into(),
            key: "a".into(),
        };
        assert_eq!(store.call_now(|db| db.timers()).unwrap(), [left]);
    }
}
