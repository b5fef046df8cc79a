//! Silences that a human typed, and what jobs reported.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use rusqlite::Row;

use crate::model::ids::SilenceId;
use crate::model::push::Pushed;
use crate::model::silence::{Pattern, Silence};
use crate::model::time::{Millis, Span};
use crate::store::columns::{from_json, to_json};
use crate::store::db::Db;

/// How long one that has ended is kept, for the report.
const KEPT: Span = Span::days(30);

impl Db {
    /// Begins one now.
    pub fn add_silence(
        &mut self,
        about: &Pattern,
        note: &str,
        by: &str,
        now: Millis,
        until: Millis,
    ) -> Result<Silence> {
        self.write("DELETE FROM silence WHERE until_at < ?1", &[&(now - KEPT)])?;
        let id = self.insert(
            "INSERT INTO silence (about, note, by, from_at, until_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[&about.as_str(), &note, &by, &now, &until],
        )?;
        let (about, note, by) = (about.clone(), note.to_owned(), by.to_owned());
        Ok(Silence { id: SilenceId(id), about, note, by, from: now, until })
    }

    /// Those that have not ended, the next to end first.
    pub fn silences(&self, now: Millis) -> Result<Vec<Silence>> {
        let sql = "SELECT * FROM silence WHERE ?1 < until_at ORDER BY until_at, id";
        self.rows(sql, &[&now], silence)
    }

    /// Ends one before its time. None where it has ended, or never was.
    pub fn expire_silence(&mut self, id: SilenceId, now: Millis) -> Result<Option<Silence>> {
        let sql = "SELECT * FROM silence WHERE id = ?1 AND ?2 < until_at";
        let Some(found) = self.row(sql, &[&id.0, &now], silence)? else { return Ok(None) };
        self.write("UPDATE silence SET until_at = ?2 WHERE id = ?1", &[&id.0, &now])?;
        Ok(Some(Silence { until: now, ..found }))
    }

    /// What jobs reported, by name.
    pub fn pushes(&self) -> Result<BTreeMap<String, Pushed>> {
        let rows = self.rows("SELECT name, json FROM push", &[], |row| {
            let (name, json): (String, String) = (row.get(0)?, row.get(1)?);
            let pushed = from_json(&format!("the reports of {name}"), &json)?;
            Ok((name, pushed))
        })?;
        Ok(rows.into_iter().collect())
    }

    pub fn save_push(&mut self, name: &str, pushed: &Pushed) -> Result<()> {
        self.write(
            "INSERT INTO push (name, json) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET json = excluded.json",
            &[&name, &to_json(pushed)?],
        )
        .map(|_| ())
    }

    /// Forgets jobs that the config no longer names.
    pub fn forget_push(&mut self, name: &str) -> Result<()> {
        self.write("DELETE FROM push WHERE name = ?1", &[&name]).map(|_| ())
    }
}

fn silence(row: &Row<'_>) -> Result<Silence> {
    let id: i64 = row.get("id")?;
    let about: String = row.get("about")?;
    Ok(Silence {
        id: SilenceId(id),
        about: Pattern::parse(&about).map_err(|why| anyhow!("silence {id}: \"{about}\" {why}"))?,
        note: row.get("note")?,
        by: row.get("by")?,
        from: row.get("from_at")?,
        until: row.get("until_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::push::Report;
    use crate::store::tests::memory;

    #[test]
    fn a_silence_ends_by_itself_or_by_hand() {
        let store = memory();
        let about = Pattern::parse("nas").unwrap();
        let add = |from, until| {
            let about = about.clone();
            store
                .call_now(|db| db.add_silence(&about, "moving", "me", Millis(from), Millis(until)))
                .unwrap()
        };
        let (long, short) = (add(1, 100), add(1, 50));
        let ids = |at| -> Vec<SilenceId> {
            let found = store.call_now(|db| db.silences(Millis(at))).unwrap();
            found.iter().map(|s| s.id).collect()
        };
        assert_eq!(ids(1), [short.id, long.id]);
        assert_eq!(ids(50), [long.id]);
        let expire = |id, at| store.call_now(|db| db.expire_silence(id, Millis(at))).unwrap();
        assert_eq!(expire(short.id, 60), None, "it has ended");
        assert_eq!(expire(long.id, 60).map(|s| s.until), Some(Millis(60)));
        assert_eq!(ids(60), []);
        assert_eq!(expire(SilenceId(9), 60), None);
    }

    #[test]
    fn reports_of_jobs_are_kept_by_name() {
        let store = memory();
        let heard = Pushed::default().heard(Report::Ok, "fine", Millis(7));
        store.call_now(|db| db.save_push("vzdump", &heard)).unwrap();
        store.call_now(|db| db.save_push("vzdump", &heard)).unwrap();
        let all = store.call_now(|db| db.pushes()).unwrap();
        assert_eq!(all, BTreeMap::from([("vzdump".to_owned(), heard)]));
        store.call_now(|db| db.forget_push("vzdump")).unwrap();
        assert!(store.call_now(|db| db.pushes()).unwrap().is_empty());
    }
}
