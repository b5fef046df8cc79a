//! What the tools of MCP servers say of themselves, and what of it the operator accepted.

use anyhow::{Result, anyhow};

use crate::model::digest::Digest;
use crate::model::time::Millis;
use crate::store::db::Db;

/// One tool of a server, as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedRow {
    pub server: String,
    pub tool: String,
    pub digest: Digest,
    /// Its description.
    pub json: String,
    pub seen_at: Millis,
    pub accepted: Option<Acceptance>,
}

/// What the operator said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acceptance {
    pub digest: Digest,
    pub json: String,
    pub by: String,
    pub at: Millis,
}

/// More tools of a server that are gone are forgotten.
const MOST: i64 = 2_000;

impl Db {
    /// Writes down what a server offers; what did not change is not written again.
    pub fn save_offered(
        &mut self,
        server: &str,
        offered: &[(String, Digest, String)],
        now: Millis,
    ) -> Result<()> {
        let known = self.offered(Some(server))?;
        let is_news = |(tool, digest, _): &&(String, Digest, String)| {
            known.iter().all(|row| row.tool != *tool || row.digest != *digest)
        };
        let news: Vec<_> = offered.iter().filter(is_news).collect();
        if news.is_empty() {
            return Ok(());
        }
        self.atomically(|db| {
            for (tool, digest, json) in news {
                db.write(
                    "INSERT INTO offered (server, tool, digest, json, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (server, tool) DO UPDATE
                        SET digest = excluded.digest, json = excluded.json, seen_at = excluded.seen_at",
                    &[&server, tool, &digest.to_string(), json, &now],
                )?;
            }
            // A server that invents names for ever fills no disk.
            db.write(
                "DELETE FROM offered WHERE accepted IS NULL AND rowid IN
                    (SELECT rowid FROM offered WHERE accepted IS NULL ORDER BY seen_at DESC LIMIT -1 OFFSET ?1)",
                &[&MOST],
            )?;
            Ok(())
        })
    }

    /// All that was ever seen, of one server or of all, by name.
    pub fn offered(&self, server: Option<&str>) -> Result<Vec<OfferedRow>> {
        self.rows(
            "SELECT server, tool, digest, json, seen_at, accepted, accepted_json, accepted_by, accepted_at
             FROM offered WHERE ?1 IS NULL OR server = ?1 ORDER BY server, tool",
            &[&server],
            |row| {
                let digest = |hex: String| Digest::try_from(hex).map_err(|why| anyhow!("{why}"));
                let accepted: Option<String> = row.get(5)?;
                let accepted = match accepted {
                    Some(hex) => Some(Acceptance {
                        digest: digest(hex)?,
                        json: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
                        by: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
                        at: row.get::<_, Option<Millis>>(8)?.unwrap_or(Millis(0)),
                    }),
                    None => None,
                };
                Ok(OfferedRow {
                    server: row.get(0)?,
                    tool: row.get(1)?,
                    digest: digest(row.get(2)?)?,
                    json: row.get(3)?,
                    seen_at: row.get(4)?,
                    accepted,
                })
            },
        )
    }

    /// The operator accepts what was last seen, if that is what they looked at. Says whether it is.
    pub fn accept_offered(
        &mut self,
        server: &str,
        tool: &str,
        looked_at: &Digest,
        by: &str,
        now: Millis,
    ) -> Result<bool> {
        let changed = self.write(
            "UPDATE offered SET accepted = digest, accepted_json = json, accepted_by = ?4, accepted_at = ?5
             WHERE server = ?1 AND tool = ?2 AND digest = ?3",
            &[&server, &tool, &looked_at.to_string(), &by, &now],
        )?;
        Ok(0 < changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::memory;

    #[test]
    fn only_what_was_looked_at_is_accepted_and_a_change_is_seen() {
        let store = memory();
        let save = |text: &str, at| {
            let row = ("write".to_owned(), Digest::of(text.as_bytes()), text.to_owned());
            store.call_now(move |db| db.save_offered("files", &[row], Millis(at))).unwrap();
        };
        let accept = |text: &str| {
            let digest = Digest::of(text.as_bytes());
            store
                .call_now(move |db| db.accept_offered("files", "write", &digest, "me", Millis(5)))
                .unwrap()
        };
        let row = || store.call_now(|db| db.offered(Some("files"))).unwrap().remove(0);
        save("one", 1);
        assert_eq!(row().accepted, None);
        assert!(!accept("two"), "nobody saw that");
        assert!(accept("one"));
        save("one", 2);
        assert_eq!((row().seen_at, row().accepted.unwrap().json.as_str()), (Millis(1), "one"));
        save("two", 3);
        let changed = row();
        assert_eq!((changed.json.as_str(), changed.seen_at), ("two", Millis(3)));
        assert_eq!(changed.accepted.unwrap().digest, Digest::of(b"one"));
        assert!(!accept("one"), "it is not offered any more");
        assert!(accept("two"));
        assert_eq!(store.call_now(|db| db.offered(Some("others"))).unwrap(), []);
    }
}
