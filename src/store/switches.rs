//! Switches that survive a restart: pause, hold, and leashes that were shortened.

use anyhow::{Context, Result};

use crate::model::ids::{HostName, RunbookName};
use crate::model::plan::Leash;
use crate::model::time::Millis;
use crate::store::db::Db;

/// A leash shortened by what happened; only config lengthens one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demotion {
    pub runbook: RunbookName,
    pub host: HostName,
    pub leash: Leash,
    pub why: String,
    pub at: Millis,
}

impl Db {
    /// A switch by its name: `paused`, `hold` ...
    pub fn flag(&self, name: &str) -> Result<Option<String>> {
        self.row("SELECT value FROM flag WHERE name = ?1", &[&name], |row| Ok(row.get(0)?))
    }

    /// `None` takes it away.
    pub fn set_flag(&mut self, name: &str, value: Option<&str>, now: Millis) -> Result<()> {
        let changed = match value {
            None => self.write("DELETE FROM flag WHERE name = ?1", &[&name]),
            Some(value) => self.write(
                "INSERT INTO flag (name, value, at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at",
                &[&name, &value, &now],
            ),
        };
        changed.map(|_| ())
    }

    /// All switches whose name begins so, by name, with when they were set.
    pub fn flags(&self, prefix: &str) -> Result<Vec<(String, String, Millis)>> {
        self.rows(
            "SELECT name, value, at FROM flag WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
            &[&prefix],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
    }

    /// Shortens a leash; a shorter one stays.
    pub fn demote(
        &mut self,
        runbook: &RunbookName,
        host: &HostName,
        leash: Leash,
        why: &str,
        now: Millis,
    ) -> Result<()> {
        self.atomically(|db| {
            if db.demotion(runbook, host)?.is_some_and(|old| old <= leash) {
                return Ok(());
            }
            db.write(
                "INSERT INTO demotion (runbook, host, leash, why, at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (runbook, host) DO UPDATE
                    SET leash = excluded.leash, why = excluded.why, at = excluded.at",
                &[&runbook.as_str(), &host.as_str(), &leash.as_str(), &why, &now],
            )?;
            Ok(())
        })
    }

    /// How far a runbook may go on a host, where something shortened its leash there.
    pub fn demotion(&self, runbook: &RunbookName, host: &HostName) -> Result<Option<Leash>> {
        self.row(
            "SELECT leash FROM demotion WHERE runbook = ?1 AND host = ?2",
            &[&runbook.as_str(), &host.as_str()],
            |row| leash(&row.get::<_, String>(0)?),
        )
    }

    pub fn demotions(&self) -> Result<Vec<Demotion>> {
        self.rows(
            "SELECT runbook, host, leash, why, at FROM demotion ORDER BY runbook, host",
            &[],
            |row| {
                Ok(Demotion {
                    runbook: RunbookName::new(row.get::<_, String>(0)?)?,
                    host: HostName::new(row.get::<_, String>(1)?)?,
                    leash: leash(&row.get::<_, String>(2)?)?,
                    why: row.get(3)?,
                    at: row.get(4)?,
                })
            },
        )
    }

    /// Forgets a demotion, after the operator raised the leash in the config again.
    pub fn end_demotion(&mut self, runbook: &RunbookName, host: &HostName) -> Result<()> {
        self.write(
            "DELETE FROM demotion WHERE runbook = ?1 AND host = ?2",
            &[&runbook.as_str(), &host.as_str()],
        )
        .map(|_| ())
    }
}

fn leash(word: &str) -> Result<Leash> {
    Leash::parse(word).with_context(|| format!("{word:?} in the database is no leash"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::memory;

    #[test]
    fn switches_are_set_listed_and_taken_away() {
        let store = memory();
        let set = |name: &str, value: Option<&str>, at| {
            store.call_now(|db| db.set_flag(name, value, Millis(at))).unwrap();
        };
        set("paused", Some("by hand"), 1);
        set("quarantine:2", Some("b"), 2);
        set("quarantine:1", Some("a"), 3);
        set("quarantine:1", Some("c"), 4);
        let listed = store.call_now(|db| db.flags("quarantine:")).unwrap();
        let row = |name: &str, value: &str, at| (name.to_owned(), value.to_owned(), Millis(at));
        assert_eq!(listed, [row("quarantine:1", "c", 4), row("quarantine:2", "b", 2)]);
        set("paused", None, 5);
        assert_eq!(store.call_now(|db| db.flag("paused")).unwrap(), None);
    }

    #[test]
    fn the_database_only_shortens_a_leash() {
        let store = memory();
        let (book, host) = (RunbookName::new("disk-full").unwrap(), HostName::new("mini").unwrap());
        let demote = |leash, at| {
            store.call_now(|db| db.demote(&book, &host, leash, "not fixed", Millis(at))).unwrap();
            store.call_now(|db| db.demotion(&book, &host)).unwrap()
        };
        assert_eq!(demote(Leash::Ask, 1), Some(Leash::Ask));
        assert_eq!(demote(Leash::Auto, 2), Some(Leash::Ask));
        assert_eq!(demote(Leash::Observe, 3), Some(Leash::Observe));
        let all = store.call_now(|db| db.demotions()).unwrap();
        assert_eq!((all.len(), all[0].at, all[0].why.as_str()), (1, Millis(3), "not fixed"));
        store.call_now(|db| db.end_demotion(&book, &host)).unwrap();
        assert_eq!(store.call_now(|db| db.demotions()).unwrap(), []);
    }
}
